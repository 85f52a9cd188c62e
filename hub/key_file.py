"""The file of API keys as ``hub keys`` writes it: hashes only, whole or not at all, one writer at a time.

A running door reads it again by itself. What was revoked stays in the file, so that its name is not given again and a
later try is told apart from a stranger's.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from spine.who.keys import KeyEntry, read_entries
from spine.who.principal import Mode, Scope

SECRET_BYTES = 24
HEADER = (
    "# API keys: sha256 of each key, never the key. Written by `hub keys`; a running door reads it again by itself.\n"
)


class KeyFault(Exception):
    """What was asked for can't be done with the keys that there are; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Made:
    """A key in clear, this once, and how it stands in the file."""

    key: str
    entry: KeyEntry


def read(path: Path) -> tuple[KeyEntry, ...]:
    """Raises KeyFault for a file at fault; a file that is not there holds nothing."""
    try:
        return read_entries(path)
    except FileNotFoundError:
        return ()
    except (ValueError, OSError) as error:
        raise KeyFault(str(error)) from error


def add(path: Path, party: str, mode: Mode, scopes: frozenset[Scope], until: date | None) -> Made:
    """A new key of ``party``."""
    with _changing(path) as entries:
        made = _made(entries, party, mode, scopes, until)
        _write(path, [*entries, made.entry])
    return made


def rotate(path: Path, key_id: str, keep_until: date, until: date | None, today: date) -> Made:
    """A new key like ``key_id``, ``until`` that day; the old one counts until ``keep_until``, it included."""
    with _changing(path) as entries:
        old = _one(entries, key_id)
        if old.revoked_on is not None or (old.expires_on is not None and old.expires_on < today):
            raise KeyFault(f"{key_id} no longer counts: add a new key instead")
        made = _made(entries, old.party, old.mode, old.scopes, until)
        ends = min(keep_until, old.expires_on or keep_until)
        kept = old.model_copy(update={"expires_on": ends})
        _write(path, [*(kept if entry is old else entry for entry in entries), made.entry])
    return made


def revoke(path: Path, key_id: str, today: date) -> KeyEntry:
    """``key_id`` counts no longer, from now on."""
    with _changing(path) as entries:
        old = _one(entries, key_id)
        gone = old if old.revoked_on is not None else old.model_copy(update={"revoked_on": today})
        _write(path, [gone if entry is old else entry for entry in entries])
    return gone


def _made(entries: Sequence[KeyEntry], party: str, mode: Mode, scopes: frozenset[Scope], until: date | None) -> Made:
    taken = {entry.key_id for entry in entries}
    number = next(n for n in range(1, len(entries) + 2) if f"{party}-{n}" not in taken)
    key = f"hub{mode}_{secrets.token_urlsafe(SECRET_BYTES)}"
    digest = hashlib.sha256(key.encode()).hexdigest()
    entry = KeyEntry(party=party, key_id=f"{party}-{number}", sha256=digest, mode=mode, expires_on=until, scopes=scopes)
    return Made(key, entry)


def _one(entries: Sequence[KeyEntry], key_id: str) -> KeyEntry:
    found = [entry for entry in entries if entry.key_id == key_id]
    if not found:
        raise KeyFault(f"there is no key {key_id}; `hub keys list` shows those there are")
    return found[0]


@contextmanager
def _changing(path: Path) -> Iterator[tuple[KeyEntry, ...]]:
    """The entries, while nobody else writes."""
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield read(path)


def _write(path: Path, entries: Sequence[KeyEntry]) -> None:
    path = path.resolve()
    before = path.stat() if path.exists() else None
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    new = Path(name)
    try:
        with os.fdopen(handle, "w") as out:
            out.write(HEADER)
            YAML().dump({"keys": [_row(entry) for entry in entries]}, out)
            out.flush()
            os.fsync(out.fileno())
        if before is not None:
            # The door may run as somebody else, who must still be able to read it.
            os.chown(new, before.st_uid, before.st_gid)
            new.chmod(before.st_mode & 0o777)
        read_entries(new)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _row(entry: KeyEntry) -> dict[str, Any]:
    row: dict[str, Any] = {"party": entry.party, "key_id": entry.key_id, "sha256": entry.sha256, "mode": entry.mode}
    row |= {"scopes": sorted(entry.scopes)}
    row |= {"expires_on": entry.expires_on.isoformat()} if entry.expires_on else {}
    return row | ({"revoked_on": entry.revoked_on.isoformat()} if entry.revoked_on else {})
