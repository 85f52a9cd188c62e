"""API keys: one file with hashes, never keys. A key speaks for one party.

The file (HUB_API_KEYS) is YAML or JSON: a list, or an object with the list under ``keys``, of
``{party, key_id, sha256, mode: live|test, expires_on?, scopes?}``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

WRITE, READ = "events:write", "receipts:read"
SCOPES = frozenset({WRITE, READ})
KEY_CHARACTERS_MAX = 256


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of one key."""

    party: str
    key_id: str
    sha256: bytes
    test: bool
    expires_on: date | None
    scopes: frozenset[str]

    @property
    def principal(self) -> str:
        return f"key:{self.key_id}"


class KeyRing:
    """All keys. ``holder`` looks at every one, so that the time it takes says nothing about which came near."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = tuple(keys)

    @classmethod
    def of_file(cls, path: Path) -> KeyRing:
        """Raises ValueError for a file that is no list of keys, naming the entry."""
        read = YAML(typ="safe", pure=True).load(path)
        entries = read.get("keys") if isinstance(read, dict) else read
        if not isinstance(entries, list):
            raise ValueError(f"{path.name}: a list of keys is needed")
        return cls(_key(number, entry) for number, entry in enumerate(entries, start=1))

    def holder(self, key: str, on: date) -> ApiKey | None:
        """The key's entry, if it is known and has not expired (the last day still counts)."""
        if len(key) > KEY_CHARACTERS_MAX:
            return None
        digest = hashlib.sha256(key.encode("utf-8", "replace")).digest()
        found = None
        for held in self._keys:
            if hmac.compare_digest(held.sha256, digest):
                found = held
        if found is None or (found.expires_on is not None and found.expires_on < on):
            return None
        return found


def _key(number: int, entry: Mapping[str, Any]) -> ApiKey:
    try:
        digest = bytes.fromhex(str(entry["sha256"]))
        expires = entry.get("expires_on")
        mode = entry["mode"]
        scopes = frozenset(entry.get("scopes", SCOPES))
        if len(digest) != 32 or mode not in ("live", "test") or not scopes <= SCOPES:
            raise ValueError("a value is not allowed")
        return ApiKey(
            party=str(entry["party"]),
            key_id=str(entry["key_id"]),
            sha256=digest,
            test=mode == "test",
            expires_on=date.fromisoformat(str(expires)) if expires else None,
            scopes=scopes,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"API key {number} of the file is not usable: {type(error).__name__}") from error
