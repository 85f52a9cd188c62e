"""A whole hub of real processes under test: its doors, its topics, its journals, and the same hub in one process."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import psycopg

from hub.backlog import Backlog, backlogs
from hub.demo.drain import drain
from hub.feed import batches
from hub.inprocess import InProcessHub
from hub.layout import Home
from hub.sample.mess import Line
from hub.ticks import TICKER, Ticker
from hub.topics import read_topics
from hub.up.record import ProcessRecord, RunRecord, read_run
from services.ingest.agent import daily
from spine.headed import POLICY
from spine.journal import DecisionRow
from spine.kafka import KafkaLog
from spine.keystore.kek import LocalKek
from spine.keystore.postgres import PostgresKeys
from spine.postgres import PostgresJournal
from spine.record import Fact, Outgoing, Record
from spine.registry import use_registry
from spine.schema import Catalogue
from spine.seal import Sealer, Seals

ROOT = Path(__file__).parents[2]
CONTRACTS, SCHEMAS = ROOT / "contracts", ROOT / "schemas" / "avro"
#: The key under which the in-process hub seals, so that both open the same submissions.
SEAL_KEY = bytes(range(32))
DOOR_SECONDS_MAX, DRAIN_SECONDS_MAX = 60, 300


@dataclass(slots=True)
class WholeHub:
    """``hub up --demo`` in a folder and on a database of its own."""

    home: Home
    database: str
    accepted: set[str] = field(default_factory=set)
    _door: httpx2.Client = field(init=False)
    _keys: dict[str, str] = field(init=False)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        mine = {"HUB_HOME": str(self.home.folder), "HUB_POSTGRES": self.database, "HUB_KAFKA_HEAP": "512m"}
        mine["HUB_GUARD"] = str(os.getpid())
        # A broker of its own: topics have fixed names, and another test's records would be ours.
        environment = {name: value for name, value in os.environ.items() if name != "HUB_KAFKA"} | mine
        environment.setdefault("HUB_CACHE", str(ROOT / ".hub" / "cache"))
        command = [sys.executable, "-m", "hub", *words, "--json"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)

    def up(self) -> None:
        self.home.folder.mkdir(parents=True, exist_ok=True)
        self.home.seal_key.write_text(base64.b64encode(SEAL_KEY).decode())
        started = self.command("up", "--demo", "--detach")
        assert started.returncode == 0, started.stdout + started.stderr
        self._keys = json.loads(self.home.keys.read_text())
        self._door = httpx2.Client(base_url=self.run().addresses["door"], timeout=30, trust_env=False)

    def run(self) -> RunRecord:
        held = read_run(self.home.run)
        assert held is not None, "the supervisor is gone"
        return held

    def process(self, name: str) -> ProcessRecord:
        (found,) = [process for process in self.run().processes if process.name == name]
        return found

    def kill(self, name: str) -> None:
        """SIGKILL to the process that bears the name now; the supervisor starts it again."""
        os.kill(self.process(name).pid, signal.SIGKILL)

    def post(self, party: str, lines: Sequence[Line]) -> None:
        """One batch, again and again while the door is away or busy: what it accepts is noted by receipt."""
        headers = {
            "Authorization": f"Bearer {self._keys.get(party, 'no-such-key')}",
            "Content-Type": "application/json",
            "Hub-Simulated-Time": lines[-1].received_at.isoformat().replace("+00:00", "Z"),
        }
        body, deadline = json.dumps([line.event for line in lines]).encode(), time.monotonic() + DOOR_SECONDS_MAX
        while True:
            assert time.monotonic() < deadline, "the door stays away"
            try:
                answer = self._door.post("/v1/events", content=body, headers=headers)
            except httpx2.HTTPError:
                time.sleep(0.1)
                continue
            if answer.status_code not in (429, 503):
                break
            time.sleep(0.5)
        # 401: an agency that nobody knows.
        assert answer.status_code in (202, 207, 401), answer.status_code
        items = answer.json().get("items", [])
        self.accepted |= {item["receipt"] for item in items if item["status"] == 202}

    def backlogs(self) -> list[Backlog]:
        return backlogs(self.run().broker(), self.database, read_topics(CONTRACTS))

    def decided(self, name: str) -> int:
        return sum(one.decided for one in self.backlogs() if one.service == name)

    def drained(self, seconds_max: float = DRAIN_SECONDS_MAX) -> None:
        drain(self.backlogs, lambda: self.run().halted(), seconds_max)

    def ticker(self) -> Ticker:
        addresses = self.run().addresses
        return Ticker(self.run().broker(TICKER), addresses["registry"])

    def read(self, topics: Iterable[str]) -> Topics:
        """Everything on the topics, as it stands."""
        catalogue = self.catalogue()
        found = Topics(catalogue, daily(Sealer(SEAL_KEY), self.database))
        for record in self._records(topics, catalogue):
            found.records[record.topic].append(record)
        for records in found.records.values():
            records.sort(key=lambda r: (r.partition, r.offset))
        return found

    def sealed_facts(self, topics: Iterable[str]) -> Iterator[Fact]:
        """The facts on the topics, one after the other, as closed as they stand there."""
        catalogue = self.catalogue()
        for record in self._records(topics, catalogue):
            yield catalogue.sealed_fact(record)

    def catalogue(self) -> Catalogue:
        keys = PostgresKeys(self.database, LocalKek(base64.b64decode(self.home.kek.read_text())))
        catalogue = Catalogue([SCHEMAS], keys)
        use_registry(catalogue, self.run().addresses["registry"])
        return catalogue

    def _records(self, topics: Iterable[str], catalogue: Catalogue) -> Iterator[Record]:
        log = KafkaLog(self.run().administered(), catalogue.frame, source="test")
        try:
            for topic in topics:
                at = {(topic, n): 0 for n in range(log.partitions(topic))}
                while any(at[place] < log.end(place) for place in at):
                    for record in log.read(at, 5_000, 200):
                        at[record.place] = record.offset + 1
                        yield record
        finally:
            log.close()

    def decisions(self, service: str) -> list[DecisionRow]:
        journal = PostgresJournal(self.database, service)
        try:
            return list(journal.decisions())
        finally:
            journal.close()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database) as connection:
            return list(connection.execute(query.encode()))

    def states(self, service: str) -> dict[str, bytes]:
        """Without rows that no fact is keyed by: heads, instructions and last refusals follow the order of a partition.
        The replay of each topic shows them again; the oracle has an order of its own."""
        rows = self.rows(f'SELECT key, body FROM "{service}".state')
        return {str(key): bytes(body) for key, body in rows if not str(key).startswith("|")}

    def mails(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.home.mail.glob("*.eml")))


@dataclass(slots=True)
class Topics:
    """Records by topic, each partition in order."""

    catalogue: Catalogue
    #: Opens the bodies of submissions, as the gate does.
    sealer: Seals
    records: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))

    def facts(self, topic: str) -> list[Fact]:
        return [self.catalogue.fact(record) for record in self.records[topic]]

    def ends(self, topic: str) -> dict[tuple[str, int], int]:
        ends: dict[tuple[str, int], int] = {}
        for record in self.records[topic]:
            ends[record.place] = record.offset + 1
        return ends


def stream(hub: WholeHub, lines: Sequence[Line], size: int, after: Callable[[int], None]) -> None:
    """Post ``lines`` party by party in small batches; ``after(n)`` is called behind the n-th."""
    count = 0
    for party, batch in batches(lines):
        for start in range(0, len(batch), size):
            hub.post(party, batch[start : start + size])
            after(count)
            count += 1


def in_one_process(topics: Topics, caused: dict[str, set[str]]) -> InProcessHub:
    """The same submissions and ticks through the hub in one process: day by day, in the order in which their
    observations stand on the log. ``caused``: effects of each submission."""
    oracle = InProcessHub(CONTRACTS, SCHEMAS, keys=topics.catalogue.keys, sealer=topics.sealer)
    by_day: dict[date, list[tuple[Record, Fact]]] = {}
    ticked: dict[int, date] = {}
    for record, fact in zip(topics.records["submissions"], topics.facts("submissions"), strict=True):
        if fact.kind == "tick.v1":
            ticked[record.partition] = fact.fields["on"]
            by_day.setdefault(fact.fields["on"], [])
        elif fact.kind == "submission.v1":
            by_day[ticked[record.partition]].append((record, fact))
    _put_in_force(oracle, topics)
    places: dict[str, int] = {}
    for n, fact in enumerate(topics.facts("observations")):
        places.setdefault(fact.event_id, n)
    for day in sorted(by_day):
        oracle.tick(day)
        oracle.settle()
        for record, fact in _in_order(by_day[day], caused, places):
            opened = topics.catalogue.unframe(record.value)
            assert opened is not None
            oracle.log.append([Outgoing(0, fact.event_id, "submissions", record.key, *opened)])
            oracle.settle()
    return oracle


def _put_in_force(oracle: InProcessHub, topics: Topics) -> None:
    """The heads of the policy, each in its partition: here all stand before the first day."""
    for topic in ("submissions", "statuses"):
        for record, fact in zip(topics.records[topic], topics.facts(topic), strict=True):
            if fact.kind == POLICY:
                opened = topics.catalogue.unframe(record.value)
                assert opened is not None
                oracle.log.append([Outgoing(0, fact.event_id, topic, record.key, *opened, (), record.partition)])


def replayed(topics: Topics, service: str, topic: str) -> list[DecisionRow]:
    """The decisions of ``service`` when it is given its recorded input again, each partition in its recorded order."""
    keys = topics.catalogue.keys
    alone = InProcessHub(CONTRACTS, SCHEMAS, services=(service,), keys=keys, sealer=topics.sealer)
    for record, fact in zip(topics.records[topic], topics.facts(topic), strict=True):
        opened = topics.catalogue.unframe(record.value)
        assert opened is not None
        alone.log.append([Outgoing(0, fact.event_id, topic, record.key, *opened, record.headers, record.partition)])
    alone.settle()
    return list(alone.journal(service).decisions)


def _in_order(
    submissions: Sequence[tuple[Record, Fact]], caused: dict[str, set[str]], places: dict[str, int]
) -> list[tuple[Record, Fact]]:
    """By the place of the observation; what caused none stays on its side of the one of its key that did."""
    observed: set[str] = set()
    ranked: list[tuple[tuple[int, int], int, tuple[Record, Fact]]] = []
    for n, (record, fact) in enumerate(submissions):
        mine = [places[effect] for effect in caused.get(fact.event_id, set()) if effect in places]
        if mine:
            observed.add(record.key)
            rank = (1, min(mine))
        else:
            rank = (2 if record.key in observed else 0, 0)
        ranked.append((rank, n, (record, fact)))
    return [one for _, _, one in sorted(ranked, key=lambda r: r[:2])]
