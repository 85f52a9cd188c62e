"""What a second and a fourth worker of a service bring, over real Kafka and PostgreSQL.

``python -m tests.benchmarks.scale_out``, for each number of workers on the same lives (tests/benchmarks/lives.py; for
matching the observations of eight authorities, half of the people one's: tests/benchmarks/tenants.py) and an empty
database: workers join one after the other; two thirds of the input come at once, and their catching up is timed; while
the last third comes, the worker with the fullest partition is asked to leave, another takes its place, and again the
one with the fullest is killed. Then it is checked that each record was decided once, that the decisions are byte for
byte those of the first run, and that what was published of each key stands in the order of its decisions.

Exit codes: 0 measured, and every check holds; 1 one does not hold, or the service does not get through; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from rich.console import Console
from rich.table import Table

from hub.inprocess import topics_of
from hub.machine import kafka, postgres
from spine.journal import DecisionRow
from spine.kafka import Broker, KafkaLog
from spine.keystore.kek import LocalKek
from spine.keystore.postgres import PostgresKeys
from spine.migrate import migrate_keystore
from spine.postgres import PostgresJournal
from spine.record import Record
from tests.benchmarks import tenants
from tests.benchmarks.lives import ROOT, county

KEK = base64.b64encode(bytes(range(32))).decode()
INPUT = {"matching": "observations", "status": "attributions", "alerts": "statuses"}
OUTPUT = {"matching": ("attributions", "reviews"), "status": ("statuses",), "alerts": ("alerts", "deliveries")}
PARTITIONS = 4
SECONDS_MAX = 600
#: How long a killed worker keeps its partitions (HUB_SESSION_MS).
SESSION_MS = 6_000


@dataclass(slots=True)
class Worker:
    """A process of the service, and what its log says."""

    process: subprocess.Popen[bytes]
    log: Path

    def events(self, name: str) -> Iterator[dict[str, Any]]:
        for line in self.log.read_text().splitlines():
            if line.startswith("{") and (read := json.loads(line)).get("event") == name:
                yield read

    def owns(self) -> set[int]:
        """Partitions that it was given and that nobody took."""
        held: set[int] = set()
        for line in self.log.read_text().splitlines():
            read = json.loads(line) if line.startswith("{") else {}
            if read.get("event") == "assigned":
                held.add(read["partition"])
            elif read.get("event") == "revoked":
                held.discard(read["partition"])
        return held if self.process.poll() is None else set()

    def last(self, name: str) -> float:
        """When an event was last logged, seconds since 1970; 0 if never."""
        stamps = [datetime.fromisoformat(event["timestamp"]).timestamp() for event in self.events(name)]
        return max(stamps, default=0.0)


@dataclass(slots=True)
class Run:
    """One number of workers on a database of its own."""

    service: str
    address: str
    url: str
    folder: Path
    workers: list[Worker] = field(default_factory=list)

    def begin_worker(self) -> float:
        """Start one more and wait until every partition has an owner; seconds from its readiness to that."""
        log = self.folder / f"{len(self.workers)}-{time.monotonic_ns()}.log"
        environment = {
            **os.environ,
            **{"HUB_KAFKA": self.address, "HUB_POSTGRES": self.url, "HUB_KEK": KEK, "HUB_REGISTRY": ""},
            **{"HUB_GROUP": self.folder.name, "HUB_SESSION_MS": str(SESSION_MS), "HUB_ARCHIVE": ""},
        }
        with log.open("wb") as out:
            command = [sys.executable, "-m", f"services.{self.service}", "run"]
            process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=out, stderr=out)
        new = Worker(process, log)
        self.workers.append(new)
        share = PARTITIONS // len(self.workers)
        self.until(lambda: self.settled() and all(len(worker.owns()) >= share for worker in self.workers), "join")
        return max(0.0, new.last("assigned") - new.last("started"))

    def settled(self) -> bool:
        """Whether each partition has one owner among those that live."""
        owned = [n for worker in self.workers for n in worker.owns()]
        return sorted(owned) == list(range(PARTITIONS))

    def end_worker(self, how: signal.Signals, fullest: int) -> float:
        """End the one that has the partition ``fullest``; seconds until the others have its partitions."""
        gone = next(worker for worker in self.workers if fullest in worker.owns())
        theirs, begun = gone.owns(), time.time()
        gone.process.send_signal(how)
        gone.process.wait(60)
        self.workers.remove(gone)
        self.until(self.settled, "leave")
        taken = [worker.last("assigned") for worker in self.workers if theirs & worker.owns()]
        return max(0.0, max(taken, default=begun) - begun)

    def until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS_MAX
        while not done():
            if time.monotonic() > deadline:
                raise TimeoutError(what)
            time.sleep(0.05)

    def close(self) -> None:
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.wait(60)


def once(rows: Sequence[DecisionRow], count: int) -> bool:
    """Whether each of ``count`` records was decided, in order and without a hole, and no event twice."""
    following: dict[tuple[str, int], int] = {}
    decided: list[str] = []
    for row in sorted(rows, key=lambda row: (row.topic, row.partition, row.offset)):
        place = (row.topic, row.partition)
        if row.offset != following.get(place, 0):
            return False
        following[place] = row.offset + 1
        decided += [] if row.note == "repeated" else [row.event_id]
    return sum(following.values()) == count and len(decided) == len(set(decided))


def in_order(rows: Iterable[DecisionRow], published: Iterable[tuple[str, str]]) -> bool:
    """Whether what was published, as (key, event id) in order of the log, gives each key its effects in the order in
    which they were decided, all of them and none that was not. A repetition counts as its first."""
    places: dict[str, tuple[str, int, int, int]] = {}
    for row in rows:
        for index, (effect, _) in enumerate(row.effects):
            places[effect] = (row.topic, row.partition, row.offset, index)
    seen: set[str] = set()
    last: dict[str, tuple[str, int, int, int]] = {}
    for key, event_id in published:
        if event_id in seen:
            continue
        seen.add(event_id)
        if event_id not in places or places[event_id] < last.get(key, ("", -1, -1, -1)):
            return False
        last[key] = places[event_id]
    return seen == set(places)


def digest(rows: Sequence[DecisionRow]) -> str:
    """Of all decisions with their chains: equal where each came out byte for byte the same."""
    found = hashlib.sha256()
    for row in sorted(rows, key=lambda row: (row.topic, row.partition, row.offset)):
        found.update(row.link)
    return found.hexdigest()[:16]


def fresh_topics(address: str) -> None:
    """The hub's topics, empty, each with so many partitions."""
    admin, names = Broker(address).connect(AdminClient), list(topics_of(ROOT / "contracts"))
    there = set(admin.list_topics(timeout=30).topics) & set(names)
    if there:
        for gone in admin.delete_topics(sorted(there)).values():
            gone.result(30)
    deadline = time.monotonic() + 60
    while True:
        made = admin.create_topics([NewTopic(name, PARTITIONS) for name in names])
        try:
            for future in made.values():
                future.result(30)
            return
        except KafkaException:
            # Topics that were deleted a moment ago are still on their way out.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
            for gone in admin.delete_topics([n for n in admin.list_topics(timeout=30).topics if n in names]).values():
                gone.exception(30)


