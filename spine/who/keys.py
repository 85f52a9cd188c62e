"""API keys: one file with hashes, never keys. A key speaks for one party.

The file (HUB_API_KEYS) is YAML or JSON: a list, or an object with the list under ``keys``, of
``{party, key_id, sha256, mode: live|test|sandbox, expires_on?, scopes?, revoked_on?}``. ``hub keys`` writes it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from spine.who.principal import SCOPES, Mode, Nobody, Principal, Scope
from spine.who.reading import Entry, doubles, read_list

KEY_CHARACTERS_MAX = 256
IDENTIFIER = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of one key. ``revoked``: refused from now on, but still known by name when it is tried."""

    party: str
    key_id: str
    sha256: bytes
    mode: Mode
    expires_on: date | None = None
    scopes: frozenset[Scope] = SCOPES
    revoked: bool = False

    @property
    def principal(self) -> Principal:
        return Principal(self.party, f"key:{self.key_id}", self.mode, self.scopes)


class KeyEntry(Entry):
    """A key as it stands in the file."""

    party: Annotated[str, Field(pattern=IDENTIFIER)]
    key_id: Annotated[str, Field(pattern=IDENTIFIER)]
    sha256: str
    mode: Mode
    expires_on: date | None = None
    scopes: Annotated[frozenset[Scope], Field(min_length=1)] = SCOPES
    revoked_on: date | None = None

    @field_validator("sha256")
    @classmethod
    def _hex(cls, value: str) -> str:
        if not re.fullmatch(r"[0-9a-fA-F]{64}", value):
            raise ValueError("64 hexadecimal digits are needed: the SHA-256 of the key")
        return value.lower()

    def held(self) -> ApiKey:
        digest = bytes.fromhex(self.sha256)
        revoked = self.revoked_on is not None
        return ApiKey(self.party, self.key_id, digest, self.mode, self.expires_on, self.scopes, revoked)


def read_entries(path: Path) -> tuple[KeyEntry, ...]:
    """Raises ValueError for a file that is no list of keys, naming every fault, OSError if there is none."""
    entries = read_list(path, "keys", KeyEntry)
    twice = doubles([e.key_id for e in entries], "key_id") + doubles([e.sha256[:8] for e in entries], "the hash")
    if twice:
        raise ValueError(f"{path.name}: keys: " + "; ".join(twice))
    return entries


class KeyRing:
    """All keys. ``holder`` looks at every one, so that the time it takes says nothing about which came near."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def of_file(cls, path: Path) -> KeyRing:
        """Raises ValueError for a file that is no list of keys, naming every fault."""
        return cls(entry.held() for entry in read_entries(path))

    def holder(self, key: str, on: date) -> Principal | Nobody:
        """Who holds this key, if it is known, not revoked, and has not expired (the last day still counts)."""
        if len(key) > KEY_CHARACTERS_MAX:
            return Nobody("key", "too_long")
        digest = hashlib.sha256(key.encode("utf-8", "replace")).digest()
        found = None
        for held in self._keys:
            if hmac.compare_digest(held.sha256, digest):
                found = held
        if found is None:
            return Nobody("key", "unknown")
        if found.revoked:
            return Nobody("key", "revoked", f"key:{found.key_id}", found.party)
        if found.expires_on is not None and found.expires_on < on:
            return Nobody("key", "expired", f"key:{found.key_id}", found.party)
        return found.principal
