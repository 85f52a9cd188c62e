"""Jobs and hours, as A21, A22, A30, A31 and A34 read them."""

from __future__ import annotations

from datetime import timedelta

from services.alerts.calendar import compulsory_until
from services.alerts.case import JOB_CODES, Case
from services.alerts.state import Seen

_ACTIVITY = ("education.enrolment.started", "provision.started", "employment.started")
_AGREED = ("start.agreed", "provision.agreed")
_SUMMARIES = ("provision.hours.summary", "yj.hours.summary")
_CHANGES = ("education.enrolment.changed", "employment.hours_changed")
_ENDS = ("education.enrolment.withdrawn", "provision.ended", "employment.ended", "contact.verified", "start.cancelled")


def job(case: Case) -> Seen | None:
    """The job that is open today."""
    started = case.latest("employment.started")
    if started is None or case.belief.code(case.today) not in JOB_CODES | {"310"}:
        return None
    ended = case.latest("employment.ended")
    return started if ended is None or ended.effective_on < started.effective_on else None


def job_before(case: Case, ended: Seen) -> Seen | None:
    """The job that an ``employment.ended`` closed."""
    starts = [f for f in case.facts("employment.started") if f.effective_on <= ended.effective_on]
    return starts[-1] if starts else None


def disposal(case: Case) -> Seen | None:
    """The open disposal that ends last."""
    if not case.yj_open:
        return None
    started = [f for f in case.facts("yj.disposal.started") if f.effective_on <= case.today]
    running = [f for f in started if (f.day("ends_on") or case.today) >= case.today]
    return max(running, key=lambda f: (f.day("ends_on") or case.today, f.order)) if running else None


def hours_needed(case: Case) -> int:
    school_age = case.born is not None and case.today <= compulsory_until(case.born)
    return case.policy.number("A30", "hours_school_age" if school_age else "hours_above_school_age")


def known_hours(case: Case, order: Seen) -> float | None:
    """Hours a week, by the ladder of A30; None while they are unknown."""
    agreed = _agreed_hours(case)
    if agreed is not None:
        return agreed
    if case.in_eet:
        summary, started = case.latest(*_SUMMARIES), case.latest(*_ACTIVITY)
        if summary is not None and (started is None or summary.effective_on >= started.effective_on):
            return summary.number("attended_hours_per_week")
        if (said := _told_by_a_worker(case, started)) is not None:
            return said.number("hours_per_week")
        changed = case.latest(*_ACTIVITY, *_CHANGES)
        for fact in (changed, started):
            if fact is not None and (hours := fact.number("hours_per_week")) is not None:
                return hours
    elif case.in_neet:
        return 0
    elif case.marked("presumed_neet"):
        return None
    return order.number("ete_hours_offered")


def _told_by_a_worker(case: Case, started: Seen | None) -> Seen | None:
    """The contact that told of the present activity and its hours, where no provider or employer of its own does."""
    span = case.belief.span(case.today)
    if span is None or (started is not None and started.source == span.source):
        return None
    said = [f for f in case.facts("contact.verified") if f.source == span.source and f.effective_on <= case.today]
    return said[-1] if said and said[-1].number("hours_per_week") is not None else None


def hours_fact(case: Case) -> Seen | None:
    """The latest fact that hours could be read from: a new one may show a new gap."""
    return case.latest(*_ACTIVITY, *_CHANGES, *_AGREED, *_SUMMARIES, *_ENDS)


def _agreed_hours(case: Case) -> float | None:
    limit = case.today + timedelta(days=case.policy.soon_start_days)
    waits = {wait.starts_on for wait in case.waits() if case.today <= wait.starts_on <= limit}
    for fact in reversed(case.facts(*_AGREED)):
        if fact.day("starts_on") in waits and fact.number("hours_per_week") is not None:
            return fact.number("hours_per_week")
    return None
