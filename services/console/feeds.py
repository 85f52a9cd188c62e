"""Whether a partner's feed is on time: what was agreed against what came. Pure but for ``load``.

Where ``feeds`` of contracts/policy/alerts.yaml names a party, the numbers are those by which the hub itself asks about
a silent feed (A40). Elsewhere the agreement's frequency speaks, where it names a rhythm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from ruamel.yaml import YAML

from spine.clock import WorkingDays

DAY = timedelta(days=1)
#: What an agreement may say of its rhythm, in days. Any other word names none.
EVERY_DAYS = {"daily": 1, "weekly": 7, "monthly": 31}
TOLERANCE_WORKING_DAYS = 1


@dataclass(frozen=True, slots=True)
class Rhythm:
    every_days: int
    tolerance_working_days: int = TOLERANCE_WORKING_DAYS


@dataclass(frozen=True, slots=True)
class Feed:
    """``state``: late, on_time, paused, never (heard), or free: no rhythm is agreed. ``by``: the last good day."""

    state: str
    by: date | None = None


def load(contracts: Path) -> Mapping[str, Rhythm]:
    """Agreed schedules by party."""
    read = YAML(typ="safe", pure=False).load(contracts / "policy" / "alerts.yaml")["feeds"]
    return {str(p): Rhythm(int(r["every_days"]), int(r["tolerance_working_days"])) for p, r in read.items()}


def rhythm(agreed: Rhythm | None, frequencies: Iterable[str]) -> Rhythm | None:
    """The schedule, else the most frequent rhythm of the agreements in force; None where none is named."""
    named = [EVERY_DAYS[one] for one in frequencies if one in EVERY_DAYS]
    return agreed or (Rhythm(min(named)) if named else None)


def judge(
    last: date | None, agreed: Rhythm | None, pauses: Iterable[tuple[date, date]], today: date, working: WorkingDays
) -> Feed:
    """``last``: day of the last extract, else of the last event. A pause on the day that is due moves it behind."""
    spans = sorted(pauses)
    if any(first <= today <= until for first, until in spans):
        return Feed("paused", max(until for first, until in spans if first <= today <= until))
    if last is None:
        return Feed("never")
    if agreed is None:
        return Feed("free")
    due = last + timedelta(days=agreed.every_days)
    for first, until in spans:
        if first <= due <= until:
            due = until + DAY
    by = working.after(due, agreed.tolerance_working_days)
    return Feed("on_time" if today <= by else "late", by)
