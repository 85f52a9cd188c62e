"""A12 withdrawal intended: the provider asks first. Lancashire 2.1.3."""

from __future__ import annotations

from services.alerts.case import Case
from services.alerts.rules.attendance import enrolment_ended
from services.alerts.rules.shape import RESOLVED, STOOD_DOWN, SUPERSEDED, Closing, Ground, Rule
from services.alerts.state import Alert


def ground(case: Case) -> Ground | None:
    """The latest notice, unless something was agreed since or the learner has already left."""
    fact = case.latest("education.withdrawal.intended")
    if fact is None or not case.care_experienced or case.had("A12", fact.event_id):
        return None
    if any(True for _ in case.since(fact.effective_on, "education.arrangement.agreed")):
        return None
    if enrolment_ended(case, fact.source, fact.effective_on):
        return None
    return Ground(fact.event_id, "withdrawal_intended", (fact.event_id,), anchor=fact.effective_on, source=fact.source)


def closing(case: Case, alert: Alert) -> Closing | None:
    if any(True for _ in case.since(alert.anchor or alert.raised_on, "education.arrangement.agreed")):
        return Closing(RESOLVED, "arrangement agreed")
    return None


def replaced(case: Case, alert: Alert) -> Closing | None:
    """The intended withdrawal happened: leaving is now the matter, or, with somewhere to go, there is none (P14)."""
    if not enrolment_ended(case, alert.source, alert.anchor or alert.raised_on):
        return None
    if case.open("A01", "A02", "A03"):
        return Closing(SUPERSEDED, "left learning")
    return Closing(STOOD_DOWN, "left for somewhere known")


RULE = Rule(
    "A12",
    ground,
    closing,
    replaced=replaced,
    for_care=True,
    wants=frozenset({"education.withdrawal.intended"}),
)
