"""TLS at the door itself, with the client's certificate where the application can see it.

uvicorn does not tell the application what the client showed. Its connection does know: the protocol below adds ASGI's
own TLS extension, ``scope["extensions"]["tls"]["client_cert_chain"]``, once for each connection.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True, slots=True)
class Tls:
    """``client_ca``: who may have signed clients' certificates. ``required``: no connection without one."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    required: bool = False

    def context(self) -> ssl.SSLContext:
        """Raises OSError or ssl.SSLError if a file is not there or not what it should be."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        context.set_alpn_protocols(["http/1.1"])
        if self.client_ca is not None:
            context.load_verify_locations(self.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED if self.required else ssl.CERT_OPTIONAL
        return context


class CertificateProtocol(H11Protocol):
    """HTTP/1.1 whose scope carries the verified certificate of the client, leaf only, if it showed one."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection = transport.get_extra_info("ssl_object")
        der = connection.getpeercert(binary_form=True) if connection is not None else None
        chain = [ssl.DER_cert_to_PEM_cert(der)] if der else []
        inner: Any = self.app

        async def with_certificate(scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("extensions", {})["tls"] = {"client_cert_chain": chain}
            await inner(scope, receive, send)

        if connection is not None:
            self.app = with_certificate


def serving(tls: Tls | None) -> dict[str, Any]:
    """How uvicorn serves the door. Its own reading of X-Forwarded-For stays off: an address that a client can write
    would decide whose certificate header is believed."""
    plain: dict[str, Any] = {
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_graceful_shutdown": 30,
    }
    if tls is None:
        return plain
    context = tls.context()
    return {**plain, "http": CertificateProtocol, "ssl_context_factory": lambda config, default: context}
