"""Which keys and certificates speak for a party, and until when. Hashes and names of certificates stay unread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from spine.who.keys import read_entries
from spine.who.speakers import read_speakers

SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Speaker:
    """``kind``: key, certificate or client (of an issuer of tokens)."""

    party: str
    kind: str
    name: str
    mode: str
    until: date | None
    revoked: bool = False

    def state(self, today: date) -> str:
        if self.revoked:
            return "revoked"
        if self.until is None or self.until > today + SOON:
            return "in_force"
        return "ends_soon" if self.until >= today else "ended"


@dataclass(frozen=True, slots=True)
class Files:
    """The door's files, read anew at each look: a key that was taken back shows so at once."""

    keys: Path | None = None
    speakers: Path | None = None

    def read(self) -> Sequence[Speaker] | None:
        """None where no file is given here, or one cannot be read: nothing is said rather than half."""
        if self.keys is None and self.speakers is None:
            return None
        try:
            return [*_keys(self.keys), *_speakers(self.speakers)]
        except (OSError, ValueError):
            return None


def _keys(path: Path | None) -> list[Speaker]:
    entries = () if path is None else read_entries(path)
    return [Speaker(e.party, "key", e.key_id, e.mode, e.expires_on, e.revoked_on is not None) for e in entries]


def _speakers(path: Path | None) -> list[Speaker]:
    if path is None:
        return []
    read = read_speakers(path)
    shown = [Speaker(one.party, "certificate", one.id, one.mode, one.expires_on) for one in read.certificates]
    clients = (client for issuer in read.issuers for client in sorted(issuer.clients.items()))
    return shown + [Speaker(one.party, "client", name, one.mode, None) for name, one in clients]
