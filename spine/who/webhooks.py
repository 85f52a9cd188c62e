"""Webhooks signed as Standard Webhooks says: HMAC-SHA256 over id, time and body, with a secret that both sides hold.

The secrets stand in one private file (HUB_WEBHOOK_SECRETS): a list, or an object with the list under ``secrets``, of
``{party, key_id, secret: whsec_…, mode, expires_on?, scopes?}``. A party may hold several while it changes them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator

from spine.clock import local_date
from spine.who.keys import IDENTIFIER
from spine.who.principal import SCOPES, Mode, Nobody, Principal, Scope
from spine.who.reading import Entry, doubles, read_list

PREFIX = "whsec_"
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64
TOLERANCE_SECONDS = 300
SIGNATURES_MAX = 10
ID_CHARACTERS_MAX = 256
REMEMBERED_MAX = 100_000


class SecretEntry(Entry):
    """A secret as it stands in the file."""

    party: Annotated[str, Field(pattern=IDENTIFIER)]
    key_id: Annotated[str, Field(pattern=IDENTIFIER)]
    secret: SecretStr
    mode: Mode
    expires_on: date | None = None
    scopes: frozenset[Scope] = SCOPES

    @field_validator("secret")
    @classmethod
    def _bytes(cls, value: SecretStr) -> SecretStr:
        if not SECRET_BYTES_MIN <= len(_decoded(value)) <= SECRET_BYTES_MAX:
            raise ValueError("whsec_ and the base64 of 24 to 64 random bytes is needed")
        return value


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret of one party. Its bytes never show in a repr."""

    party: str
    key_id: str
    key: bytes = field(repr=False)
    mode: Mode
    expires_on: date | None = None
    scopes: frozenset[Scope] = SCOPES

    @property
    def principal(self) -> Principal:
        return Principal(self.party, f"webhook:{self.key_id}", self.mode, self.scopes)


@dataclass(frozen=True, slots=True)
class Signed:
    """The three headers of a webhook."""

    id: str
    timestamp: int
    signatures: tuple[bytes, ...]

    @classmethod
    def of_headers(cls, identity: str, timestamp: str, signature: str) -> Signed | None:
        """None if they are not what the standard says. An id holds no full stop: it could move the borders signed."""
        identifies = 0 < len(identity) <= ID_CHARACTERS_MAX and identity.isascii() and identity.isprintable()
        dated = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12
        if not identifies or "." in identity or not dated:
            return None
        words = signature.split(" ")
        if len(words) > SIGNATURES_MAX:
            return None
        read = [_signature(word) for word in words]
        return cls(identity, int(timestamp), tuple(one for one in read if one is not None))


class Secrets:
    """All secrets, by party."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._held: dict[str, list[Secret]] = {}
        for secret in secrets:
            self._held.setdefault(secret.party, []).append(secret)
        # For who is no party of ours the same work is done: the time it takes tells nothing.
        self._nobody = [Secret("", "", hashlib.sha256(b"nobody").digest(), "test")]

    @classmethod
    def of_file(cls, path: Path) -> Secrets:
        """Raises ValueError naming every fault and no secret, OSError if there is no file."""
        entries = read_list(path, "secrets", SecretEntry)
        twice = doubles([entry.key_id for entry in entries], "key_id")
        if twice:
            raise ValueError(f"{path.name}: secrets: " + "; ".join(twice))
        return cls(
            Secret(e.party, e.key_id, _decoded(e.secret), e.mode, e.expires_on, frozenset(e.scopes)) for e in entries
        )

    def holder(self, party: str, signed: Signed, body: bytes, now: datetime) -> Principal | Nobody:
        """Who signed this body for ``party``."""
        content = f"{signed.id}.{signed.timestamp}.".encode() + body
        found = None
        for secret in self._held.get(party, self._nobody):
            expected = hmac.new(secret.key, content, hashlib.sha256).digest()
            for signature in signed.signatures:
                if hmac.compare_digest(expected, signature) and secret.party:
                    found = secret
        if found is None:
            return Nobody("webhook", "signature" if party in self._held else "unknown")
        known = f"webhook:{found.key_id}"
        if abs(now.timestamp() - signed.timestamp) > TOLERANCE_SECONDS:
            return Nobody("webhook", "time", known, party)
        if found.expires_on is not None and found.expires_on < local_date(now):
            return Nobody("webhook", "expired", known, party)
        return found.principal


class Heard:
    """Webhook ids that were taken, while their time counts: what was recorded on the way can't be played again.

    A sender that got no answer sends the same id and body with a newer time, signed anew: only who has the secret can.
    Bounded; what is forgotten early is still recognised by the ids of its messages. ``clock`` is seconds.
    """

    def __init__(self, clock: Callable[[], float], size: int = REMEMBERED_MAX) -> None:
        self._clock, self._size = clock, size
        self._held: OrderedDict[tuple[str, str], _Taken] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, principal: Principal, signed: Signed, body: bytes) -> Literal["new", "again", "replay"]:
        """What this is to the hub. ``forget`` it if nothing came of it."""
        now, key, digest = self._clock(), (principal.party, signed.id), hashlib.sha256(body).digest()
        with self._lock:
            before = self._held.get(key)
            current = before is not None and before.until >= now
            if before and current and (before.digest != digest or signed.timestamp <= before.timestamp):
                return "replay"
            self._held[key] = _Taken(digest, signed.timestamp, now + 2 * TOLERANCE_SECONDS)
            self._held.move_to_end(key)
            while len(self._held) > self._size or next(iter(self._held.values())).until < now:
                self._held.popitem(last=False)
            return "again" if current else "new"

    def forget(self, principal: Principal, signed: Signed) -> None:
        with self._lock:
            self._held.pop((principal.party, signed.id), None)


@dataclass(frozen=True, slots=True)
class _Taken:
    digest: bytes
    timestamp: int
    until: float


def _decoded(secret: SecretStr) -> bytes:
    text = secret.get_secret_value()
    try:
        return base64.b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else b""
    except (binascii.Error, ValueError):
        return b""


def _signature(word: str) -> bytes | None:
    version, _, encoded = word.partition(",")
    if version != "v1":
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
