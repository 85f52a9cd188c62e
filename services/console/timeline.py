"""A timeline as a picture: where each bar stands, in whole units. Pure. The table beside it says the same in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

WIDTH = 640
BAR_MIN = 6
TICKS_MAX = 6
MARK_WIDTH = 62
KINDS = 6


@dataclass(frozen=True, slots=True)
class Stretch:
    start: date
    end: date | None
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch in the picture. ``number`` names it beside the table; ``kind`` picks pattern and colour."""

    x: int
    width: int
    number: int
    kind: int
    stretch: Stretch


@dataclass(frozen=True, slots=True)
class Mark:
    x: int
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    today_x: int | None
    #: Days on which alerts were raised, and the day asked about.
    raised: tuple[Mark, ...] = ()
    asked_x: int | None = None


def stretches(view: Sequence[Mapping[str, Any]]) -> list[Stretch]:
    """Stretches of a disclosed view, oldest first."""
    read = [
        Stretch(date.fromisoformat(s["start"]), date.fromisoformat(s["end"]) if s["end"] else None, s["label"])
        for s in view
    ]
    return sorted(read, key=lambda s: s.start)


def picture(
    spans: Sequence[Stretch], today: date, raised: Sequence[tuple[date, str]] = (), asked: date | None = None
) -> Picture | None:
    """None if there is nothing to draw. An open stretch ends today, or a month on where it begins later."""
    if not spans:
        return None
    first = min(s.start for s in spans)
    last = max(max(s.end or today, s.start + timedelta(days=30)) for s in spans)
    last = max(last, min(today, last + timedelta(days=365)))
    days = max(1, (last - first).days + 1)

    def at(day: date) -> int:
        return (day - first).days * WIDTH // days

    kinds: dict[str, int] = {}
    bars = []
    for number, span in enumerate(spans, start=1):
        kind = kinds.setdefault(span.label, len(kinds) % KINDS)
        end = span.end if span.end is not None else max(last, span.start)
        bars.append(Bar(at(span.start), max(BAR_MIN, at(end + timedelta(days=1)) - at(span.start)), number, kind, span))
    inside = [(day, text) for day, text in raised if first <= day <= last]
    return Picture(
        tuple(bars),
        tuple(_marks(first, last, at)),
        at(today) if first <= today <= last else None,
        tuple(Mark(min(at(day), WIDTH - BAR_MIN), text) for day, text in inside),
        at(asked) if asked is not None and asked != today and first <= asked <= last else None,
    )


def _marks(first: date, last: date, at: Any) -> list[Mark]:
    """Firsts of months, thinned so that they can be read."""
    months = []
    year, month = first.year, first.month
    while date(year, month, 1) <= last:
        months.append(date(year, month, 1))
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    months = [m for m in months if m >= first]
    every = max(1, -(-len(months) // TICKS_MAX))
    return [Mark(at(m), f"{m:%b %Y}") for m in months[::every] if at(m) <= WIDTH - MARK_WIDTH]
