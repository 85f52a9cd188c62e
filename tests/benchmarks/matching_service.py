"""Matching as it runs in production, over real Kafka and PostgreSQL: ``python tests/benchmarks/matching_service.py``.

Puts the observations of a generated county on the log, every subject and all facts sealed, starts the service's
process, and measures from the first decision to the last: CPU seconds of the process, its publisher and its clients
included, and wall time. Exit 0 if the bar is met, 1 if it is not. ``--profile FILE`` keeps a cProfile of the thread
that decides.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]

from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402
from matching_records import population  # noqa: E402

from hub.machine import kafka, postgres  # noqa: E402
from services.matching.bulk import COLUMNS  # noqa: E402
from spine.kafka import Broker, KafkaLog  # noqa: E402
from spine.keystore.kek import LocalKek  # noqa: E402
from spine.keystore.postgres import PostgresKeys  # noqa: E402
from spine.migrate import migrate, migrate_keystore  # noqa: E402
from spine.parts import Clear  # noqa: E402
from spine.record import Outgoing  # noqa: E402
from spine.schema import Catalogue  # noqa: E402
from tests.benchmarks.running_service import run  # noqa: E402

SEED = 900
KEK = base64.b64encode(bytes(range(32))).decode()
START = datetime(2026, 9, 1, 9, 0, tzinfo=UTC)
#: The type of all observations, and what it says.
KIND, DATA = "person.registered", {"register": "ccis", "home_authority": None}
TOPICS = ("observations", "attributions", "reviews", "quarantine")
#: Observations for each CPU second of the process, and what the best peer that is a service does in batches of 1,000.
BAR, PEER = 2_000, 271


@dataclass(frozen=True, slots=True)
class Throughput:
    """``cpu_per_second``: observations for each CPU second of the process; ``wall_per_second``: by the clock."""

    observations: int
    people: int
    sealed: bool
    cpu_seconds: float
    wall_seconds: float
    cpu_per_second: int
    wall_per_second: int
    times_the_peer: float
    resident_mb: int


def observation(
    catalogue: Catalogue, row: Mapping[str, str], number: int, sealed: bool, authority: str = "northshire"
) -> dict[str, Any]:
    """What the gate would pass on of a row. Its key must be made before it can be encoded."""
    subject: dict[str, Any] = {name: row.get(name) or None for name in COLUMNS[2:]}
    subject["date_of_birth"] = date.fromisoformat(row["date_of_birth"]) if row["date_of_birth"] else None
    under = f"{row['source']}/{hashlib.sha256(row['source_ref'].encode()).hexdigest()[:24]}"
    parts = {"subject": Clear("subject.v1", subject, under), "data": Clear(f"{KIND}.data.v1", DATA, under)}
    clear = {name: catalogue.encode(part.kind, part.fields) for name, part in parts.items()}
    return {
        "event_id": hashlib.sha256(row["event_id"].encode()).hexdigest()[:32],
        "source": row["source"],
        "source_kind": "",
        "message_id": row["event_id"],
        "type": KIND,
        "effective_on": date(2026, 9, 1),
        "received_at": START + timedelta(seconds=number),
        "sequence": None,
        "withheld": [],
        "dropped": [],
        "agreement": "a@1",
        "policy": "p",
        "authority": authority,
        "test": False,
        "sealed_under": under if sealed else None,
        **(parts if sealed else clear),
    }


def outgoing(
    catalogue: Catalogue, rows: Iterable[Mapping[str, str]], sealed: bool, authority: str = "northshire"
) -> Iterator[Outgoing]:
    for number, row in enumerate(rows):
        fields = observation(catalogue, row, number, sealed, authority)
        if sealed:
            catalogue.keys.make({fields["sealed_under"]})
        body = catalogue.encode("observation.v1", fields)
        yield Outgoing(0, fields["event_id"], "observations", authority, "observation.v1", body)


@contextmanager
def a_broker(folder: Path) -> Iterator[str]:
    """Address of a broker of the bench's own."""
    broker = kafka.start(folder / "kafka", heap="512m", guard=os.getpid())
    try:
        yield broker.address
    finally:
        kafka.stop(broker)


@contextmanager
def a_database(folder: Path) -> Iterator[str]:
    """URL of a database server of the bench's own, with matching's tables and the key store's."""
    database = postgres.start(folder / "postgres", guard=os.getpid())
    try:
        migrate(database.address, "matching")
        migrate_keystore(database.address)
        yield database.address
    finally:
        postgres.stop(database)
        postgres.remove(folder / "postgres")


def prepare(address: str, url: str, people: int, sealed: bool) -> int:
    """Topics, keys and the observations on the log; returns their number."""
    admin = Broker(address).connect(AdminClient)
    for future in admin.create_topics([NewTopic(name, 1) for name in TOPICS]).values():
        future.result(30)
    catalogue = Catalogue([ROOT / "schemas" / "avro"])
    keys = PostgresKeys(url, LocalKek(base64.b64decode(KEK)))
    catalogue.keys = keys
    held, count, chunk = KafkaLog(address, catalogue.frame, source="bench"), 0, list[Outgoing]()
    for out in outgoing(catalogue, population(SEED, people).rows, sealed):
        chunk.append(out)
        count += 1
        if len(chunk) == 2_000:
            held.append(chunk)
            chunk = []
    held.append(chunk)
    held.close()
    keys.close()
    return count


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--people", type=int, default=10_000)
    ask.add_argument("--clear", action="store_true", help="nothing is sealed")
    ask.add_argument("--profile", type=Path)
    asked = ask.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="matching-service-"))
    try:
        with a_database(folder) as url, a_broker(folder) as address:
            count = prepare(address, url, asked.people, not asked.clear)
            settings = {"HUB_KAFKA": address, "HUB_POSTGRES": url, "HUB_KEK": KEK}
            cpu, wall, weight = run("matching", ("observations", 0), settings, count, asked.profile)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rate = count / cpu
    reached = Throughput(
        observations=count,
        people=asked.people,
        sealed=not asked.clear,
        cpu_seconds=round(cpu, 2),
        wall_seconds=round(wall, 2),
        cpu_per_second=round(rate),
        wall_per_second=round(count / wall),
        times_the_peer=round(rate / PEER, 2),
        resident_mb=weight >> 20,
    )
    print(json.dumps(asdict(reached), indent=1))
    met = rate >= BAR
    print(f"bar: {BAR} observations for each CPU second: {'met' if met else 'NOT met'}")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
