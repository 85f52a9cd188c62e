"""A24 pregnancy or parenthood. Both Leicestershire; Lancashire 3.4.4. The teenage parent service only by consent."""

from __future__ import annotations

from services.alerts import consent
from services.alerts.case import Case
from services.alerts.routing import owner_roles
from services.alerts.rules.shape import RESOLVED, STOOD_DOWN, SUPERSEDED, Closing, Ground, Rule
from services.alerts.state import Alert, Seen

_TYPES = ("circumstance.pregnant", "circumstance.birth")
_SERVICES = ("teenage_parent_support", "early_help")


def ground(case: Case) -> Ground | None:
    """The latest pregnancy or birth. Consent given while the owner's alert was open adds one for the new roles only."""
    fact = case.latest(*_TYPES)
    if fact is None or over(case, fact) or accepted(case, fact):
        return None
    roles = tuple(to.role for to in case.policy.rules["A24"].lists["consent_to"])
    permitted = consent.allowed(case, consent.TEENAGE_PARENT)
    # What was said of an earlier pregnancy or child says nothing of this one.
    told = [a for a in case.of_rule("A24") if {a.matter, *a.folded} & {fact.event_id, f"{fact.event_id}:service"}]
    if permitted and any(a.tag == "owner" and a.outcome == SUPERSEDED for a in told):
        if not any(a.tag == "service" for a in told):
            return Ground(
                f"{fact.event_id}:service",
                "consent_given",
                (fact.event_id,),
                fact.effective_on,
                None,
                "service",
                to=roles,
            )
        return None
    if case.had("A24", fact.event_id):
        return None
    to = (*owner_roles(case), *roles) if permitted else owner_roles(case)
    tag = "both" if permitted else "owner"
    return Ground(fact.event_id, "pregnancy_or_birth", (fact.event_id,), anchor=fact.effective_on, tag=tag, to=to)


def over(case: Case, fact: Seen) -> bool:
    """Ended without a birth."""
    if fact.type != "circumstance.pregnant":
        return False
    return any(f.effective_on <= case.today for f in case.since(fact.effective_on, "circumstance.pregnancy_ended"))


def accepted(case: Case, fact: Seen) -> bool:
    return any(
        f.text("service") in _SERVICES and f.effective_on <= case.today
        for f in case.since(fact.effective_on, "referral.accepted")
    )


def closing(case: Case, alert: Alert) -> Closing | None:
    """Referral accepted: resolved. Consent given: superseded by an alert to those who may now know."""
    fact = case.latest(*_TYPES)
    if fact is None or over(case, fact):
        return Closing(STOOD_DOWN, "the ground ended")
    if accepted(case, fact):
        return Closing(RESOLVED, "service has accepted")
    if alert.tag == "owner" and consent.allowed(case, consent.TEENAGE_PARENT):
        return Closing(SUPERSEDED, "consent given")
    return None


RULE = Rule("A24", ground, closing, wants=frozenset(_TYPES))
