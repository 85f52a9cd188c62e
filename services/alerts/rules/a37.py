"""A37 rent trap in supported housing. Cambridgeshire 5.1; Lancashire 2.2.4."""

from __future__ import annotations

from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, Closing, Ground, Rule
from services.alerts.state import Alert, Seen


def trap(case: Case) -> Seen | None:
    """The latest rise caused by work, or notice for arrears."""
    for fact in reversed(case.facts("housing.rent_contribution_changed", "housing.notice.served")):
        if fact.type == "housing.notice.served":
            if fact.text("cause") == "arrears" and lives_supported(case):
                return fact
            continue
        before, now = fact.number("previous_weekly_amount_pence"), fact.number("weekly_amount_pence")
        rises = before is None or now is None or now > before
        if fact.text("cause") == "in_work" and fact.flag("supported_housing") and rises:
            return fact
    return None


def lives_supported(case: Case) -> bool:
    tenancy = case.latest("housing.tenancy.started")
    rents = case.facts("housing.rent_contribution_changed")
    return (tenancy is not None and tenancy.text("kind") == "supported") or any(
        f.flag("supported_housing") for f in rents
    )


def ground(case: Case) -> Ground | None:
    """May lie ahead: the amount of next month warns today."""
    fact = trap(case)
    if fact is None or case.had("A37", fact.event_id) or eased(case, fact) is not None:
        return None
    return Ground(fact.event_id, "rent_trap", (fact.event_id,), anchor=fact.effective_on, source=fact.source)


def eased(case: Case, fact: Seen) -> Closing | None:
    awards = case.facts("housing.dhp_awarded")
    rates = [f for f in case.facts("housing.rent_contribution_changed") if f.text("cause") == "consistent_rate"]
    if any(f.effective_on >= fact.effective_on or f.received_ms >= fact.received_ms for f in (*awards, *rates)):
        return Closing(RESOLVED, "rent eased")
    return None


def closing(case: Case, alert: Alert) -> Closing | None:
    """Payment awarded or a consistent rate: resolved. Losing the job does not close it."""
    fact = case.fact(alert.matter)
    return None if fact is None else eased(case, fact)


RULE = Rule("A37", ground, closing, wants=frozenset({"housing.rent_contribution_changed", "housing.notice.served"}))
