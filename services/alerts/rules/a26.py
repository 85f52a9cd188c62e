"""A26 ceasing an EHC plan is considered for a care leaver of 18 or over. Cambridgeshire 3.2."""

from __future__ import annotations

from datetime import date

from services.alerts.case import Case
from services.alerts.rules.plans import happened, plan
from services.alerts.rules.shape import RESOLVED, Closing, Ground, Rule
from services.alerts.state import Alert


def ground(case: Case) -> Ground | None:
    """The hold ``corporate_parenting`` of POLICY 3.9."""
    held = plan(case)
    if held is None or held.hold != "corporate_parenting" or not case.care_leaver or not case.aged(18):
        return None
    matter = held.event_id or held.start.isoformat()
    if case.had("A26", matter) or consulted(case, held.start) is not None:
        return None
    return Ground(matter, "not_consulted", (matter,), anchor=held.start)


def consulted(case: Case, since: date) -> Closing | None:
    for fact in case.since(since, "ehcp.consultation_responded"):
        if fact.text("respondent") == "corporate_parenting" and fact.effective_on <= case.today:
            return Closing(RESOLVED, "corporate parenting consulted")
    return Closing(RESOLVED, "cease withdrawn") if happened(case, since, "ehcp.cease_withdrawn") else None


def closing(case: Case, alert: Alert) -> Closing | None:
    return consulted(case, alert.anchor or alert.raised_on)


RULE = Rule("A26", ground, closing, rests_on=frozenset({"plan"}))
