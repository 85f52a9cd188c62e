"""A07 no-show after an agreed start. Leeds 2011; Cambridgeshire 1.2."""

from __future__ import annotations

from datetime import timedelta

from services.alerts.belief import EET_GROUPS
from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, RETRACTED, STOOD_DOWN, SUPERSEDED, Closing, Ground, Rule
from services.alerts.state import Alert


def ground(case: Case) -> Ground | None:
    """The wait ended unfulfilled and nothing has been known since."""
    since = case.belief.unknown_since(case.today)
    if since is None:
        return None
    for wait in reversed(case.belief.waits):
        after = wait.ends_on + timedelta(days=1)
        if wait.ended_by != "lapse" or after > case.today or since > after:
            continue
        matter = f"{wait.agreed_on}:{wait.starts_on}"
        if case.had("A07", matter):
            continue
        general = case.policy.rules["A07"]
        agreed = case.latest("start.agreed", "offer.accepted", "provision.agreed", "ehcp.final_amended_plan")
        return Ground(
            matter,
            "no_show",
            () if agreed is None else (agreed.event_id,),
            anchor=wait.agreed_on,
            until=wait.ends_on,
            sla=None if case.priority else general.numbers["sla_general"],
            severity=None if case.priority else general.words["severity_general"][0],
        )
    return None


def closing(case: Case, alert: Alert) -> Closing | None:
    """Found in learning since before the wait ended: retracted. EET later, NEET, a new start: each its own outcome."""
    assert alert.until is not None
    wait = next((w for w in case.belief.waits if f"{w.agreed_on}:{w.starts_on}" == alert.matter), None)
    began = case.belief.span(alert.raised_on)
    if wait is not None and wait.ended_by == "eet" and wait.ends_on < alert.until:
        return Closing(RETRACTED, "found in learning or work")
    if began is not None and began.group in EET_GROUPS and began.start <= alert.until:
        return Closing(RETRACTED, "found in learning or work")
    if case.in_eet:
        return Closing(RESOLVED, "started")
    if case.in_neet:
        return Closing(SUPERSEDED, "found not in education, employment or training")
    if case.awaiting:
        return Closing(STOOD_DOWN, "a new start is agreed")
    if case.in_custody or wait is None or wait.ended_by in ("cancelled", "superseded"):
        return Closing(STOOD_DOWN, "the start was called off")
    return None


RULE = Rule("A07", ground, closing, rests_on=frozenset({"wait"}))
