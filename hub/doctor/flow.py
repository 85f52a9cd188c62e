"""Whether what has come in is decided and published, and what has been set aside. Looks twice, a moment apart."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import psycopg

from hub.backlog import Backlog, backlogs
from hub.doctor.finding import Finding, fault, sound, warning
from hub.topics.broker import since
from hub.topics.contract import read_topics
from hub.up.record import RunRecord
from spine.kafka import Broker

LOOK_SECONDS = 3.0
BEHIND_MAX = 5_000
TICK_DAYS_MAX = 1
REFUSED_A_DAY_MAX = 1_000
DAY_SECONDS = 86_400


def progress(where: str | Broker, postgres: str, contracts: Path) -> Iterator[Finding]:
    """Raises Retry, psycopg.Error."""
    topics = read_topics(contracts)
    first = backlogs(where, postgres, topics)
    if any(not one.drained for one in first):
        time.sleep(LOOK_SECONDS)
        yield from moved(first, backlogs(where, postgres, topics))
    else:
        yield sound("progress", "every service has decided and published everything")


def moved(first: Sequence[Backlog], second: Sequence[Backlog]) -> Iterator[Finding]:
    """What two looks at the backlogs say."""
    found = [finding for before, after in zip(first, second, strict=True) for finding in _moved(before, after)]
    yield from found or [sound("progress", f"moving; {sum(one.behind for one in second)} records wait in all")]


def _moved(before: Backlog, after: Backlog) -> Iterator[Finding]:
    name = f"progress of {after.service}"
    if before.behind and after.behind and after.decided == before.decided:
        mend = f"see its log for `halt` or `retry`, and docs/runbooks/stuck.md; start {after.service} if it is down"
        yield fault(name, f"{after.behind} records wait on {after.topic} and none was decided", mend)
    elif after.behind > BEHIND_MAX:
        mend = "give it a worker more, up to the topic's partitions (docs/runbooks/lagging.md)"
        yield warning(name, f"{after.behind} records behind on {after.topic}", mend)
    if before.unsent and after.unsent >= before.unsent:
        mend = "see docs/runbooks/outbox-stuck.md: the broker refuses, or no process publishes"
        yield fault(f"outbox of {after.service}", f"{after.unsent} effects wait and none was published", mend)


def set_aside(where: str | Broker) -> Iterator[Finding]:
    """Raises Retry."""
    day, two = since(where, ["quarantine", "refusals"], DAY_SECONDS), since(where, ["refusals"], 2 * DAY_SECONDS)
    aside, refused = day.get("quarantine", 0), day.get("refusals", 0)
    yield from judged(aside, refused, two.get("refusals", 0) - refused)


def judged(aside: int, refused: int, refused_before: int) -> Iterator[Finding]:
    """Records set aside and refused within a day, and refused in the day before."""
    if aside:
        mend = "see the log event set_aside, mend the cause, then redrive (docs/runbooks/set-aside.md)"
        yield warning("set aside", f"{aside} records within a day", mend)
    if refused > max(REFUSED_A_DAY_MAX, 2 * refused_before):
        mend = "see `hub quarantine list`: a partner's export or an agreement has changed"
        yield warning("quarantine", f"{refused} refusals within a day, {refused_before} in the day before", mend)
    if not aside:
        yield sound("set aside", "nothing within a day")


def ticks(postgres: str, today: date) -> Iterator[Finding]:
    """Raises psycopg.Error."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        try:
            row = connection.execute("SELECT max(tick) FROM ticker.source_offset").fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            row = None
    last = row[0] if row else None
    mend = "start the process `ticker`; it writes the days that it missed (docs/runbooks/no-tick.md)"
    if last is None:
        yield warning("ticks", "no day was ever ticked here", mend)
    elif today - last > timedelta(days=TICK_DAYS_MAX):
        yield fault("ticks", f"the last day is {last}: nothing that depends on the date has happened since", mend)
    else:
        yield sound("ticks", f"the last day is {last}")


def processes(run: RunRecord | None, logs: Path) -> Iterator[Finding]:
    """Those of this machine's ``hub up``; nothing where it does not run."""
    if run is None:
        return
    down = [p for p in run.processes if p.state != "up" or not p.running()]
    for process in down:
        mend = f"read the reason in {logs / process.name}.log"
        if process.state == "halted":
            yield fault(f"process {process.name}", "has halted: going on would lose or double something", mend)
        else:
            yield fault(f"process {process.name}", f"is down ({process.state})", mend)
    if not run.supervisor.running():
        yield fault("process supervisor", "is gone: nobody restarts what ends", "run `hub down`, then `hub up`")
    if not down:
        yield sound("processes", f"{len(run.processes)} run")
