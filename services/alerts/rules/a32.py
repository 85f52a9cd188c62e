"""A32 custody entry. Leicestershire 2017-20; LASPO s.104. Never to a provider."""

from __future__ import annotations

from datetime import date

from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, STOOD_DOWN, Closing, Ground, Rule
from services.alerts.state import Alert


def ground(case: Case) -> Ground | None:
    fact = case.latest("yj.custody.entered")
    if fact is None or not case.in_custody or case.had("A32", fact.event_id) or released(case, fact.effective_on):
        return None
    if allocated(case, fact.effective_on):
        return None
    return Ground(fact.event_id, "custody", (fact.event_id,), anchor=fact.effective_on, source=fact.source)


def released(case: Case, since: date) -> bool:
    facts = case.facts("yj.custody.released")
    # Of a day with a release and an entry: who is in custody was not released from this one.
    return any(since < f.effective_on <= case.today or (f.effective_on == since and not case.in_custody) for f in facts)


def allocated(case: Case, since: date) -> bool:
    return any(
        f.text("role") == "social-worker" and since <= f.effective_on <= case.today for f in case.facts("case.assigned")
    )


def closing(case: Case, alert: Alert) -> Closing | None:
    """Social worker allocated: resolved. Released: stood down."""
    entries = [fact for event_id in (alert.matter, *alert.folded) if (fact := case.fact(event_id)) is not None]
    since = max((fact.effective_on for fact in entries), default=alert.anchor or alert.raised_on)
    if allocated(case, since):
        return Closing(RESOLVED, "social worker allocated")
    return Closing(STOOD_DOWN, "released") if released(case, since) else None


RULE = Rule("A32", ground, closing, wants=frozenset({"yj.custody.entered"}))
