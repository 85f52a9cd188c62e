"""Signing in at the organisation's own provider: OpenID Connect's code flow with PKCE, state and nonce.

Issuer and tenant are pinned (Entra signs the tokens of all tenants with one set of keys); the user is known by ``oid``,
never by an address, and roles are app roles (``roles``). A user counts only if ``contracts/teams.yaml`` lists that
``oid``, and only with roles that both the token and that file name.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
from itsdangerous import BadData, URLSafeTimedSerializer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwt import JWTClaimsRegistry
from ruamel.yaml import YAML

from services.console.people import People, User
from spine.who.issuer_keys import Away, IssuerKeys
from spine.who.speakers import Issuer

FLOW_SECONDS_MAX = 600
SECONDS_MAX = 10
LEEWAY_SECONDS = 30
TOKEN_CHARACTERS_MAX = 16_384


@dataclass(frozen=True, slots=True)
class Refused:
    """``reason`` is a machine word for the log; the page says only that it did not work."""

    reason: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    user: User
    roles: tuple[str, ...]
    following: str


@dataclass(frozen=True, slots=True)
class Provider:
    """``back_url``: this console's own ``/sign-in/back``, as registered with the provider."""

    issuer: Issuer
    authorize_url: str
    token_url: str
    secret: str
    back_url: str
    keys: IssuerKeys
    transport: httpx2.BaseTransport | None = None

    @property
    def client(self) -> str:
        return self.issuer.audience

    def begin(self, cookies: URLSafeTimedSerializer, following: str) -> tuple[str, str]:
        """(address to send the browser to, value of the cookie that goes with it)."""
        flow = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(flow["verifier"].encode()).digest()).rstrip(b"=").decode()
        asked = {
            **{"client_id": self.client, "response_type": "code", "redirect_uri": self.back_url},
            **{"scope": "openid", "response_mode": "query", "state": flow["state"], "nonce": flow["nonce"]},
            **{"code_challenge": challenge, "code_challenge_method": "S256"},
        }
        return f"{self.authorize_url}?{urlencode(asked)}", cookies.dumps({**flow, "following": following})

    def finish(
        self, cookies: URLSafeTimedSerializer, cookie: str, state: str, code: str, people: People, now: datetime
    ) -> SignedIn | Refused:
        try:
            flow = cookies.loads(cookie, max_age=FLOW_SECONDS_MAX)
        except BadData:
            return Refused("no_flow")
        if not secrets.compare_digest(state.encode(), flow["state"].encode()):
            return Refused("state")
        token = self._redeem(code, flow["verifier"])
        claims = token if isinstance(token, Refused) else self._claims(token, flow["nonce"], now)
        if isinstance(claims, Refused):
            return claims
        user = people.by_oid(str(claims.get("oid") or ""))
        if user is None:
            return Refused("not_listed")
        told = claims.get("roles")
        roles = tuple(role for role in user.roles if isinstance(told, list) and role in told)
        return SignedIn(user, roles, flow["following"]) if roles else Refused("no_role")

    def _redeem(self, code: str, verifier: str) -> str | Refused:
        form = {
            **{"grant_type": "authorization_code", "code": code, "redirect_uri": self.back_url},
            **{"client_id": self.client, "client_secret": self.secret, "code_verifier": verifier},
        }
        try:
            with httpx2.Client(transport=self.transport, timeout=SECONDS_MAX, trust_env=False) as client:
                answer = client.post(self.token_url, data=form)
            token = answer.json().get("id_token") if answer.status_code == 200 else None
        except (httpx2.HTTPError, ValueError, AttributeError):
            return Refused("provider_away")
        return token if isinstance(token, str) and len(token) <= TOKEN_CHARACTERS_MAX else Refused("code")

    def _claims(self, token: str, nonce: str, now: datetime) -> Mapping[str, Any] | Refused:
        def key_of(signed: Any) -> Any:
            kid = signed.headers().get("kid")
            key = self.keys.find(self.issuer, kid) if isinstance(kid, str) else None
            if key is None:
                raise ValueError("unknown key")
            return key

        needed: dict[str, Any] = {
            name: {"essential": True, "value": value} for name, value in self.issuer.pinned.items()
        }
        registry = JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self.issuer.issuer},
            aud={"essential": True, "value": self.client},
            nonce={"essential": True, "value": nonce},
            exp={"essential": True},
            iat={"essential": True},
            **needed,
        )
        try:
            claims = jwt.decode(token, key_of, algorithms=sorted(self.issuer.algorithms)).claims
            registry.validate(claims)
        except Away:
            return Refused("provider_away")
        except (JoseError, ValueError, TypeError):
            return Refused("token")
        return claims


def load(path: Path, secret: str, console_url: str, keys: IssuerKeys) -> Provider:
    """From a YAML file: issuer, client, authorize_url, token_url, jwks_url and, for Entra, tenant.

    Raises KeyError or ValueError, also for an Entra issuer without its tenant and for addresses that are not https.
    """
    read = YAML(typ="safe", pure=False).load(path)
    pinned = {"tid": str(read["tenant"])} if "tenant" in read else {}
    issuer = Issuer(
        id="console",
        issuer=str(read["issuer"]),
        audience=str(read["client"]),
        jwks_url=str(read["jwks_url"]),
        pinned=pinned,
        clients={},
    )
    for name in ("authorize_url", "token_url"):
        if not str(read[name]).startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise ValueError(f"{name} must be https, or on this machine")
    back = f"{console_url.rstrip('/')}/sign-in/back"
    return Provider(issuer, str(read["authorize_url"]), str(read["token_url"]), secret, back, keys)
