"""A23 no health service at 640 or 670. Lancashire 3.2.2; Leicestershire 2017-20."""

from __future__ import annotations

from datetime import date

from services.alerts import consent
from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, Closing, Ground, Rule
from services.alerts.state import Alert

_CODES = ("640", "670")
_BANDS = ("high", "very_high")


def involved(case: Case) -> bool:
    """A health service is open to the person."""
    said: dict[str, str] = {}
    for fact in case.facts("health.involvement.opened", "health.involvement.closed"):
        closed = fact.type.endswith("closed")
        if fact.effective_on < case.today if closed else fact.effective_on <= case.today:
            said[fact.text("service")] = fact.type
    return any(kind == "health.involvement.opened" for kind in said.values())


def ground(case: Case) -> Ground | None:
    if not case.care_experienced:
        return None
    span, sdq = case.belief.span(case.today), case.latest("health.sdq_recorded")
    coded = span is not None and span.code in _CODES
    if (sdq is None and not coded) or involved(case) or consent.latest_word(case, consent.HEALTH) == "refused":
        return None
    if span is not None and coded:
        matter = since_closed(case, f"code:{span.start}", span.start)
        if not case.had("A23", matter):
            return Ground(matter, "no_health_service", anchor=span.start)
    if sdq is not None and sdq.text("band") in _BANDS:
        matter = since_closed(case, sdq.event_id, sdq.effective_on)
        if not case.had("A23", matter):
            return Ground(matter, "no_health_service", (sdq.event_id,), anchor=sdq.effective_on)
    return None


def since_closed(case: Case, matter: str, since: date) -> str:
    """The same ground is a new matter once a service that was open to the person has closed again."""
    closed = [fact for fact in case.facts("health.involvement.closed") if since <= fact.effective_on < case.today]
    return f"{matter}:{closed[-1].event_id}" if closed else matter


def closing(case: Case, alert: Alert) -> Closing | None:
    del alert
    return Closing(RESOLVED, "a health service is open") if involved(case) else None


RULE = Rule("A23", ground, closing, for_care=True, rests_on=frozenset({"looked_after", "care_leaver"}))
