"""The county's autumn as lines in order of arrival. The same seed and sizes give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import orjson

from hub.sample.circumstances import circumstances
from hub.sample.identifiers import SERIALS_MAX
from hub.sample.life import activity
from hub.sample.mess import Line, mistakes
from hub.sample.people import FIRST_DAY, draw_for, person
from hub.sample.statement import Life, Statement, subject

DAYS_MIN, DAYS_MAX = 20, 365


def county(*, people: int, days: int, seed: int) -> list[Line]:
    """What comes to the doors in ``days`` days from 1 September 2025, of ``people`` young people. ValueError."""
    if not 1 <= people <= SERIALS_MAX:
        raise ValueError(f"from 1 to {SERIALS_MAX} people: there are no more dummy NHS numbers")
    if not DAYS_MIN <= days <= DAYS_MAX:
        raise ValueError(f"from {DAYS_MIN} to {DAYS_MAX} days")
    end = datetime.combine(FIRST_DAY + timedelta(days=days), time(), UTC)
    lines = [line for n in range(people) for line in _person(seed, n, days) if line.received_at < end]
    return sorted(lines, key=lambda line: (line.received_at, str(line.event["id"])))


def _person(seed: int, number: int, days: int) -> Iterator[Line]:
    who = person(seed, number)
    life = Life(who, draw_for(seed, number, "life"))
    activity(life, days)
    circumstances(life, days)
    slips = draw_for(seed, number, "slips")
    for count, said in enumerate(life.said):
        yield from mistakes(slips, Line(said.received_at, said.party, _event(said, number, count)), who)


def _event(said: Statement, number: int, count: int) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{said.party}-{number:05d}-{count:02d}",
        "source": said.party,
        "type": said.type,
        "data": {
            "effective_on": said.effective_on.isoformat(),
            "subject": subject(said.person, said.party),
            "data": dict(said.data),
        },
    }


def as_bytes(line: Line) -> bytes:
    """One JSON line: received_at, door_party, event."""
    written = {
        "received_at": line.received_at.isoformat().replace("+00:00", "Z"),
        "door_party": line.door_party,
        "event": line.event,
    }
    return orjson.dumps(written) + b"\n"
