"""A30 gap in education, training or employment under an open disposal. Leicestershire 2021-23."""

from __future__ import annotations

from datetime import timedelta

from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, STOOD_DOWN, SUPERSEDED, Closing, Ground, Rule
from services.alerts.rules.work import disposal, hours_fact, hours_needed, known_hours
from services.alerts.state import Alert


def ground(case: Case) -> Ground | None:
    """Known hours are too few; not while they are unknown (A02), nor in the disposal's last days (A31)."""
    order = disposal(case)
    if order is None or case.in_custody or case.open("A02") or closes_soon(case):
        return None
    hours = known_hours(case, order)
    if hours is None or hours >= hours_needed(case):
        return None
    fact = hours_fact(case) or order
    matter = f"{order.event_id}:{fact.event_id}"
    if case.had("A30", matter):
        return None
    evidence = tuple(dict.fromkeys((order.event_id, fact.event_id)))
    return Ground(matter, "hours_too_few", evidence, anchor=order.effective_on, source=order.source)


def closes_soon(case: Case) -> bool:
    order = disposal(case)
    ends = None if order is None else order.day("ends_on")
    return ends is not None and ends - timedelta(days=case.policy.number("A31", "days_before_end")) <= case.today


def closing(case: Case, alert: Alert) -> Closing | None:
    """Hours reached: resolved. End of disposal: stood down. More hours that are still too few leave it open."""
    del alert
    order = disposal(case)
    if order is None:
        return Closing(STOOD_DOWN, "the disposal ended")
    if case.in_custody:
        return None  # Nobody reaches hours by being locked up: custody stands it down.
    hours = known_hours(case, order)
    return Closing(RESOLVED, "hours reached") if hours is not None and hours >= hours_needed(case) else None


def replaced(case: Case, alert: Alert) -> Closing | None:
    del alert
    return Closing(SUPERSEDED, "the disposal ends soon") if case.open("A31") else None


RULE = Rule(
    "A30",
    ground,
    closing,
    replaced=replaced,
    custody_stands_down=True,
    silent_in_custody=True,
    by_event=True,
    wants=frozenset({"yj.disposal.started"}),
)
