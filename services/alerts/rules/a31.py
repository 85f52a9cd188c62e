"""A31 closure of a disposal without enough hours. Leicestershire 2021-23."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from services.alerts.case import Case
from services.alerts.rules.a30 import closes_soon
from services.alerts.rules.shape import RESOLVED, STOOD_DOWN, Closing, Ground, Rule
from services.alerts.rules.work import disposal, hours_needed, known_hours
from services.alerts.state import Alert


def ground(case: Case) -> Ground | None:
    order = disposal(case)
    if order is None or case.in_custody or not closes_soon(case):
        return None
    hours = known_hours(case, order)
    if hours is None or hours >= hours_needed(case) or case.had("A31", order.event_id):
        return None
    return Ground(order.event_id, "closes_without_ete", (order.event_id,), order.effective_on, source=order.source)


def closing(case: Case, alert: Alert) -> Closing | None:
    del alert
    order = disposal(case)
    if order is None:
        return Closing(STOOD_DOWN, "the disposal ended")
    if case.in_custody:
        return None  # Nobody reaches hours by being locked up: custody stands it down.
    hours = known_hours(case, order)
    return Closing(RESOLVED, "hours reached") if hours is not None and hours >= hours_needed(case) else None


def timers(case: Case) -> Iterable[date]:
    before = timedelta(days=case.policy.number("A31", "days_before_end"))
    ends = [day for fact in case.facts("yj.disposal.started") if (day := fact.day("ends_on")) is not None]
    return [day - before for day in ends] + [day + timedelta(days=1) for day in ends]


RULE = Rule(
    "A31",
    ground,
    closing,
    timers,
    custody_stands_down=True,
    silent_in_custody=True,
    wants=frozenset({"yj.disposal.started"}),
)
