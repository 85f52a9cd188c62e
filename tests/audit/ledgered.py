"""A toy service on a real database, with its ledger and its archive; the log is in memory, with stamps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from hub.archive.reading import Archive
from hub.archive.writing import Written, run
from spine.ledger import operations
from spine.ledger.checkpoint import Signer, Verifier
from spine.ledger.sequencer import Ledger
from spine.log import MemoryLog, Place
from spine.migrate import migrate, migrate_ledger
from spine.postgres import PostgresJournal
from spine.record import Record
from spine.step import Limits, SetAside, step
from tests.spine.toy import counts, toy_catalogue, toy_processor

ORIGIN = "hub.example"
SIGNER = Signer(bytes(range(32)))
TREES = ("toy", operations.TREE)
VERIFIERS: list[Verifier] = [SIGNER.verifier(f"{ORIGIN}/{tree}") for tree in TREES]
AT = datetime(2026, 11, 26, 12, tzinfo=UTC)


class StampedMemoryLog(MemoryLog):
    def read_stamped(self, positions: Mapping[Place, int], limit: int, wait_ms: int) -> Sequence[tuple[Record, int]]:
        return [(record, 1_790_000_000_000 + record.offset) for record in self.read(positions, limit, wait_ms)]


@dataclass
class Ledgered:
    url: str
    archive: Archive
    journal: PostgresJournal
    ledger: Ledger
    fed: int = 0
    catalogue: object = field(default_factory=toy_catalogue)

    def __post_init__(self) -> None:
        self.log = StampedMemoryLog({"things": 2, "effects": 1, "quarantine": 1}, self.catalogue.frame)
        self._processor = toy_processor()

    def decide(self, count: int) -> None:
        """``count`` more facts on the log, each decided."""
        self.log.append(counts(self.catalogue, "things", range(self.fed, self.fed + count)))
        self.fed += count
        held = self.journal.positions("things")
        for n in range(2):
            place = ("things", n)
            at = held[place].next if place in held else 0
            records = self.log.read({place: at}, 100_000)
            step(records, self._processor, self.journal, self.catalogue, SetAside(Limits()))

    def operate(self, count: int = 1) -> None:
        for n in range(count):
            operations.record(self.url, "redrive", {"what": f"reason {n}"}, AT)

    def archived(self) -> Written:
        return run(Archive(self.archive.folder), self.ledger, self.log, self.catalogue, ["things"])

    def sql(self, text: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(text, values)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def ledgered_on(url: str, folder: Path) -> Iterator[Ledgered]:
    migrate(url, "toy")
    migrate_ledger(url)
    journal = PostgresJournal(url, "toy")
    try:
        yield Ledgered(url, Archive(folder / "archive"), journal, Ledger(url, SIGNER, ORIGIN))
    finally:
        journal.close()
