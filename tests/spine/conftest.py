"""Real servers with a toy's topics, schemas and database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hub.topics import ensure_topics
from spine.journal import DecisionRow
from spine.kafka import KafkaLog
from spine.migrate import migrate
from spine.postgres import PostgresJournal
from spine.record import Fact
from spine.schema import Catalogue
from tests.spine.toy import ROOT, counts, write_schemas

CONTRACT = """
topics:
  things:     {key: thing, partitions: 4, retention_days: 2, input_of: toy}
  effects:    {key: thing, partitions: 2, retention_days: 2}
"""
QUARANTINE = "topics: {quarantine: {key: place, partitions: 1, retention_days: 30}}"


@dataclass
class Toy:
    """Topics of its own on the shared broker, a database of its own, and processes of the toy service."""

    bootstrap: str
    url: str
    prefix: str
    schemas: Path
    journal: PostgresJournal
    log: KafkaLog
    catalogue: Catalogue
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def topic(self) -> str:
        return f"{self.prefix}things"

    @property
    def effects(self) -> str:
        return f"{self.prefix}effects"

    def start(self, host: str = "confluent", **more: str) -> subprocess.Popen[bytes]:
        environment: Mapping[str, str] = {
            **os.environ,
            "HUB_KAFKA": self.bootstrap,
            "HUB_POSTGRES": self.url,
            "HUB_REGISTRY": "",
            "HUB_SCHEMAS": str(self.schemas),
            "HUB_HOST": host,
            "HUB_GROUP": f"{self.prefix}toy",
            "HUB_TOY_TOPIC": self.topic,
            "HUB_TOY_EFFECTS": self.effects,
            "HUB_STOP_SECONDS_MAX": "15",
            "HUB_SESSION_MS": "6000",
            **more,
        }
        process = subprocess.Popen([sys.executable, "-m", "tests.spine.toy"], cwd=ROOT, env=environment)
        self.started.append(process)
        return process

    def feed(self, numbers: range) -> None:
        self.log.append(counts(self.catalogue, self.topic, numbers))

    def decided(self) -> int:
        return sum(p.next for p in self.journal.positions(self.topic).values())

    def settled(self, count: int, seconds: float = 30) -> None:
        """Wait until ``count`` records are decided and the outbox is empty."""
        self.until(lambda: self.decided() >= count and self.journal.outbox_size() == 0, seconds)

    def until(self, done: Callable[[], bool], seconds: float = 30) -> None:
        # A bound, not a measure: twice what a busy machine was seen to need.
        deadline = time.monotonic() + 2 * seconds
        while not done():
            assert time.monotonic() < deadline, f"decided {self.decided()}, outbox {self.journal.outbox_size()}"
            time.sleep(0.05)

    def rows(self) -> list[DecisionRow]:
        return list(self.journal.decisions())

    def echoes(self) -> list[Fact]:
        at = {(self.effects, n): 0 for n in range(self.log.partitions(self.effects))}
        found: list[Fact] = []
        while any(at[place] < self.log.end(place) for place in at):
            for record in self.log.read(at, 1000, 200):
                at[record.place] = record.offset + 1
                found.append(self.catalogue.fact(record))
        return found

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
        self.journal.close()
        self.log.close()


@contextmanager
def toy_on(bootstrap: str, database: str, folder: Path) -> Iterator[Toy]:
    """A toy on these servers; what it started is ended at the end."""
    prefix = f"toy-{uuid.uuid4().hex[:8]}-"
    contract = folder / "topics.yaml"
    contract.write_text(CONTRACT)
    ensure_topics(bootstrap, contract, prefix=prefix)
    contract.write_text(QUARANTINE)
    ensure_topics(bootstrap, contract)
    schemas = write_schemas(folder / "schemas")
    catalogue = Catalogue([schemas])
    migrate(database, "toy")
    journal, log = PostgresJournal(database, "toy"), KafkaLog(bootstrap, catalogue.frame)
    held = Toy(bootstrap, database, prefix, schemas, journal, log, catalogue)
    try:
        yield held
    finally:
        held.end()


@pytest.fixture
def toy(kafka_bootstrap: str, fresh_database: str, tmp_path: Path) -> Iterator[Toy]:
    with toy_on(kafka_bootstrap, fresh_database, tmp_path) as held:
        yield held