def send(address: str, records: Sequence[Record]) -> None:
    producer: Producer = Producer(
        {"bootstrap.servers": address, "acks": "all", "queue.buffering.max.messages": 2_000_000}
    )
    for one in records:
        where, headers = one.partition, list(one.headers)
        producer.produce(one.topic, value=one.value, key=one.key.encode(), headers=headers, partition=where)
    assert producer.flush(120) == 0


def published(address: str, service: str) -> list[tuple[str, str]]:
    """(key, event id) of everything the service published, partition by partition."""
    held, found = KafkaLog(address, lambda kind, body: body, source="bench"), list[tuple[str, str]]()
    for topic in (*OUTPUT[service], "quarantine"):
        for n in range(PARTITIONS):
            at, place = 0, (topic, n)
            while at < held.end(place):
                for one in held.read({place: at}, 5_000, 200):
                    at = one.offset + 1
                    found.append((f"{topic} {one.key}", dict(one.headers)["ce_id"].decode()))
    held.close()
    return found


def measure(run: Run, records: Sequence[Record], workers: int) -> dict[str, Any]:
    """One run. Raises TimeoutError, naming what did not happen."""
    joins = [run.begin_worker() for _ in range(workers)]
    fullest, most = Counter(one.partition for one in records).most_common(1)[0]
    first, rest = records[: len(records) * 2 // 3], records[len(records) * 2 // 3 :]
    journal = PostgresJournal(run.url, run.service)

    def decided() -> int:
        return sum(position.next for position in journal.positions(INPUT[run.service]).values())

    try:
        send(run.address, first)
        run.until(lambda: decided() > 0, "first decision")
        begun, at = time.monotonic(), decided()
        run.until(lambda: decided() >= len(first) and journal.outbox_size() == 0, "catching up")
        seconds = time.monotonic() - begun
        processes = [psutil.Process(worker.process.pid) for worker in run.workers]
        resident = max(process.memory_info().rss for process in processes)
        cpu = sum(sum(process.cpu_times()[:2]) for process in processes)
        send(run.address, rest)
        leave = run.end_worker(signal.SIGTERM, fullest) if len(run.workers) > 1 else None
        if leave is not None:
            run.begin_worker()
        kill = run.end_worker(signal.SIGKILL, fullest) if len(run.workers) > 1 else None
        run.until(lambda: decided() >= len(records) and journal.outbox_size() == 0, "the rest")
        rows = list(journal.decisions(INPUT[run.service]))
    finally:
        journal.close()
    return {
        "workers": workers,
        "records": len(records),
        "in_the_fullest": most,
        "catch_up_per_second": round((len(first) - at) / seconds),
        "cpu_seconds": round(cpu, 1),
        "resident_mb": resident >> 20,
        "join_seconds": round(max(joins[1:]), 1) if workers > 1 else None,
        "leave_seconds": None if leave is None else round(leave, 1),
        "kill_seconds": None if kill is None else round(kill, 1),
        "once": once(rows, len(records)),
        "in_order": in_order(rows, published(run.address, run.service)),
        "decisions": digest(rows),
    }


def a_database(url: str, name: str, template: str = "") -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        like = f' template "{template}"' if template else ""
        connection.execute(f'create database "{name}"{like}'.encode())
    return f"{url.rpartition('/')[0]}/{name}"


def everything(asked: argparse.Namespace, address: str, url: str, folder: Path) -> list[dict[str, Any]]:
    base = a_database(url, "keys")
    migrate_keystore(base)
    keys = PostgresKeys(base, LocalKek(base64.b64decode(KEK)))
    if asked.service == "matching":
        whole = tenants.observations(asked.people, PARTITIONS, keys)
    else:
        hub = county(asked.people, keys=keys, partitions=PARTITIONS)
        whole = list(hub.log.read({(INPUT[asked.service], n): 0 for n in range(PARTITIONS)}, 10_000_000, 0))
    keys.close()
    # Partitions side by side, as they would come.
    records = sorted(whole, key=lambda one: (one.offset, one.partition))
    found = []
    for workers in asked.workers:
        fresh_topics(address)
        logs = folder / f"scale-out-{workers}"
        logs.mkdir()
        run = Run(asked.service, address, a_database(url, f"run{workers}", "keys"), logs)
        try:
            found.append(measure(run, records, workers))
        finally:
            run.close()
    return found


def show(found: Sequence[Mapping[str, Any]]) -> None:
    table = Table(title="Scale-out")
    names = [name for name in found[0] if name != "decisions"]
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for one in found:
        table.add_row(*("" if one[name] is None else str(one[name]) for name in names))
    Console(width=140).print(table)


def main(words: Sequence[str] | None = None) -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument(
        "--people", type=int, default=300, help="People of thirty facts each; for matching, of a few records each."
    )
    ask.add_argument("--service", choices=sorted(INPUT), default="status")
    ask.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], choices=(1, 2, 4))
    ask.add_argument("--json", action="store_true", help="Print JSON instead of a table.")
    asked = ask.parse_args(words)
    folder = Path(tempfile.mkdtemp(prefix="scale-out-"))
    database = postgres.start(folder / "postgres", guard=os.getpid())
    try:
        broker = kafka.start(folder / "kafka", heap="512m", guard=os.getpid())
        try:
            found = everything(asked, broker.address, database.address, folder)
        finally:
            kafka.stop(broker)
    except TimeoutError as error:
        print(f"scale-out: it did not come to this within {SECONDS_MAX} s: {error}", file=sys.stderr)
        return 1
    finally:
        postgres.stop(database)
        postgres.remove(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)
    good = all(one["once"] and one["in_order"] for one in found) and len({one["decisions"] for one in found}) == 1
    if asked.json:
        print(json.dumps({"service": asked.service, "good": good, "runs": found}, indent=1))
    else:
        show(found)
        print("each decided once, in order, and alike" if good else "A CHECK DOES NOT HOLD")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
