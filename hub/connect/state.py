"""What was sent, in a local SQLite file: hashes only, so that a lost file gives nobody away.

A row is marked as pending before it is sent and as taken after the door has said so. A crash between the two sends it
again under the same id, and the door knows the id: nothing is taken twice, and nothing is forgotten.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_TABLE = """
CREATE TABLE IF NOT EXISTS sent (
    feed TEXT NOT NULL, key_hash TEXT NOT NULL, version INTEGER NOT NULL, content_hash TEXT NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (feed, key_hash)
) WITHOUT ROWID
"""
_EPOCH = "CREATE TABLE IF NOT EXISTS epoch (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL)"
PENDING, TAKEN, REFUSED = "pending", "taken", "refused"


@dataclass(frozen=True, slots=True)
class Sent:
    """What the state holds of one row."""

    key_hash: str
    version: int
    content_hash: str
    outcome: str


class State:
    """The file. One process at a time: a second one gets sqlite3.OperationalError."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)
        self._database = sqlite3.connect(path, timeout=1.0, isolation_level=None)
        self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._database.execute("BEGIN EXCLUSIVE")
        self._database.execute(_TABLE)
        self._database.execute(_EPOCH)
        self._database.execute("INSERT OR IGNORE INTO epoch VALUES (1, ?)", (secrets.token_hex(4),))
        #: Name of this file, drawn once: it tells its versions from those of a file that was lost.
        self.epoch = str(self._database.execute("SELECT name FROM epoch").fetchone()[0])
        self._database.execute("COMMIT")

    def __enter__(self) -> State:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def due(self, feed: str, key_hash: str, content_hash: str) -> int:
        """The version to send of a row that says this now; 0 if it was taken as it is.

        What is pending or was refused keeps its version, and so its id, while it says the same: a refusal may have
        been mended on the hub's side. Any other content is the next version.
        """
        found = self._database.execute(
            "SELECT version, content_hash, outcome FROM sent WHERE feed = ? AND key_hash = ?", (feed, key_hash)
        ).fetchone()
        if found is None:
            return 1
        version, held, outcome = int(found[0]), str(found[1]), str(found[2])
        if held != content_hash:
            return version + 1
        return 0 if outcome == TAKEN else version

    def mark(self, feed: str, rows: Iterable[Sent]) -> None:
        """All or none; durable when this returns."""
        values = [(feed, row.key_hash, row.version, row.content_hash, row.outcome) for row in rows]
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?, ?)", values)
        self._database.execute("COMMIT")
