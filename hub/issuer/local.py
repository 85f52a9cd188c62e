"""A small issuer of tokens, to try OAuth2 client credentials with; not for real use.

It speaks as an identity provider does: ``/token`` gives a client that knows its secret a signed JWT, ``/keys``
publishes the public keys. Its keys live as long as the process.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TOKEN_SECONDS = 600
AUDIENCE = "api://eet-hub"
SCOPES = ("events:write", "receipts:read")


@dataclass(slots=True)
class LocalIssuer:
    """Signs tokens for ``clients`` (id to secret). ``clock`` is seconds since 1970."""

    issuer: str
    clients: Mapping[str, str]
    audience: str = AUDIENCE
    clock: Callable[[], float] = time.time
    keys: list[RSAKey | ECKey] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rotate()

    def rotate(self, kind: str = "RSA") -> None:
        """Sign with a new key from now on; the old ones stay published until ``withdraw``."""
        named: Any = {"kid": secrets.token_hex(8), "use": "sig"}
        made = RSAKey.generate_key(2048, named) if kind == "RSA" else ECKey.generate_key("P-256", named)
        self.keys.append(made)

    def withdraw(self) -> None:
        """Publish the newest key only."""
        self.keys[:] = self.keys[-1:]

    def key_set(self) -> dict[str, Any]:
        """The public keys, as a JWKS."""
        return {"keys": [key.as_dict(private=False) for key in self.keys]}

    def claims(self, client: str) -> dict[str, Any]:
        """What a token for ``client`` says."""
        at = int(self.clock())
        who = {"sub": client, "azp": client, "client_id": client, "jti": secrets.token_hex(8)}
        times = {"iat": at, "nbf": at, "exp": at + TOKEN_SECONDS}
        return {"iss": self.issuer, "aud": self.audience, **who, **times, "scope": " ".join(SCOPES)}

    def signed(self, claims: Mapping[str, Any], **header: Any) -> str:
        """A token with these claims under the newest key."""
        key = self.keys[-1]
        algorithm = "RS256" if key.key_type == "RSA" else "ES256"
        head = {"alg": algorithm, "kid": key.kid, **header}
        return jwt.encode(head, dict(claims), key, algorithms=[head["alg"]])

    def token(self, client: str, secret: str) -> str | None:
        """A token, if the secret is the client's."""
        held = self.clients.get(client, "")
        if not hmac.compare_digest(held.encode(), secret.encode()) or not held:
            return None
        return self.signed(self.claims(client))


def create_app(issuer: LocalIssuer) -> Starlette:
    """The issuer over HTTP."""

    async def token(request: Request) -> Response:
        form = await request.form(max_files=0, max_fields=10)
        client, secret = _basic(request) or (str(form.get("client_id", "")), str(form.get("client_secret", "")))
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        made = issuer.token(client, secret)
        if made is None:
            return JSONResponse({"error": "invalid_client"}, 401)
        return JSONResponse({"access_token": made, "token_type": "Bearer", "expires_in": TOKEN_SECONDS})

    async def keys(request: Request) -> Response:
        del request
        return JSONResponse(issuer.key_set())

    async def metadata(request: Request) -> Response:
        del request
        places = {"token_endpoint": f"{issuer.issuer}/token", "jwks_uri": f"{issuer.issuer}/keys"}
        return JSONResponse({"issuer": issuer.issuer, **places})

    return Starlette(
        routes=[
            Route("/token", token, methods=["POST"]),
            Route("/keys", keys),
            Route("/.well-known/openid-configuration", metadata),
        ]
    )


def _basic(request: Request) -> tuple[str, str] | None:
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        client, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return client, secret


def speakers_of(local: LocalIssuer, parties: Mapping[str, str]) -> dict[str, Any]:
    """The file of speakers under which a door believes this issuer."""
    clients = {client: {"party": party, "mode": "test"} for client, party in parties.items()}
    where = {"issuer": local.issuer, "audience": local.audience, "jwks_url": f"{local.issuer}/keys"}
    return {"issuers": [{"id": "local", **where, "algorithms": ["RS256", "ES256"], "clients": clients}]}
