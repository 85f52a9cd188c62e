"""What was sent, in a local SQLite file: hashes only, so that a lost file gives nobody away.

A row is marked as pending before it is sent and as taken after the door has said so. A crash between the two sends it
again under the same id, and the door knows the id: nothing is taken twice, and nothing is forgotten. What is told of a
whole extract is kept in the same way until the door has taken it.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_TABLES = """
CREATE TABLE IF NOT EXISTS sent (
    feed TEXT NOT NULL, key_hash TEXT NOT NULL, version INTEGER NOT NULL, content_hash TEXT NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (feed, key_hash)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epoch (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS snapshots (feed TEXT PRIMARY KEY, keys INTEGER NOT NULL, held INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS extracts (
    feed TEXT PRIMARY KEY, number INTEGER NOT NULL, shape TEXT NOT NULL, rows INTEGER NOT NULL,
    leavers INTEGER NOT NULL, read_on TEXT NOT NULL, told INTEGER NOT NULL
) WITHOUT ROWID;
"""
_KEYS = "CREATE TEMP TABLE seen (key_hash BLOB PRIMARY KEY) WITHOUT ROWID"
PENDING, TAKEN, REFUSED = "pending", "taken", "refused"


@dataclass(frozen=True, slots=True)
class Sent:
    """What the state holds of one row."""

    key_hash: str
    version: int
    content_hash: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Extract:
    """What is to be told of one whole reading of a feed. ``number`` counts the readings; ``read_on`` is an ISO day."""

    number: int
    shape: str
    rows: int
    leavers: int
    read_on: str


class State:
    """The file. One process at a time: a second one gets sqlite3.OperationalError."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)
        self._database = sqlite3.connect(path, timeout=1.0, isolation_level=None)
        self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
        # The keys of a reading go to disk when they grow: memory stays bounded.
        self._database.execute("PRAGMA temp_store=FILE")
        self._database.execute("BEGIN EXCLUSIVE")
        for table in _TABLES.split(";"):
            self._database.execute(table)
        self._database.execute("INSERT OR IGNORE INTO epoch VALUES (1, ?)", (secrets.token_hex(4),))
        #: Name of this file, drawn once: it tells its versions from those of a file that was lost.
        self.epoch = str(self._database.execute("SELECT name FROM epoch").fetchone()[0])
        self._database.execute(_KEYS)
        self._durable()
        self._database.create_function("unhex", 1, bytes.fromhex, deterministic=True)

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
        self._database.executemany("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?, ?)", values)
        self._durable()

    def begin_reading(self) -> None:
        """Forget the keys of the reading before."""
        self._database.execute("DELETE FROM temp.seen")

    def first_seen(self, key_hash: str) -> bool:
        """Whether this reading had no row of this key yet."""
        key = bytes.fromhex(key_hash)
        return self._database.execute("INSERT OR IGNORE INTO temp.seen VALUES (?)", (key,)).rowcount == 1

    def count_seen(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM temp.seen").fetchone()[0])

    def count_absent(self, feed: str) -> int:
        """Rows that were sent once and that this reading has not. They are only counted: nothing follows from it."""
        query = "SELECT count(*) FROM sent WHERE feed = ? AND unhex(key_hash) NOT IN (SELECT key_hash FROM temp.seen)"
        return int(self._database.execute(query, (feed,)).fetchone()[0])

    def last_snapshot(self, feed: str) -> int:
        """Rows of the last snapshot that was let pass; 0 without one."""
        row = self._database.execute("SELECT keys FROM snapshots WHERE feed = ?", (feed,)).fetchone()
        return int(row[0]) if row else 0

    def held(self) -> dict[str, tuple[int, int]]:
        """Feed -> (rows of the last snapshot, rows of the one that is held)."""
        found = self._database.execute("SELECT feed, keys, held FROM snapshots WHERE held IS NOT NULL ORDER BY feed")
        return {str(feed): (int(keys), int(held)) for feed, keys, held in found}

    def hold(self, feed: str, keys: int) -> None:
        self._database.execute("UPDATE snapshots SET held = ? WHERE feed = ?", (keys, feed))
        self._durable()

    def release(self, feed: str) -> bool:
        """A snapshot as small as the one held may pass from now on. Whether one was held."""
        done = self._database.execute(
            "UPDATE snapshots SET keys = held, held = NULL WHERE feed = ? AND held IS NOT NULL", (feed,)
        )
        self._durable()
        return done.rowcount == 1

    def untold(self, feed: str) -> Extract | None:
        """A reading that is over and of which the door has not been told yet."""
        query = "SELECT number, shape, rows, leavers, read_on FROM extracts WHERE feed = ? AND told = 0"
        row = self._database.execute(query, (feed,)).fetchone()
        return Extract(*row) if row else None

    def end_reading(self, feed: str, shape: str, rows: int, leavers: int, read_on: str) -> Extract:
        """The reading is over and all that was due is answered: what is to be told of it, durable."""
        row = self._database.execute("SELECT number FROM extracts WHERE feed = ?", (feed,)).fetchone()
        extract = Extract(int(row[0]) + 1 if row else 1, shape, rows, leavers, read_on)
        values = (feed, extract.number, shape, rows, leavers, read_on)
        self._database.execute("INSERT OR REPLACE INTO extracts VALUES (?, ?, ?, ?, ?, ?, 0)", values)
        if shape == "snapshot":
            self._database.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, NULL)", (feed, self.count_seen()))
        self._durable()
        return extract

    def told(self, feed: str) -> None:
        self._database.execute("UPDATE extracts SET told = 1 WHERE feed = ?", (feed,))
        self._durable()

    def _durable(self) -> None:
        """What was written is on disk. A transaction is always open: the keys of a reading, which nobody needs after
        a crash, are not to cost one each."""
        self._database.execute("COMMIT")
        self._database.execute("BEGIN")
