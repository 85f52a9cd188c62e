"""A33 release from custody without a plan. KPI 1, 2."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, STOOD_DOWN, Closing, Ground, Rule
from services.alerts.state import Alert, Seen

_PLANS = ("yj.custody.entered", "yj.custody.sentenced", "yj.resettlement.updated")


def release(case: Case) -> tuple[date, Seen] | None:
    fact = case.latest(*_PLANS)
    day = None if fact is None else fact.day("planned_release_on")
    return None if fact is None or day is None else (day, fact)


def ready(case: Case, plan: Seen) -> bool:
    """Accommodation agreed, and education, training or employment agreed or a start on file."""
    return plan.flag("accommodation_agreed") and (plan.flag("ete_agreed") or any(case.waits()))


def ground(case: Case) -> Ground | None:
    planned = release(case)
    if planned is None or not case.in_custody:
        return None
    day, plan = planned
    before = timedelta(days=case.policy.number("A33", "days_before_release"))
    if day - before > case.today or case.today > day or ready(case, plan):
        return None
    matter = day.isoformat()
    if case.had("A33", matter):
        if case.open("A33") or any(plan.event_id in alert.evidence for alert in case.of_rule("A33")):
            return None
        matter = f"{matter}:{plan.event_id}"  # What was agreed has fallen through.
    return Ground(matter, "release_without_plan", (plan.event_id,), anchor=day, source=plan.source)


def closing(case: Case, alert: Alert) -> Closing | None:
    del alert
    planned = release(case)
    if planned is not None and ready(case, planned[1]):
        return Closing(RESOLVED, "both agreed")
    return None if case.in_custody else Closing(STOOD_DOWN, "released")


def timers(case: Case) -> Iterable[date]:
    planned = release(case)
    before = timedelta(days=case.policy.number("A33", "days_before_release"))
    return () if planned is None else [planned[0] - before]


RULE = Rule("A33", ground, closing, timers, wants=frozenset(_PLANS))
