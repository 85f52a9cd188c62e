"""A40 feed silent, shrunk or full of leavers: a question to the partner about its feed, not about a person. Leeds 2011.

It stands under the feed's own key (matching). Only parties with an agreed schedule in ``feeds`` are asked (POLICY 5.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from services.alerts.calendar import DAY
from services.alerts.case import Case
from services.alerts.policy import Schedule
from services.alerts.rules.shape import RESOLVED, STOOD_DOWN, Closing, Ground, Rule
from services.alerts.state import Alert, Seen

EXTRACT, CLOSURE = "feed.extract_received", "feed.closure_announced"
STEWARD = "hub-steward"


@dataclass(frozen=True, slots=True)
class Feed:
    """A party's extracts up to today, the last of them, and what is agreed."""

    party: str
    schedule: Schedule
    extracts: Sequence[Seen]

    @property
    def last(self) -> Seen:
        return self.extracts[-1]


def feed(case: Case) -> Feed | None:
    """None for a person, and for a feed without a schedule or without any extract yet: silence is not evidence."""
    extracts = [fact for fact in case.facts(EXTRACT) if fact.effective_on <= case.today]
    if not extracts:
        return None
    party = extracts[-1].text("feed_source")
    schedule = case.policy.feeds.get(party)
    return None if schedule is None else Feed(party, schedule, extracts)


def closures(case: Case, party: str) -> list[tuple[date, date]]:
    """Pauses that the party itself or the steward announced."""
    return [
        (fact.effective_on, until)
        for fact in case.facts(CLOSURE)
        if (until := fact.day("until_on")) is not None and (fact.source == party or fact.source_kind == STEWARD)
    ]


def paused(case: Case, party: str) -> bool:
    return any(first <= case.today <= last for first, last in closures(case, party))


def late_from(case: Case, of: Feed) -> date:
    """First day on which the next extract is later than tolerated. A pause on the day it is due moves it behind."""
    due = of.last.effective_on + timedelta(days=of.schedule.every_days)
    for first, last in sorted(closures(case, of.party)):
        if first <= due <= last:
            due = last + DAY
    return case.policy.calendar.after(due, of.schedule.tolerance_working_days) + DAY


def usual(case: Case, of: Feed) -> Sequence[Seen]:
    """The extracts that the last one is measured by: those before it of the same shape, the latest few."""
    count = case.policy.number("A40", "baseline_extracts")
    return [fact for fact in of.extracts[:-1] if fact.text("shape") == of.last.text("shape")][-count:]


def shrunk(case: Case, of: Feed) -> bool:
    """Rows down by so many percent of what is usual (the middle one of the extracts before)."""
    rows = sorted(fact.number("rows") or 0 for fact in usual(case, of))
    if not rows:
        return False
    kept = 100 - case.policy.number("A40", "volume_drop_percent")
    return (of.last.number("rows") or 0) * 100 <= rows[len(rows) // 2] * kept


def many_leavers(case: Case, of: Feed) -> bool:
    """Share of leavers up by so many percent. Without a leaver before there is nothing to compare with."""
    before = usual(case, of)
    rows, left = _sum(before, "rows"), _sum(before, "leaver_rows")
    rise = 100 + case.policy.number("A40", "leaver_rise_percent")
    now = of.last.number("leaver_rows") or 0
    return left > 0 and now * rows * 100 >= left * (of.last.number("rows") or 0) * rise


def _sum(extracts: Sequence[Seen], name: str) -> float:
    return sum(fact.number(name) or 0 for fact in extracts)


def ground(case: Case) -> Ground | None:
    """The last extract is too small or has too many leavers; or the next is late. Not while a pause is announced."""
    of = feed(case)
    if of is None or paused(case, of.party):
        return None
    wrong = [("volume", shrunk(case, of)), ("leavers", many_leavers(case, of)), ("late", _late(case, of))]
    for tag, holds in wrong:
        matter = f"{tag}:{of.last.event_id}"
        if holds and not case.had("A40", matter):
            day = of.last.effective_on
            return Ground(matter, f"feed_{tag}", (of.last.event_id,), anchor=day, tag=tag, source=of.party)
    return None


def _late(case: Case, of: Feed) -> bool:
    return case.today >= late_from(case, of)


def closing(case: Case, alert: Alert) -> Closing | None:
    """The next good extract: resolved. A pause that was announced afterwards: stood down."""
    of = feed(case)
    if of is None:
        return Closing(STOOD_DOWN, "no schedule is agreed any more")
    newer = of.last.event_id not in alert.evidence
    if newer and not (shrunk(case, of) or many_leavers(case, of)):
        return Closing(RESOLVED, "a good extract came")
    return Closing(STOOD_DOWN, "a pause was announced") if alert.tag == "late" and paused(case, of.party) else None


def timers(case: Case) -> Iterable[date]:
    of = feed(case)
    if of is None:
        return ()
    return [late_from(case, of), *(last + DAY for _, last in closures(case, of.party))]


RULE = Rule("A40", ground, closing, timers, wants=frozenset({EXTRACT}))
