"""When a recipient works: what is not urgent waits for it, or for the hour of its digest. Pure: time is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any

from services.alerts.calendar import DAY
from services.alerts.delivery.telling import AT_ONCE
from spine.clock import LONDON, WorkingDays


@dataclass(frozen=True, slots=True)
class Hours:
    """Local time. With a ``digest`` what is not urgent leaves once a working day, at that time."""

    opens: time
    closes: time
    digest: time | None = None


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """Hours by recipient, else those of ``default``; without either a recipient is told at any time."""

    hours: Mapping[str, Hours] = field(default_factory=dict)
    days: WorkingDays = field(default_factory=WorkingDays)

    def waits_until(self, recipient: str, created: datetime, now: datetime, chosen: str = "") -> datetime | None:
        """The moment until which what was ``created`` waits; None: tell it now. ``chosen`` by the reader goes before
        the digest that is set (``telling.chosen``), and never before the hours."""
        hours = self.hours.get(recipient) or self.hours.get("default")
        digest = None if hours is None else hours.digest
        if chosen:
            digest = None if chosen == AT_ONCE else _time(chosen, digest)
        if digest is not None:
            moment = self._next(created.astimezone(LONDON), digest)
            if moment > now:
                return moment
        if hours is None:
            return None
        here = now.astimezone(LONDON)
        if self.days.is_working(here.date()) and hours.opens <= here.time() < hours.closes:
            return None
        return self._next(here, hours.opens)

    def _next(self, here: datetime, at: time) -> datetime:
        """The first ``at`` of a working day that is not before ``here``. Summer time is the day's own."""
        day = here.date() if here.time() <= at else here.date() + DAY
        return datetime.combine(self.days.on_or_after(day), at, LONDON)


def _time(chosen: str, otherwise: time | None) -> time | None:
    """A word of a later version says nothing to this one."""
    try:
        return time.fromisoformat(chosen)
    except ValueError:
        return otherwise


def parse(read: Mapping[str, Any], days: WorkingDays) -> WorkingHours:
    """``hours`` of delivery.yaml. ValueError names every fault at once."""
    made: dict[str, Hours] = {}
    faults: list[str] = []
    for recipient, given in read.items():
        try:
            opens, closes = (time.fromisoformat(str(given[name])) for name in ("opens", "closes"))
            digest = time.fromisoformat(str(given["digest"])) if given.get("digest") else None
        except (KeyError, ValueError):
            faults.append(f'hours.{recipient}: write {{opens: "08:30", closes: "17:00"}}, or with digest')
            continue
        if opens >= closes or (digest is not None and not opens <= digest < closes):
            faults.append(f"hours.{recipient}: opens comes before closes, and digest lies between them")
        made[str(recipient)] = Hours(opens, closes, digest)
    if faults:
        raise ValueError("; ".join(faults))
    return WorkingHours(made, days)
