"""A15 placement move of somebody in education, employment or training. Lancashire 1.1-1.3; Cambridgeshire."""

from __future__ import annotations

from datetime import date, timedelta

from services.alerts.belief import EET_GROUPS
from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, Closing, Ground, Rule
from services.alerts.state import Alert, Seen

MOVES = ("care.episode.started", "care.placement.changed")
_VISITORS = ("social-worker", "personal-adviser", "virtual-school")


def matters(fact: Seen) -> bool:
    """Not where the carer is the same and education does not change."""
    return not fact.flag("same_carer") or fact.flag("education_changes")


def at_stake(case: Case, fact: Seen) -> bool:
    """In EET on the day of the move or on the day it became known: a later start has nothing to lose by it."""
    return any(case.belief.group(day) in EET_GROUPS for day in (fact.effective_on, fact.received_on))


def ground(case: Case) -> Ground | None:
    """The latest move, received in time, of a care-experienced person who is in EET."""
    fact = case.latest(*MOVES)
    if fact is None or not case.care_experienced or not case.in_eet or case.late(fact):
        return None
    recent = case.today <= fact.effective_on + timedelta(days=case.policy.late_event_days)
    if not recent or not matters(fact) or not at_stake(case, fact):
        return None
    if case.had("A15", fact.event_id) or settled(case, fact):
        return None
    return Ground(fact.event_id, "placement_move", (fact.event_id,), anchor=fact.effective_on, source=fact.source)


def settled(case: Case, move: Seen) -> bool:
    return settled_since(case, move.effective_on) is not None


def settled_since(case: Case, day: date) -> Seen | None:
    for fact in case.facts("education.arrangement.agreed", "contact.verified"):
        if fact.effective_on < day or fact.effective_on > case.today:
            continue
        if fact.type == "education.arrangement.agreed" or fact.text("contact_role") in _VISITORS:
            return fact
    return None


def closing(case: Case, alert: Alert) -> Closing | None:
    """Arrangement agreed or visited: resolved. Leaving learning does not close it."""
    return Closing(RESOLVED, "arranged or visited") if settled_since(case, alert.anchor or alert.raised_on) else None


RULE = Rule("A15", ground, closing, silent_in_custody=True, wants=frozenset(MOVES), for_care=True)
