"""Bearer tokens of OAuth2 client credentials: a JWT of a known issuer, for this door, of a client that has a party.

Only the file of speakers decides what counts. Of the token's own header, ``alg`` and ``kid`` choose among what the file
allows; ``jku``, ``jwk``, ``x5u`` and ``x5c`` are not looked at.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc import jws
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError, MissingClaimError
from joserfc.jwt import JWTClaimsRegistry

from spine.who.issuer_keys import PAUSE_SECONDS, Away, IssuerKeys, Key
from spine.who.principal import Nobody, Principal
from spine.who.speakers import Client, Issuer, Speakers

TOKEN_CHARACTERS_MAX = 8_192
LEEWAY_SECONDS = 30
#: A token that lives longer is as good as a password, and can't be called back.
LIFE_SECONDS_MAX = 24 * 3600
KEY_TYPES: Mapping[str, str] = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC"}


def is_token(text: str) -> bool:
    """Whether a bearer credential is a token rather than an API key: three parts, the first of them JSON."""
    return text.count(".") == 2 and text.startswith("eyJ")


def thumbprint(certificate: bytes) -> str:
    """``x5t#S256`` of a certificate in DER."""
    return base64.urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode()


class _No(Exception):
    """Why this token is nobody's."""

    def __init__(self, reason: str, known: str = "", party: str = "") -> None:
        super().__init__(reason)
        self.reason, self.known, self.party = reason, known, party


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens under what the file of speakers says now."""

    speakers: Callable[[], Speakers]
    keys: IssuerKeys

    def holder(self, token: str, now: datetime, certificate: bytes | None) -> Principal | Nobody:
        """Who holds this token. ``certificate``: what the client showed on this connection, DER."""
        issuer = None
        try:
            signed = _opened(token)
            issuer = self._issuer(signed)
            return _principal(issuer, self._verified(issuer, signed, now), certificate)
        except _No as no:
            return Nobody("token", no.reason, no.known, no.party, issuer.id if issuer else "")
        except Away as away:
            return Nobody("token", "issuer_away", issuer=str(away), again_seconds=int(PAUSE_SECONDS))

    def _issuer(self, signed: jws.CompactSignature) -> Issuer:
        claimed = _claims(signed).get("iss")
        for issuer in self.speakers().issuers:
            if issuer.issuer == claimed:
                return issuer
        raise _No("issuer")

    def _verified(self, issuer: Issuer, signed: jws.CompactSignature, now: datetime) -> Mapping[str, Any]:
        header = signed.headers()
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in issuer.algorithms:
            raise _No("algorithm")
        if {"crit", "b64"} & set(header) or not isinstance(kid, str):
            raise _No("header")
        key = self.keys.find(issuer, kid)
        if key is None:
            raise _No("kid")
        if key.key_type != KEY_TYPES[algorithm] or key.get("alg", algorithm) != algorithm:
            raise _No("algorithm")
        if not _signature_holds(signed, key, algorithm):
            raise _No("signature")
        claims = _claims(signed)
        _check(issuer, claims, int(now.timestamp()))
        return claims


def _opened(token: str) -> jws.CompactSignature:
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise _No("too_long")
    try:
        return jws.extract_compact(token.encode("ascii"), None, jws.JWSRegistry(strict_check_header=False))
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
        raise _No("malformed") from None


def _claims(signed: jws.CompactSignature) -> dict[str, Any]:
    try:
        claims = json.loads(signed.payload or b"")
    except (ValueError, RecursionError):
        raise _No("malformed") from None
    if not isinstance(claims, dict):
        raise _No("malformed")
    return claims


def _signature_holds(signed: jws.CompactSignature, key: Key, algorithm: str) -> bool:
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        return jws.validate_compact(signed, key, registry=registry)
    except (JoseError, ValueError, TypeError):
        return False


def _check(issuer: Issuer, claims: dict[str, Any], now: int) -> None:
    """Audience, times and pinned claims. Raises _No."""
    registry = JWTClaimsRegistry(
        now=now,
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": issuer.issuer},
        aud={"essential": True, "value": issuer.audience},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        registry.validate(claims)
    except MissingClaimError:
        raise _No("claim_missing") from None
    except ExpiredTokenError:
        raise _No("expired") from None
    except ClaimError as error:
        raise _No(f"claim_{error.claim}") from None
    except (ValueError, TypeError, OverflowError):
        raise _No("malformed") from None
    if claims["exp"] - claims["iat"] > LIFE_SECONDS_MAX:
        raise _No("life")
    if any(claims.get(name) != value for name, value in issuer.pinned.items()):
        raise _No("pinned")


def _principal(issuer: Issuer, claims: Mapping[str, Any], certificate: bytes | None) -> Principal:
    identity = claims.get(issuer.client_claim)
    client = issuer.clients.get(identity) if isinstance(identity, str) else None
    if client is None:
        raise _No("client")
    name = f"client:{issuer.id}/{identity}"
    _bound(client, claims, certificate, name)
    stated = claims.get(issuer.scope_claim)
    words = stated.split() if isinstance(stated, str) else stated if isinstance(stated, list) else []
    asked = {issuer.scopes[word] for word in words if isinstance(word, str) and word in issuer.scopes}
    return Principal(client.party, name, client.mode, frozenset(asked & client.scopes))


def _bound(client: Client, claims: Mapping[str, Any], certificate: bytes | None, name: str) -> None:
    """A token bound to a certificate counts only on a connection that showed it (RFC 8705). Raises _No."""
    binding = claims.get("cnf")
    if binding is None:
        if client.certificate_bound:
            raise _No("unbound", name, client.party)
        return
    # Another binding (DPoP) can't be proved here: to pass it over would turn a bound token into a bearer one.
    if not isinstance(binding, dict) or set(binding) != {"x5t#S256"}:
        raise _No("binding", name, client.party)
    if certificate is None or binding["x5t#S256"] != thumbprint(certificate):
        raise _No("binding", name, client.party)
