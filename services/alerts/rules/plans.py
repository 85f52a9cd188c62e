"""Steps of an EHC plan that A26 to A29 read from the facts."""

from __future__ import annotations

from datetime import date

from services.alerts.belief import Plan
from services.alerts.case import Case
from services.alerts.state import Seen

_ASKED = {"young_person": "learner", "parent": "learner", "named_institution": "institution"}


def plan(case: Case) -> Plan | None:
    """State of the plan as last known."""
    return case.belief.plans[-1] if case.belief.plans else None


def consulted_before(case: Case, decided: Seen) -> bool:
    """Young person or parent, and the named institution, were consulted before a decision."""
    asked = set()
    for fact in case.facts("ehcp.cease_considered", "ehcp.consultation_responded"):
        if fact.effective_on <= decided.effective_on:
            asked |= {_ASKED.get(word) for word in (*fact.words("consulted"), fact.text("respondent"))}
    return {"learner", "institution"} <= asked


def happened(case: Case, since: date, *types: str) -> Seen | None:
    """First fact of these types on or after ``since``, up to today."""
    return next((fact for fact in case.since(since, *types) if fact.effective_on <= case.today), None)


def appealed(case: Case, since: date) -> bool:
    return any(
        fact.text("about") == "cease" and fact.effective_on <= case.today
        for fact in case.since(since, "ehcp.appeal_registered")
    )
