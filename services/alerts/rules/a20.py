"""A20 In-Touch day missed by a care leaver who is a parent. Lancashire 3.4.5."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from services.alerts.calendar import DAY, months_after
from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, STOOD_DOWN, Closing, Ground, Rule
from services.alerts.state import Alert


def parent_since(case: Case) -> date | None:
    births = [f for f in case.facts("circumstance.birth") if f.flag("living_with_child")]
    return births[0].effective_on if births else None


def held(case: Case, since: date) -> bool:
    """An In-Touch day attended on or after ``since``; an unattended one does not count."""
    return any(f.flag("attended") and f.effective_on <= case.today for f in case.since(since, "in_touch_day.held"))


def ground(case: Case) -> Ground | None:
    """No In-Touch day in the month before, on whose last day the person was not in EET, nor quiet, nor yet a parent."""
    born = parent_since(case)
    asked_on = case.policy.calendar.on_or_after(case.today.replace(day=1))
    if born is None or not case.care_leaver or case.in_eet or case.today > asked_on:
        return None
    last = case.today.replace(day=1) - DAY
    first = last.replace(day=1)
    if last < born or case.marked("quiet", last) or case.quiet or held(case, first):
        return None
    if case.belief.group(last) in ("EET", "EET_SOFT", "CUSTODY") or case.had("A20", first.isoformat()):
        return None
    return Ground(first.isoformat(), "no_in_touch_day", anchor=first)


def closing(case: Case, alert: Alert) -> Closing | None:
    if held(case, alert.anchor or alert.raised_on):
        return Closing(RESOLVED, "In-Touch day held")
    return Closing(STOOD_DOWN, "in education, employment or training") if case.in_eet else None


def timers(case: Case) -> Iterable[date]:
    if not case.facts("circumstance.birth"):
        return ()
    first = months_after(case.today.replace(day=1), 1)
    return [first, case.policy.calendar.on_or_after(first)]


RULE = Rule(
    "A20",
    ground,
    closing,
    timers,
    custody_stands_down=True,
    silent_in_custody=True,
    wants=frozenset({"circumstance.birth"}),
)
