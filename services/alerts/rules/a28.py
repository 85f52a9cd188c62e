"""A28 cease guard: an EHC plan may not end like this. CFA 2014 s.45; SEND Regulations 2014 reg 31."""

from __future__ import annotations

from services.alerts.case import Case
from services.alerts.rules.plans import appealed, consulted_before, happened, plan
from services.alerts.rules.shape import RESOLVED, RETRACTED, SUPERSEDED, Closing, Ground, Rule
from services.alerts.state import Alert


def ground(case: Case) -> Ground | None:
    """A closure was refused; a decision came without consultation; the ground considered is not lawful."""
    for found in (_refused(case), _undecidable(case), _unlawful(case)):
        if found is None or case.had("A28", found.matter):
            continue
        since = found.anchor or case.today
        if happened(case, since, "ehcp.cease_withdrawn") is None and not appealed(case, since):
            return found
    return None


def _refused(case: Case) -> Ground | None:
    for held in reversed(case.belief.plans):
        if held.refused:
            matter = held.event_id or held.start.isoformat()
            fact = case.fact(matter)
            anchor = held.start if fact is None else fact.effective_on
            return Ground(
                matter, "cease_refused", (matter,), anchor=anchor, until=held.appeal_deadline_on, tag="refused"
            )
    return None


def _undecidable(case: Case) -> Ground | None:
    fact = case.latest("ehcp.cease_decided")
    if fact is None or not case.ehcp or consulted_before(case, fact):
        return None
    return Ground(fact.event_id, "not_consulted", (fact.event_id,), anchor=fact.effective_on, tag="decision")


def _unlawful(case: Case) -> Ground | None:
    held = plan(case)
    if held is None or held.hold != "unlawful_ground":
        return None
    matter = held.event_id or held.start.isoformat()
    fact = case.fact(matter)
    return Ground(matter, "unlawful_ground", (matter,), held.start if fact is None else fact.effective_on, tag="ground")


def closing(case: Case, alert: Alert) -> Closing | None:
    """Withdrawn: resolved. Appeal registered: superseded. Deadline passed without an appeal: resolved.

    A closure refused because an appeal was pending has no deadline any more: it is resolved when that appeal is over,
    decided or withdrawn (the policy names no end; what the guard asked for has then happened).
    """
    since = alert.anchor or alert.raised_on
    if happened(case, since, "ehcp.cease_withdrawn") is not None:
        return Closing(RESOLVED, "cease withdrawn")
    if appealed(case, since):
        return Closing(SUPERSEDED, "the appeal holds the plan")
    over = case.latest("ehcp.appeal_concluded") if alert.tag == "refused" else None
    if over is not None and over.effective_on > since:
        return Closing(RESOLVED, "the appeal is over")
    decided = case.fact(alert.matter) if alert.tag == "decision" else None
    if decided is not None and consulted_before(case, decided):
        return Closing(RETRACTED, "they had been consulted")
    held = plan(case)
    deadline = None if held is None else held.appeal_deadline_on
    # Of an unlawful ground only a decision that came after it: an older one's deadline says nothing of it.
    decided_since = alert.tag != "ground" or happened(case, since, "ehcp.cease_decided") is not None
    if deadline is not None and deadline < case.today and decided_since:
        return Closing(RESOLVED, "deadline passed without an appeal")
    return None


RULE = Rule("A28", ground, closing, rests_on=frozenset({"ehcp", "plan"}))
