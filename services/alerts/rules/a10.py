"""A10 attendance below 90 % in the priority groups. Persistent absence measure; 9.5."""

from __future__ import annotations

from services.alerts.case import Case
from services.alerts.rules.attendance import ended, low_summary, recovered
from services.alerts.rules.shape import RESOLVED, Closing, Ground, Rule
from services.alerts.state import Alert, Seen


def low(case: Case) -> Seen | None:
    return low_summary(case, "A10") if case.priority and case.in_eet else None


def ground(case: Case) -> Ground | None:
    fact = low(case)
    if fact is None or case.had("A10", fact.event_id):
        return None
    return Ground(fact.event_id, "attendance_very_low", (fact.event_id,), anchor=fact.effective_on, source=fact.source)


def closing(case: Case, alert: Alert) -> Closing | None:
    limit = case.policy.number("A10", "below_percent")
    return Closing(RESOLVED, "attendance recovered") if recovered(case, alert, limit) else None


RULE = Rule(
    "A10",
    ground,
    closing,
    replaced=ended,
    custody_stands_down=True,
    silent_in_custody=True,
    wants=frozenset({"education.attendance.summary"}),
)
