"""From a request to its principal: which of the ways was used, and what it proves.

A credential in a header decides alone: one that is not valid is never passed over for the certificate of the
connection. Without one, the certificate speaks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import Request

from spine.clock import local_date
from spine.who.certificates import Certificates, of_connection, of_header
from spine.who.keys import KeyRing
from spine.who.principal import Nobody, Principal
from spine.who.speakers import NONE, Speakers
from spine.who.tokens import Tokens, is_token
from spine.who.webhooks import Heard, Secrets, Signed


def _nobody_speaks() -> Speakers:
    return NONE


@dataclass(frozen=True, slots=True)
class Hearing:
    """Every way in. What a door was not given, nobody can use. The callables say what their file says now."""

    keys: Callable[[], KeyRing]
    heard: Heard
    tokens: Tokens | None = None
    certificates: Certificates | None = None
    speakers: Callable[[], Speakers] = _nobody_speaks
    secrets: Callable[[], Secrets] = field(default=Secrets)

    def who(self, request: Request, now: datetime) -> Principal | Nobody:
        """Who speaks. May wait some seconds for an issuer's keys: not for the event loop."""
        authorization, key = request.headers.get("authorization"), request.headers.get("x-api-key")
        certificate = self._certificate(request)
        if authorization is not None:
            kind, _, rest = authorization.partition(" ")
            return self._bearer(rest.strip() if kind.lower() == "bearer" else "", certificate, now)
        if key is not None:
            # The key's own expiry is judged by the real clock, whatever time the demo plays.
            return self.keys().holder(key, local_date(now))
        if certificate is None or self.certificates is None:
            return Nobody("none", "missing")
        return self.certificates.holder(certificate, now)

    def token_url(self) -> str:
        """Where partners get tokens, if the file of speakers says."""
        return next((issuer.token_url for issuer in self.speakers().issuers if issuer.token_url), "")

    def signer(self, party: str, signed: Signed, body: bytes, now: datetime) -> Principal | Nobody:
        """Who signed a webhook for ``party``."""
        return self.secrets().holder(party, signed, body, now)

    def _bearer(self, text: str, certificate: bytes | None, now: datetime) -> Principal | Nobody:
        if not text:
            return Nobody("none", "malformed")
        if not is_token(text):
            return self.keys().holder(text, local_date(now))
        if self.tokens is None:
            return Nobody("token", "issuer")
        return self.tokens.holder(text, now, certificate)

    def _certificate(self, request: Request) -> bytes | None:
        """Of a trusted proxy's connection only the header counts, of any other only what it showed itself."""
        proxy = self.speakers().proxy
        if proxy is not None and request.client is not None and proxy.speaks_from(request.client.host):
            return of_header(request.headers.getlist(proxy.header))
        tls = request.scope.get("extensions", {}).get("tls", {})
        return of_connection(tls.get("client_cert_chain") or [])
