"""A25 complex needs while NEET or at risk. Both Leicestershire."""

from __future__ import annotations

from datetime import date

from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, Closing, Ground, Rule
from services.alerts.state import Alert

#: The plan is one factor, whatever its primary need.
_FACTORS = ("yj_open", "pregnant_or_parent", "homeless", "ehcp")
RISKS = ("A10", "A11", "A12", "A36")


def factors(case: Case) -> tuple[str, ...]:
    wellbeing = case.latest("circumstance.emotional_wellbeing")
    known = [name for name in _FACTORS if case.marked(name)]
    if wellbeing is not None and wellbeing.text("status") == "started":
        known.append("wellbeing")
    return tuple(known)


def since(case: Case) -> date | None:
    """First day of the episode, or raise day of the alert that makes the person at risk."""
    if case.in_neet and case.episode is not None:
        return case.episode.start
    if case.group in ("EET", "EET_SOFT"):
        risks = [alert.raised_on for alert in case.of_rule(*RISKS) if alert.open]
        return min(risks, default=None)
    return None


def allocated(case: Case, day: date) -> bool:
    return any(
        fact.text("decision") == "joint_allocation" and fact.effective_on <= case.today
        for fact in case.since(day, "panel.reviewed")
    )


def ground(case: Case) -> Ground | None:
    if len(factors(case)) < case.policy.number("A25", "min_factors"):
        return None
    start = since(case)
    if start is None or allocated(case, start) or case.had("A25", start.isoformat()):
        return None
    return Ground(start.isoformat(), "complex_needs", anchor=start)


def closing(case: Case, alert: Alert) -> Closing | None:
    return Closing(RESOLVED, "jointly allocated") if allocated(case, alert.anchor or alert.raised_on) else None


RULE = Rule("A25", ground, closing)
