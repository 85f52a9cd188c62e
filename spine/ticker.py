"""The ticker: writes the date, as a fact, to every partition of every input topic.

``python -m spine.ticker`` ticks at the hour that policy ``calendar.tick_at`` names (London), and on its start the days
it missed. Ticks never go back: the last day written stands in the journal of service ``ticker``, in the transaction
that puts the ticks in its outbox. The ids are functions of topic, partition and day, so a day written twice is
recognised by readers.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path

from ruamel.yaml import YAML

from spine import clock
from spine.errors import Halt, Retry
from spine.health import HealthServer
from spine.journal import Journal, MemoryJournal, Position
from spine.kafka import topics_of
from spine.log import Log, Place
from spine.progress import Progress
from spine.publisher import publish
from spine.record import Effect, Outgoing
from spine.schema import Catalogue
from spine.service import FAILED, HALTED, STOPPED, Prepared, on_signals, prepare
from spine.settings import Settings
from spine.step import TICK, encode_effects
from spine.telemetry import log, metrics, setup, where

SERVICE = "ticker"
PLACE: Place = (SERVICE, 0)
LOOK_SECONDS = 20.0
CATCH_UP_DAYS_MAX = 400


def input_topics(topics_yaml: Path) -> list[str]:
    """Topics that are some service's one door."""
    return sorted(name for name, topic in topics_of(topics_yaml).items() if topic.get("input_of"))


def ticks(log_: Log, topics: Sequence[str], on: date, catalogue: Catalogue) -> list[Outgoing]:
    """The ticks of ``on``, one per partition."""
    out = []
    for topic in topics:
        for n in range(log_.partitions(topic)):
            effect = Effect(topic, "", TICK, {"on": on})
            (tick,) = encode_effects(SERVICE, f"tick-{topic}-{n}-{on}", [effect], catalogue)
            out.append(Outgoing(0, tick.event_id, topic, "", tick.kind, tick.body, (), n))
    return out


def write_tick(
    log_: Log, topics_yaml: Path, on: date, catalogue: Catalogue, journal: Journal | None = None, *, prefix: str = ""
) -> bool:
    """Append the tick of ``on`` to every partition of every input topic. False if that day or a later one is written.

    Without a ``journal`` nothing is kept: the caller answers for never going back. ``prefix`` is for tests.
    """
    topics = [f"{prefix}{topic}" for topic in input_topics(topics_yaml)]
    held = journal if journal is not None else MemoryJournal()
    written = False
    with held.transaction() as transaction:
        position = transaction.offsets([PLACE]).get(PLACE, Position(0))
        if position.tick is None or position.tick < on:
            transaction.enqueue(ticks(log_, topics, on, catalogue))
            transaction.set_offsets({PLACE: Position(position.next + 1, b"", on)})
            written = True
    while publish(held, log_):
        pass
    return written


def last_tick(journal: Journal) -> date | None:
    """The last day written."""
    position = journal.positions(SERVICE).get(PLACE)
    return position.tick if position else None


def days_due(last: date | None, now: datetime, tick_at: clock_time) -> list[date]:
    """Days to tick at ``now``, oldest first: those after ``last`` whose hour has come. Only today if none was ever."""
    local = now.astimezone(clock.LONDON)
    newest = local.date() if local.time() >= tick_at else local.date() - timedelta(days=1)
    if last is None:
        return [newest]
    missed = min((newest - last).days, CATCH_UP_DAYS_MAX)
    return [newest - timedelta(days=n) for n in reversed(range(missed))]


def tick_at(contracts: Path) -> clock_time:
    """Policy ``calendar.tick_at``; half past midnight if it names none."""
    policy = contracts / "policy" / "policy.yaml"
    read = YAML(typ="safe").load(policy) if policy.exists() else {}
    value = (read.get("calendar") or {}).get("tick_at", "00:30")
    return clock_time(*divmod(value, 60)) if isinstance(value, int) else clock_time.fromisoformat(str(value))


def tick_until(stop: threading.Event, prepared: Prepared, progress: Progress | None = None) -> None:
    """Tick what is due, again and again, until ``stop``. Retry waits; a clock that went back writes nothing."""
    progress = progress or Progress()
    contracts = prepared.settings.contracts
    at, topics_yaml = tick_at(contracts), contracts / "topics.yaml"
    while not stop.is_set():
        try:
            for on in days_due(last_tick(prepared.journal), clock.now(), at):
                if write_tick(prepared.log, topics_yaml, on, prepared.catalogue, prepared.journal):
                    log().info("tick", on=on.isoformat())
                    metrics().count("hub_ticks_total")
                midnight = datetime.combine(on, clock_time(), clock.LONDON)
                metrics().gauge("hub_last_tick_seconds", midnight.timestamp())
            while publish(prepared.journal, prepared.log):
                pass
            progress.state = "running"
        except Retry as retry:
            progress.state = "retrying: tick"
            log().warning("retry", where="tick", reason=str(retry))
        progress.alive()
        metrics().gauge("hub_ready", 0 if progress.ready() else 1, service=SERVICE)
        stop.wait(LOOK_SECONDS)


def main() -> int:
    """Run until SIGTERM; exit codes as in ``spine.service``."""
    setup(SERVICE)
    stop = threading.Event()
    settings = Settings()
    on_signals(stop, settings.stop_seconds_max)
    try:
        prepared = prepare(SERVICE, input_topics(settings.contracts / "topics.yaml"), settings)
        progress = Progress()
        health = HealthServer(progress, settings.health_port, settings.health_host)
        health.start()
        tick_until(stop, prepared, progress)
        health.stop()
        prepared.close()
    except Halt as halt:
        log().critical("halt", reason=str(halt))
        return HALTED
    except Exception as error:
        log().critical("failed", error=type(error).__name__, at=where(error))
        return FAILED
    return STOPPED


if __name__ == "__main__":
    sys.exit(main())
