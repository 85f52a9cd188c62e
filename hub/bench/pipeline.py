"""The pipeline on real Kafka and PostgreSQL: a flood for rates, a paced stretch for delays, a bare loop beside."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hub.backlog import backlogs
from hub.bench.baseline import run_hops
from hub.bench.load import load, paced, today
from hub.bench.measure import Usage, delays, spent, spread, stage_rates
from hub.demo.drain import drain
from hub.feed import Feed
from hub.layout import Home, contracts_folder, schemas_folder
from hub.machine import postgres
from hub.sample.mess import Line
from hub.ticks import TICKER, Ticker
from hub.topics import Topic, read_topics
from hub.up.commands import start_detached, take_down
from hub.up.record import RunRecord, read_run
from spine.registry import use_registry
from spine.schema import Catalogue

DRAIN_SECONDS_MAX = 900
PARTIES_AT_ONCE = 8
#: Sent and decided before anything is measured: connections open, caches fill, the broker's JVM compiles.
WARM_EVENTS = 500
#: The hops that every accepted event makes.
HOPS = ("submissions", "observations", "attributions", "statuses")


@dataclass(frozen=True, slots=True)
class Asked:
    """Sizes of a run: events of the flood, then ``rate`` a second for ``seconds``."""

    events: int
    rate: int
    seconds: int
    host: str


def pipeline(asked: Asked, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Run in a hub of its own in ``folder``, which is emptied before and stopped after."""
    os.environ |= {"HUB_HOME": str(folder), "HUB_HOST": asked.host}
    home = Home.of_environment()
    take_down(home)
    postgres.remove(home.postgres)
    for part in (home.kafka, home.logs):
        postgres.remove(part)
    say("starting the hub")
    run = start_detached(home, demo=True)
    try:
        bench = _Bench(home, run, read_topics(contracts_folder()), Catalogue([schemas_folder()]), say)
        return bench.measure(asked)
    finally:
        take_down(home)


@dataclass(slots=True)
class _Bench:
    home: Home
    run: RunRecord
    topics: Sequence[Topic]
    catalogue: Catalogue
    say: Callable[[str], None]

    @property
    def usage(self) -> Usage:
        return Usage(self.run.processes)

    def measure(self, asked: Asked) -> dict[str, Any]:
        registry = self.run.addresses["registry"]
        use_registry(self.catalogue, registry)
        lines = load(WARM_EVENTS + asked.events + asked.rate * asked.seconds, today())
        with closing(Ticker(self.run.broker(TICKER), registry)) as ticker, self._feed() as feed:
            ticker.write(today())
            feed.send(lines[:WARM_EVENTS])
        self._drain()
        lines = lines[WARM_EVENTS:]
        found: dict[str, Any] = {"machine": _machine(), "host": asked.host}
        if asked.events:
            found["flood"] = self._flood(lines[: asked.events])
        if asked.rate:
            found["paced"] = self._paced(lines[asked.events :], asked.rate)
        found["processes"] = self.usage.look()
        self.say("the bare loop over the same records")
        found["baseline"] = self._baseline(found.get("flood"))
        return found

    def _feed(self) -> Feed:
        return Feed.of_machine(self.run.addresses["door"], at_once=PARTIES_AT_ONCE)

    def _flood(self, lines: Sequence[Line]) -> dict[str, Any]:
        self.say(f"flood: {len(lines)} events")
        before, since, began = self.usage.look(), datetime.now(UTC), time.monotonic()
        with self._feed() as feed:
            feed.send(lines)
            sent = time.monotonic() - began
        self._drain()
        seconds = time.monotonic() - began
        rates = stage_rates(self.run.addresses["postgres"], [t.input_of for t in self.topics if t.input_of], since)
        return {
            "events": len(lines),
            "answers": dict(feed.answers),
            "seconds": round(seconds, 2),
            "per_second": round(len(lines) / seconds, 1),
            "door_per_second": round(len(lines) / sent, 1),
            "stages": rates,
            "processes": spent(before, self.usage.look(), len(lines)),
        }

    def _paced(self, lines: Sequence[Line], rate: int) -> dict[str, Any]:
        self.say(f"paced: {rate} events/s")
        since = datetime.now(UTC)
        with self._feed() as feed:
            seconds = paced(lines, rate, feed.send)
        self._drain()
        held = delays(self.run.administered(), self.catalogue, since)
        achieved = round(len(lines) / seconds, 1) if seconds else None
        return {"rate": rate, "achieved": achieved, "receipt_to_alert_seconds": spread(held)}

    def _baseline(self, flood: Mapping[str, Any] | None) -> dict[str, Any]:
        hops = run_hops(HOPS)
        slowest = max(hop["seconds"] for hop in hops.values())
        events = hops["submissions"]["records"]
        found: dict[str, Any] = {"hops": hops, "events_per_second": round(events / slowest, 1) if slowest else None}
        if flood and found["events_per_second"]:
            found["hub_to_baseline"] = round(flood["per_second"] / found["events_per_second"], 3)
        return found

    def _drain(self) -> None:
        kafka, database = self.run.broker(), self.run.addresses["postgres"]
        drain(lambda: backlogs(kafka, database, self.topics), self._halted, DRAIN_SECONDS_MAX)

    def _halted(self) -> list[str]:
        run = read_run(self.home.run)
        return ["everything"] if run is None else run.halted()


def _machine() -> dict[str, Any]:
    import platform

    import psutil

    memory = round(psutil.virtual_memory().total / 1e9, 1)
    return {"cores": os.cpu_count(), "memory_gb": memory, "python": platform.python_version()}
