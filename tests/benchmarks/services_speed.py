"""Status and alerts as they run in production, over real Kafka and PostgreSQL.

``python -m tests.benchmarks.services_speed`` puts what the hub itself makes of generated lives (see
tests/benchmarks/lives.py), sealed and with all ticks, on the topic of each
service, starts its process, and measures from the first decision to the last: CPU seconds of the process, its
publisher and its clients included, and wall time. Beside it, in the same run, a bare consumer that reads the same
records and keeps each as a row by COPY, a batch a transaction: what any service must do at least. Exit 0 if the bar is
met, 1 if it is not. ``--profile FOLDER`` keeps a cProfile of each service's deciding thread.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from hub.inprocess import topics_of
from hub.machine import kafka, postgres
from spine.kafka import Broker, KafkaLog
from spine.keystore.kek import LocalKek
from spine.keystore.postgres import PostgresKeys
from spine.migrate import migrate_keystore
from spine.record import Record
from tests.benchmarks.lives import ROOT, county
from tests.benchmarks.running_service import run

KEK = base64.b64encode(bytes(range(32))).decode()
INPUT = {"status": "attributions", "alerts": "statuses"}
#: Facts for each CPU second of a service's process.
BAR = 2_500
BATCH = 500


def prepare(address: str, url: str, people: int) -> dict[str, list[Record]]:
    """Topics, keys, and each service's input on the log."""
    admin = Broker(address).connect(AdminClient)
    for future in admin.create_topics([NewTopic(name, 1) for name in topics_of(ROOT / "contracts")]).values():
        future.result(30)
    keys = PostgresKeys(url, LocalKek(base64.b64decode(KEK)))
    hub = county(people, keys=keys, partitions=1)
    keys.close()
    found = {name: list(hub.log.read({(topic, 0): 0}, 10_000_000, 0)) for name, topic in INPUT.items()}
    producer: Producer = Producer(
        {"bootstrap.servers": address, "acks": "all", "queue.buffering.max.messages": 2_000_000}
    )
    for records in found.values():
        for one in records:
            producer.produce(one.topic, value=one.value, key=one.key.encode(), headers=list(one.headers), partition=0)
            if one.offset % 10_000 == 9_999:
                producer.flush(60)
        assert producer.flush(60) == 0
    return found


def bare(address: str, url: str, topic: str, count: int) -> float:
    """CPU seconds of a consumer that keeps every record as a row."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS public.bare")
        connection.execute("CREATE TABLE public.bare (number bigint PRIMARY KEY, key text, value bytea)")
    held, done = KafkaLog(address, lambda kind, body: body, source="bench"), 0
    begun = time.process_time()
    with psycopg.connect(url) as connection:
        while done < count:
            records = held.read({(topic, 0): done}, BATCH, 200)
            with connection.transaction(), connection.cursor().copy("COPY bare FROM STDIN") as copy:
                for one in records:
                    copy.write_row((one.offset, one.key, one.value))
            done += len(records)
    spent = time.process_time() - begun
    held.close()
    return spent


def measure(address: str, url: str, people: int, names: Sequence[str], profile: Path | None) -> dict[str, Any]:
    found, inputs = dict[str, Any]({"people": people}), prepare(address, url, people)
    for name in names:
        records = inputs[name]
        floor = len(records) / bare(address, url, INPUT[name], len(records))
        settings = {"HUB_KAFKA": address, "HUB_POSTGRES": url, "HUB_KEK": KEK}
        kept = profile / f"{name}.prof" if profile else None
        cpu, wall, weight = run(name, (INPUT[name], 0), settings, len(records), kept)
        found[name] = {
            "records": len(records),
            "cpu_per_second": round(len(records) / cpu),
            "wall_per_second": round(len(records) / wall),
            "bare_cpu_per_second": round(floor),
            "ratio_to_bare": round(len(records) / cpu / floor, 3),
            "resident_mb": weight >> 20,
            "met": len(records) / cpu >= BAR,
        }
    return found


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--people", type=int, default=500)
    ask.add_argument("--service", choices=sorted(INPUT), action="append")
    ask.add_argument("--profile", type=Path)
    asked = ask.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="services-speed-"))
    database = postgres.start(folder / "postgres", guard=os.getpid())
    try:
        migrate_keystore(database.address)
        broker = kafka.start(folder / "kafka", heap="512m", guard=os.getpid())
        try:
            names = asked.service or sorted(INPUT, reverse=True)
            found = measure(broker.address, database.address, asked.people, names, asked.profile)
        finally:
            kafka.stop(broker)
    finally:
        postgres.stop(database)
        postgres.remove(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(found, indent=1))
    met = all(found[name]["met"] for name in names)
    print(f"bar: {BAR} facts for each CPU second: {'met' if met else 'NOT met'}")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
