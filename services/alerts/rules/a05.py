"""A05 sources disagree: a question, never a verdict. Project policy; Leeds 2011."""

from __future__ import annotations

from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, Closing, Ground, Rule
from services.alerts.state import Alert

PREFIX = "conflict:"


def conflicts(case: Case) -> list[tuple[str, str]]:
    """(kind, first day) of each incompatible pair of today."""
    return [
        (mark.name.removeprefix(PREFIX), mark.start.isoformat())
        for mark in case.belief.marks
        if mark.name.startswith(PREFIX) and mark.start <= case.today and (mark.end is None or case.today <= mark.end)
    ]


def ground(case: Case) -> Ground | None:
    """An incompatible pair stands today; long unexplained absence is asked about by A11 while that is open."""
    for kind, since in conflicts(case):
        matter = f"{kind}:{since}"
        if case.had("A05", matter) or ("absence" in kind and case.open("A11")):
            continue
        return Ground(matter, "sources_disagree", evidence(case, kind), tag=kind)
    return None


def evidence(case: Case, kind: str) -> tuple[str, ...]:
    """The two facts of the pair: what says EET, and what speaks against it."""
    against = (
        case.latest("education.attendance.absence")
        if "absence" in kind
        else case.latest("contact.verified")
        if "contact" in kind
        else case.latest("uc.claim_started", "uc.regime_changed")
    )
    current = case.latest("education.enrolment.started", "provision.started", "employment.started")
    return tuple(fact.event_id for fact in (current, against) if fact is not None)


def closing(case: Case, alert: Alert) -> Closing | None:
    """Conflict gone: resolved."""
    del alert
    return None if conflicts(case) else Closing(RESOLVED, "the sources agree")


RULE = Rule("A05", ground, closing, silent_in_custody=True, by_event=True, rests_on=frozenset({"conflict"}))
