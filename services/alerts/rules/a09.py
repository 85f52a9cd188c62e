"""A09 attendance below 95 % of a care-experienced learner. Lancashire 1.4, 2.1.1.1."""

from __future__ import annotations

from services.alerts.case import Case
from services.alerts.rules import a10
from services.alerts.rules.attendance import ended, low_summary, recovered
from services.alerts.rules.shape import RESOLVED, SUPERSEDED, Closing, Ground, Rule
from services.alerts.state import Alert


def ground(case: Case) -> Ground | None:
    """Silent while a stronger attendance alert is open, or due on the same figure."""
    if not case.care_experienced:
        return None
    fact = low_summary(case, "A09")
    if fact is None or not case.in_eet or case.open("A10", "A11"):
        return None
    if case.had("A09", fact.event_id) or a10.low(case) is not None:
        return None
    return Ground(fact.event_id, "attendance_low", (fact.event_id,), anchor=fact.effective_on, source=fact.source)


def closing(case: Case, alert: Alert) -> Closing | None:
    limit = case.policy.number("A09", "below_percent")
    return Closing(RESOLVED, "attendance recovered") if recovered(case, alert, limit) else None


def replaced(case: Case, alert: Alert) -> Closing | None:
    if case.open("A10"):
        return Closing(SUPERSEDED, "attendance fell further")
    return ended(case, alert)


RULE = Rule(
    "A09",
    ground,
    closing,
    replaced=replaced,
    custody_stands_down=True,
    silent_in_custody=True,
    for_care=True,
    wants=frozenset({"education.attendance.summary"}),
)
