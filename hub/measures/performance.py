"""How alerts were dealt with, by headline: acknowledged and how soon, overdue, what came of them. Small numbers hidden.

Counted from what the console keeps of each alert's life, when a month's measures are published and not otherwise: a
number that moved from day to day would tell of a single young person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from statistics import median
from typing import Any

import sqlalchemy as sa

from hub.measures.suppress import hidden
from services.alerts.words import TITLES
from services.console.tables import ACTION, HISTORY, INBOX
from services.status import days
from spine.clock import local_date

#: What came of an alert; each has exactly one.
ENDS = ("helped", "other_outcome", "taken_back", "by_itself", "open")
_CLOSING = frozenset({"resolved", "stood_down", "superseded", "retracted"})
_OUTCOMES = {"done": "helped", "declined": "other_outcome", "not_needed": "other_outcome"}


@dataclass(frozen=True, slots=True)
class Life:
    """One alert: its acts with their moments, and the outcome that a worker gave last, empty if none."""

    rule: str
    due_on: date
    acts: Sequence[tuple[str, datetime]]
    outcome: str = ""

    @property
    def acknowledged_hours(self) -> float | None:
        """From raising to the first acknowledgement."""
        raised = next(at for act, at in self.acts if act == "raised")
        first = next((at for act, at in self.acts if act == "acknowledged"), None)
        return None if first is None else (first - raised).total_seconds() / 3600

    @property
    def closed(self) -> tuple[str, datetime] | None:
        """The act that closed it for good; None while it stands, also again."""
        last = next((one for one in reversed(self.acts) if one[0] in _CLOSING or one[0] == "reopened"), None)
        return None if last is None or last[0] == "reopened" else last

    @property
    def end(self) -> str:
        if self.closed is None:
            return "open"
        if self.closed[0] == "retracted":
            return "taken_back"
        return _OUTCOMES.get(self.outcome, "by_itself") if self.closed[0] != "superseded" else "by_itself"

    def overdue(self, on: date) -> bool:
        """Whether it stood, or stands on that day, after its due day."""
        return (local_date(self.closed[1]) if self.closed else on) > self.due_on


def lines(lives: Iterable[Life], on: date, below: int) -> list[dict[str, Any]]:
    """One for each headline, and ``all``; a row is shown or hidden as a whole, so that no sum tells what it hides."""
    by_title: dict[str, list[Life]] = {}
    for life in lives:
        by_title.setdefault(TITLES[life.rule][1] if life.rule in TITLES else life.rule, []).append(life)
    names = sorted(by_title)
    hide, total = hidden([_row(by_title[name], on) for name in names], below, partition=True)
    everything = [life for name in names for life in by_title[name]]
    out = [_line("all", everything, on, below, hide=total)] if everything else []
    return out + [_line(name, by_title[name], on, below, hide=n in hide) for n, name in enumerate(names)]


def _row(lives: Sequence[Life], on: date) -> list[int]:
    ends = [sum(life.end == end for life in lives) for end in ENDS]
    late = sum(life.overdue(on) for life in lives)
    acknowledged = sum(life.acknowledged_hours is not None for life in lives)
    return [*ends, late, len(lives) - late, acknowledged, len(lives) - acknowledged]


def _line(name: str, lives: Sequence[Life], on: date, below: int, *, hide: bool) -> dict[str, Any]:
    if hide:
        return {"title": name, "hidden": True}
    counts = dict(zip((*ENDS, "overdue", "in_time", "acknowledged", "not_acknowledged"), _row(lives, on), strict=True))
    hours = [life.acknowledged_hours for life in lives if life.acknowledged_hours is not None]
    half = round(median(hours)) if len(hours) >= below else None
    return {"title": name, "hidden": False, "raised": len(lives), "hours": half, **counts}


def lives(engine: sa.Engine, on: date, known_at: datetime, months: int) -> list[Life]:
    """Alerts raised in so many months up to ``on``, with what was known at a moment."""
    first = days.months_after(on, -months)
    with engine.connect() as connection:
        told = sa.select(INBOX.c.alert_id, INBOX.c.rule).distinct()
        rules: dict[str, str] = {row.alert_id: row.rule for row in connection.execute(told)}
        acts: dict[str, list[Mapping[str, Any]]] = {}
        lately = sa.select(HISTORY.c.alert_id).where(
            HISTORY.c.act == "raised", HISTORY.c.on > first, HISTORY.c.on <= on
        )
        theirs = sa.and_(HISTORY.c.at <= known_at, HISTORY.c.alert_id.in_(lately))
        history = sa.select(HISTORY).where(theirs).order_by(HISTORY.c.at, HISTORY.c.event_id)
        for row in connection.execute(history).mappings():
            acts.setdefault(row["alert_id"], []).append(dict(row))
        given = sa.select(ACTION.c.alert_id, ACTION.c.value).where(ACTION.c.verb == "outcome", ACTION.c.at <= known_at)
        outcomes: dict[str, str] = {row.alert_id: row.value for row in connection.execute(given.order_by(ACTION.c.at))}
    found = []
    for alert_id, rows in acts.items():
        # One that moved to another owner from elsewhere was raised before it came here.
        raised = next((row for row in rows if row["act"] == "raised"), None)
        if raised is None or alert_id not in rules or not first < raised["on"] <= on:
            continue
        told_acts = [(row["act"], row["at"]) for row in rows]
        found.append(Life(rules[alert_id], rows[-1]["due_on"], told_acts, outcomes.get(alert_id, "")))
    return found
