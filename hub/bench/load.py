"""What a benchmark sends: the generated county without its mistakes, its dates moved so that it happens now."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hub.sample.county import county
from hub.sample.mess import Line
from hub.sample.people import FIRST_DAY

DAYS = 120
EVENTS_A_PERSON_MIN = 3
TURN_SECONDS = 0.1
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def load(events: int, today: date, *, seed: int = 7) -> list[Line]:
    """At least ``events`` right events of one county, cut to that number, ending yesterday."""
    people = max(50, events // EVENTS_A_PERSON_MIN)
    lines = [line for line in county(people=people, days=DAYS, seed=seed) if line.mistake in ("", "resent", "retold")]
    shift = (today - FIRST_DAY).days - DAYS
    # One person in every so many, so that a small load has the same mixture as a large one.
    return [replace(line, event=moved(line.event, shift)) for line in spread(lines, events)]


def spread(lines: Sequence[Line], events: int) -> Iterator[Line]:
    """``events`` of the lines in their order, evenly taken."""
    if events >= len(lines):
        yield from lines
        return
    for n in range(events):
        yield lines[n * len(lines) // events]


def moved(value: Any, days: int) -> Any:
    """The same JSON with every ISO date ``days`` later."""
    if isinstance(value, Mapping):
        return {name: moved(item, days) for name, item in value.items()}
    if isinstance(value, list):
        return [moved(item, days) for item in value]
    if isinstance(value, str) and ISO_DATE.fullmatch(value):
        return (date.fromisoformat(value) + timedelta(days=days)).isoformat()
    return value


def paced(lines: Sequence[Line], rate: int, send: Callable[[Sequence[Line]], None]) -> float:
    """Send ``rate`` lines a second in turns of a tenth; returns the seconds it took. Late turns are not skipped."""
    size = max(1, round(rate * TURN_SECONDS))
    began = time.monotonic()
    for turn, start in enumerate(range(0, len(lines), size)):
        wait = began + turn * TURN_SECONDS - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        send(lines[start : start + size])
    return time.monotonic() - began


def today() -> date:
    return datetime.now(UTC).date()
