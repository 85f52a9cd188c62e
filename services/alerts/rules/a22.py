"""A22 job lost or at risk. Lancashire 2.2.3.2. Not a regime change alone: that is A05."""

from __future__ import annotations

from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, Closing, Ground, Rule
from services.alerts.rules.work import job, job_before
from services.alerts.state import Alert


def ground(case: Case) -> Ground | None:
    """A short job ended and nothing followed; hours fell too low; a worker is concerned."""
    if not case.care_experienced:
        return None
    return _lost(case) or _at_risk(case)


def next_job(case: Case) -> bool:
    """A start is agreed, and it is a job."""
    return any(wait.kind == "apprenticeship" or "employment" in wait.kind for wait in case.waits())


def _lost(case: Case) -> Ground | None:
    ended = case.latest("employment.ended")
    if ended is None or case.in_eet or case.had("A22", ended.event_id) or next_job(case):
        return None
    started = job_before(case, ended)
    days = None if started is None else (ended.effective_on - started.effective_on).days
    if days is None or days >= case.policy.number("A22", "within_days"):
        return None
    if any(True for _ in case.since(ended.effective_on, "employment.started", "education.enrolment.started")):
        return None
    return Ground(ended.event_id, "job_lost", (ended.event_id,), ended.effective_on, None, "lost", ended.source)


def _at_risk(case: Case) -> Ground | None:
    current = job(case)
    fact = case.latest("employment.hours_changed", "employment.concern_raised")
    if current is None or fact is None or fact.effective_on < current.effective_on or case.had("A22", fact.event_id):
        return None
    limit = case.policy.number("A22", "hours_below")
    hours = fact.number("hours_per_week")
    if fact.type == "employment.hours_changed" and (hours is None or hours >= limit):
        return None
    tag = "hours" if fact.type == "employment.hours_changed" else "concern"
    return Ground(fact.event_id, "job_at_risk", (fact.event_id,), fact.effective_on, None, tag, fact.source)


def closing(case: Case, alert: Alert) -> Closing | None:
    """A lost job, also one that was at risk first: EET resolves. Hours: enough resolve. A concern: its outcome."""
    if case.in_eet and _tells_of_a_lost_job(case, alert):
        return Closing(RESOLVED, "in education, employment or training")
    if alert.tag == "hours":
        fact = case.latest("employment.hours_changed")
        hours = None if fact is None else fact.number("hours_per_week")
        if hours is not None and hours >= case.policy.number("A22", "hours_below"):
            return Closing(RESOLVED, "hours reached")
    return None


def _tells_of_a_lost_job(case: Case, alert: Alert) -> bool:
    told = (case.fact(event_id) for event_id in (alert.matter, *alert.folded))
    return any(fact is not None and fact.type == "employment.ended" for fact in told)


RULE = Rule(
    "A22",
    ground,
    closing,
    for_care=True,
    wants=frozenset({"employment.ended", "employment.hours_changed", "employment.concern_raised"}),
)
