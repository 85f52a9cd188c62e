"""What A09, A10 and A11 share: figures of an enrolment that still stands, and what its end means."""

from __future__ import annotations

from datetime import date, timedelta

from services.alerts.case import Case
from services.alerts.rules.shape import STOOD_DOWN, SUPERSEDED, Closing
from services.alerts.state import Alert, Seen

_ENDS = ("education.enrolment.withdrawn", "education.enrolment.completed", "provision.ended")


def low_summary(case: Case, rule: str) -> Seen | None:
    """The latest attendance figure if it is under the rule's limit, counts enough days and is fresh."""
    latest = case.latest("education.attendance.summary")
    if latest is None or not fresh(case, latest.effective_on):
        return None
    numbers = case.policy.rules[rule].numbers
    percent, days = latest.number("percent"), latest.number("days_counted")
    if percent is None or days is None or days < numbers["min_days"] or percent >= numbers["below_percent"]:
        return None
    if case.custody_on(latest.effective_on):
        return None
    return None if enrolment_ended(case, latest.source, latest.effective_on) else latest


def fresh(case: Case, last_day: date) -> bool:
    return last_day >= case.today - timedelta(days=case.policy.attendance_ground_days)


def recovered(case: Case, alert: Alert, percent: int) -> bool:
    """A later figure reached the limit."""
    latest = case.latest("education.attendance.summary")
    value = None if latest is None else latest.number("percent")
    return latest is not None and value is not None and value >= percent and latest.event_id not in alert.evidence


def enrolment_ended(case: Case, source: str, since: date) -> bool:
    return any(fact.source == source and fact.effective_on <= case.today for fact in case.since(since, *_ENDS))


def ended(case: Case, alert: Alert) -> Closing | None:
    """Enrolment ended: superseded if leaving or NEET is now the matter, else stood down. Runs after raising."""
    if case.in_eet and not enrolment_ended(case, alert.source, alert.anchor or alert.raised_on):
        return None
    if case.open("A01", "A02", "A03"):
        return Closing(SUPERSEDED, "left learning")
    return Closing(STOOD_DOWN, "enrolment ended")


def run_days(fact: Seen) -> tuple[date, date]:
    """First and last day of an absence."""
    return fact.effective_on, fact.day("last_day_on") or fact.effective_on
