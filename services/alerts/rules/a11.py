"""A11 consecutive unexplained absence. Leicestershire 2021-23."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from services.alerts.case import Case
from services.alerts.rules.attendance import ended, enrolment_ended, fresh, run_days
from services.alerts.rules.shape import RESOLVED, RETRACTED, STOOD_DOWN, Closing, Ground, Rule
from services.alerts.state import Alert, Seen

_ABSENCE = "education.attendance.absence"


def runs(case: Case) -> Iterator[Seen]:
    """Each absence run as last told: a later message of one source about the same first day replaces the earlier."""
    said: dict[tuple[str, date], Seen] = {}
    for fact in case.facts(_ABSENCE):
        said[(fact.source, fact.effective_on)] = fact
    return iter(sorted(said.values(), key=lambda fact: fact.order))


def in_custody_during(case: Case, first: date, last: date) -> bool:
    return any(case.custody_on(first + timedelta(days=n)) for n in range((last - first).days + 1))


def attended_after(case: Case, source: str, day: date) -> bool:
    """A later day present at the same provider."""
    for fact in case.facts("education.attendance.summary", "education.attendance.absence"):
        present = fact.day("last_attended_on")
        if fact.source == source and present is not None and day < present <= case.today:
            return True
    return False


def asked_about(case: Case, fact: Seen) -> bool:
    return fact.text("reason") == "unexplained" and fresh(case, run_days(fact)[1])


def ground(case: Case) -> Ground | None:
    """3 days for care-experienced and youth justice, 5 for others; last day fresh; no custody on any of the days."""
    if not case.in_eet or not any(asked_about(case, fact) for fact in case.facts(_ABSENCE)):
        return None
    strict = case.care_experienced or case.yj_open
    limit = case.policy.number("A11", "days_priority" if strict else "days_general")
    for fact in reversed(list(runs(case))):
        first, last = run_days(fact)
        days = fact.number("days") or 0
        if not asked_about(case, fact) or days < limit or first > case.today:
            continue
        matter = f"{fact.source}:{first}"
        if case.had("A11", matter) or attended_after(case, fact.source, last):
            continue
        if in_custody_during(case, first, last) or enrolment_ended(case, fact.source, last):
            continue
        return Ground(matter, "absent", (fact.event_id,), anchor=first, until=last, source=fact.source)
    return None


def closing(case: Case, alert: Alert) -> Closing | None:
    """Attended: resolved. Reason corrected: retracted. Custody learnt later: stood down."""
    run = next((fact for fact in runs(case) if f"{fact.source}:{fact.effective_on}" == alert.matter), None)
    if run is None or run.text("reason") != "unexplained":
        return Closing(RETRACTED, "the reason was corrected")
    first, last = run_days(run)
    if in_custody_during(case, first, last):
        return Closing(STOOD_DOWN, "absence authorised")
    return Closing(RESOLVED, "attended") if attended_after(case, run.source, last) else None


RULE = Rule(
    "A11",
    ground,
    closing,
    replaced=ended,
    custody_stands_down=True,
    silent_in_custody=True,
    wants=frozenset({"education.attendance.absence"}),
)
