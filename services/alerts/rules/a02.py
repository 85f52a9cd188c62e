"""A02 left learning, destination unknown. ESA 2008 s.13; Lancashire 2.1.3; Leeds 2011."""

from __future__ import annotations

from datetime import timedelta

from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, RETRACTED, Closing, Ground, Rule
from services.alerts.state import Alert, Seen

LEFT = ("education.enrolment.withdrawn", "provision.ended")


def left_without_destination(fact: Seen) -> bool:
    if fact.type == "provision.ended" and fact.flag("completed"):
        return False
    return not fact.flag("destination_confirmed")


def ground(case: Case) -> Ground | None:
    """The withdrawal that made the status NOT_KNOWN, unless somebody has spoken with the person since."""
    since = case.belief.unknown_since(case.today)
    if since is None or case.in_custody:
        return None
    for fact in reversed(case.facts(*LEFT)):
        if fact.effective_on >= case.today or not left_without_destination(fact):
            continue
        if since > fact.effective_on + timedelta(days=1) or case.custody_on(fact.effective_on):
            return None
        if dealt_with(case, fact) or answered(case, fact):
            return None
        general = case.policy.rules["A02"]
        return Ground(
            fact.event_id,
            "left_without_destination",
            (fact.event_id,),
            anchor=fact.effective_on,
            source=fact.source,
            sla=None if case.priority else general.numbers["sla_general"],
            severity=None if case.priority else general.words["severity_general"][0],
        )
    return None


def dealt_with(case: Case, fact: Seen) -> bool:
    """It is asked already, or a worker has recorded its outcome. An answer that was taken back, or proved to be about
    somebody else, leaves the question as open as it was; it is asked again on another day than the first time."""
    return any(
        fact.event_id in (alert.matter, *alert.folded)
        and (alert.open or alert.barred or alert.because.startswith("outcome ") or alert.raised_on == case.today)
        for alert in case.of_rule("A02")
    )


def answered(case: Case, fact: Seen) -> bool:
    return any(c.effective_on <= case.today for c in case.since(fact.effective_on, "contact.verified"))


def closing(case: Case, alert: Alert) -> Closing | None:
    """Contact, or a status: resolved, even when the answer lies before the raise day. Taken back: retracted."""
    fact = case.fact(alert.matter)
    if fact is None:
        return Closing(RETRACTED, "the withdrawal was taken back")
    if answered(case, fact):
        return Closing(RESOLVED, "contact made")
    if not case.not_known:
        return Closing(RESOLVED, "status known")
    return None


RULE = Rule("A02", ground, closing, silent_in_custody=True, wants=frozenset(LEFT))
