"""A38 out of area. Leicestershire 2021-23; ESA 2008 s.13(2)."""

from __future__ import annotations

from datetime import date

from services.alerts.case import Case
from services.alerts.rules.a15 import MOVES
from services.alerts.rules.shape import RESOLVED, STOOD_DOWN, Closing, Ground, Rule
from services.alerts.state import Alert, Seen

_ADDRESSES = ("contact.verified", "care.accommodation.recorded", "circumstance.address_changed")


def elsewhere(case: Case) -> tuple[Seen, str] | None:
    """(fact, council) of where the person now lives, if that is another council's area."""
    if case.looked_after:
        fact = case.latest(*MOVES)
        if fact is None or case.late(fact):
            return None
        council = fact.text("placement_authority")
        away = fact.flag("out_of_area") or council not in ("", case.policy.home_authority)
        return (fact, council) if away else None
    if not case.care_leaver or not (case.in_neet or case.awaiting or case.not_known):
        return None
    told = [f for f in case.facts(*_ADDRESSES) if f.text("address_authority") and f.effective_on <= case.today]
    if not told or told[-1].text("address_authority") == case.policy.home_authority:
        return None
    return told[-1], told[-1].text("address_authority")


def arrived(case: Case, fact: Seen, council: str) -> date:
    """First day of the residence in that council that ``fact`` speaks of: who says so again has not moved again."""
    first = fact.effective_on
    for told in reversed(case.facts(*MOVES, *_ADDRESSES)):
        lives_in = told.text("address_authority") or told.text("placement_authority")
        if told.order > fact.order or not lives_in:
            continue
        if lives_in != council:
            break
        first = told.effective_on
    return first


def notified(case: Case, fact: Seen, council: str) -> bool:
    """That council was told about this residence. Another application for housing is no address and no notice."""
    notices = [
        f
        for f in case.since(arrived(case, fact, council), "area.notified")
        if f.text("authority") == council and f.effective_on <= case.today
    ]
    return bool(notices) and notices[-1].text("direction") != "returned"


def ground(case: Case) -> Ground | None:
    found = elsewhere(case)
    if found is None or case.had("A38", found[0].event_id) or notified(case, *found):
        return None
    fact, council = found
    return Ground(fact.event_id, "out_of_area", (fact.event_id,), fact.effective_on, tag=council, source=fact.source)


def closing(case: Case, alert: Alert) -> Closing | None:
    """Notified: resolved. Moved back, or no longer within the rule: stood down."""
    fact = case.fact(alert.matter)
    if fact is not None and notified(case, fact, alert.tag):
        return Closing(RESOLVED, "council notified")
    return Closing(STOOD_DOWN, "no longer out of area") if elsewhere(case) is None else None


RULE = Rule("A38", ground, closing, wants=frozenset((*MOVES, *_ADDRESSES)))
