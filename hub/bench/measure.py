"""What is read off a run: rates from the journals, delays from the log, memory and CPU of the processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psutil
import psycopg
from psycopg import sql

from hub.up.record import ProcessRecord
from spine.kafka import Broker, broker
from spine.schema import Catalogue


def percentile(values: Sequence[float], percent: int) -> float | None:
    """Nearest rank; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def spread(values: Sequence[float]) -> dict[str, float | int | None]:
    named = {f"p{p}": percentile(values, p) for p in (50, 95, 99)}
    return {"count": len(values), **{name: None if v is None else round(v, 3) for name, v in named.items()}}


def stage_rates(postgres: str, services: Iterable[str], since: datetime) -> dict[str, dict[str, Any]]:
    """Records decided, and per second between a service's first and last batch, after ``since``."""
    rates: dict[str, dict[str, Any]] = {}
    query = (
        "SELECT count(*), min(recorded_at), max(recorded_at) FROM {}.decision"
        " WHERE kind <> 'tick.v1' AND recorded_at >= %s"
    )
    with psycopg.connect(postgres, autocommit=True) as connection:
        for service in services:
            row = connection.execute(sql.SQL(query).format(sql.Identifier(service)), (since,)).fetchone()
            count, first, last = row if row else (0, None, None)
            seconds = (last - first).total_seconds() if first else 0.0
            rates[service] = {"records": count, "per_second": round(count / seconds, 1) if seconds else None}
    return rates


def delays(where: str | Broker, catalogue: Catalogue, since: datetime) -> list[float]:
    """Seconds from receipt to each alert act caused after ``since``: the log's append time less the cause's receipt."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = broker(where).connect(Consumer, {"group.id": "hub-bench", "enable.auto.commit": False})
    places = [
        TopicPartition("alerts", n, 0) for n in consumer.list_topics("alerts", timeout=20).topics["alerts"].partitions
    ]
    left = {p.partition: consumer.get_watermark_offsets(p, timeout=20)[1] for p in places}
    left = {n: end for n, end in left.items() if end > 0}
    consumer.assign([place for place in places if place.partition in left])
    found: list[float] = []
    while left:
        for message in consumer.consume(500, 1.0):
            opened = catalogue.unframe(message.value())
            if opened is not None and opened[0] == "alert.v1":
                at = catalogue.decode(*opened)["at"]
                if at >= since:
                    found.append(message.timestamp()[1] / 1000 - at.timestamp())
            if message.offset() + 1 >= left.get(message.partition(), 0):
                left.pop(message.partition(), None)
    consumer.close()
    return found


@dataclass(slots=True)
class Usage:
    """Memory and CPU of the run's processes, children included."""

    records: Sequence[ProcessRecord]

    def look(self) -> dict[str, dict[str, float]]:
        return {record.name: _usage(record.pid) for record in self.records}


def _usage(pid: int) -> dict[str, float]:
    try:
        whole = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return {"rss_mb": 0.0, "cpu_seconds": 0.0}
    memory, cpu = 0.0, 0.0
    for process in whole:
        try:
            # PostgreSQL's processes share their buffers: count what is each one's own where the kernel tells.
            memory += process.memory_full_info().pss if len(whole) > 1 else process.memory_info().rss
            times = process.cpu_times()
            cpu += times.user + times.system
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return {"rss_mb": round(memory / 1e6, 1), "cpu_seconds": round(cpu, 2)}


def spent(
    before: Mapping[str, Mapping[str, float]], after: Mapping[str, Mapping[str, float]], events: int
) -> dict[str, Any]:
    """Per process: memory at the end, CPU in between, and CPU for each event sent: where the time goes."""
    found = {}
    for name, now in after.items():
        cpu = now["cpu_seconds"] - before.get(name, {}).get("cpu_seconds", 0)
        each = round(cpu * 1000 / events, 3) if events else None
        found[name] = {"rss_mb": now["rss_mb"], "cpu_seconds": round(cpu, 2), "cpu_ms_per_event": each}
    return found
