"""What the files door remembers of one party: files by content, and the last snapshot. SQLite, beside the folders.

It holds keyed hashes and counts, and the names that partners gave their files; no value of a row. Losing it loses
nothing that counts: message ids keep a file that is read again from having a second effect.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TAKEN, REFUSED, HELD, RELEASED, READING = "taken", "refused", "held", "released", "reading"
_TABLES = """
create table if not exists files (
  digest text primary key, file text not null, rule text not null, state text not null, reason text not null,
  rows integer not null, keys integer not null, seen_at text not null);
create table if not exists present (
  rule text not null, key blob not null, print blob not null, batch text not null, primary key (rule, key))
  without rowid;
create table if not exists told (what text primary key) without rowid;
create temp table seen (id text primary key, print blob not null) without rowid;
create temp table keys (key blob primary key) without rowid;
"""


@dataclass(frozen=True, slots=True)
class FileSeen:
    """One file by its content. ``reason`` is the code of a refusal; ``seen_at`` of one being read is its beginning."""

    digest: str
    file: str
    rule: str
    state: str
    reason: str
    rows: int
    keys: int
    seen_at: str


class Ledger:
    """One writer at a time. ``path`` None: in memory, for a dry run."""

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=30)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        # The tables of one file's ids go to disk when they grow: memory stays bounded.
        self._db.execute("pragma temp_store = file")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def file(self, digest: str) -> FileSeen | None:
        row = self._db.execute("select * from files where digest = ?", (digest,)).fetchone()
        return FileSeen(*row) if row else None

    def files(self, state: str = "") -> list[FileSeen]:
        rows = self._db.execute("select * from files where ? in ('', state) order by seen_at, digest", (state,))
        return [FileSeen(*row) for row in rows]

    def note(self, seen: FileSeen) -> None:
        values = (seen.digest, seen.file, seen.rule, seen.state, seen.reason, seen.rows, seen.keys, seen.seen_at)
        self._db.execute("insert or replace into files values (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def release(self, digest: str) -> bool:
        """Whether there was a held file of this content."""
        done = self._db.execute("update files set state = 'released' where digest = ? and state = 'held'", (digest,))
        return done.rowcount == 1

    def last_snapshot_keys(self, rule: str) -> int:
        """Rows of the last snapshot taken; 0 without one."""
        row = self._db.execute(
            "select keys from files where rule = ? and state = 'taken' order by seen_at desc limit 1", (rule,)
        ).fetchone()
        return int(row[0]) if row else 0

    def begin(self) -> None:
        """Forget the ids and keys of the file before."""
        self._db.execute("delete from seen")
        self._db.execute("delete from keys")

    def add_keys(self, keys: Iterable[bytes]) -> None:
        with self._together():
            self._db.executemany("insert or ignore into keys values (?)", ((key,) for key in keys))

    def count_keys(self) -> int:
        return int(self._db.execute("select count(*) from keys").fetchone()[0])

    def seen(self, ids: Sequence[str]) -> Mapping[str, bytes]:
        """Message id -> print of its content, for those that this file had before."""
        marks = ",".join("?" * len(ids))
        return dict(self._db.execute(f"select id, print from seen where id in ({marks})", list(ids)))

    def see(self, prints: Mapping[str, bytes]) -> None:
        with self._together():
            self._db.executemany("insert or ignore into seen values (?, ?)", prints.items())

    def present(self, rule: str, keys: Sequence[bytes], batch: str) -> Mapping[bytes, bytes]:
        """Row key -> print of what the hub last took of it, from other files than ``batch``.

        What an interrupted reading of the same file has noted does not count: its rows are sent again, under the same
        ids, so that answers and counts are those of the whole file.
        """
        marks = ",".join("?" * len(keys))
        query = f"select key, print from present where rule = ? and batch <> ? and key in ({marks})"
        return dict(self._db.execute(query, [rule, batch, *keys]))

    def be_present(self, rule: str, batch: str, prints: Mapping[bytes, bytes]) -> None:
        with self._together():
            self._db.executemany(
                "insert into present values (?, ?, ?, ?) on conflict (rule, key) do update set"
                " print = excluded.print, batch = excluded.batch",
                ((rule, key, print_, batch) for key, print_ in prints.items()),
            )

    def count_absent(self, rule: str) -> int:
        """Rows that an earlier snapshot had and the keys of this one have not. They are only counted."""
        query = "select count(*) from present where rule = ? and key not in (select key from keys)"
        return int(self._db.execute(query, (rule,)).fetchone()[0])

    def has_told(self, what: str) -> bool:
        """Whether a report was written: one about a file that lies there is not written every round."""
        return self._db.execute("select 1 from told where what = ?", (what,)).fetchone() is not None

    def note_told(self, what: str) -> None:
        """Call when the report lies whole in its folder."""
        self._db.execute("insert or ignore into told values (?)", (what,))

    def _together(self) -> _Transaction:
        return _Transaction(self._db)


class _Transaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("begin")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._db.execute("commit" if kind is None else "rollback")
