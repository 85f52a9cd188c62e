"""A35 Universal Credit trouble. Cambridgeshire 5; Lancashire 3.2.3. Not a regime change."""

from __future__ import annotations

from services.alerts.case import Case
from services.alerts.rules.shape import STOOD_DOWN, Closing, Ground, Rule
from services.alerts.state import Alert, Seen

_TROUBLE = ("uc.claim_ended", "uc.sanctioned", "uc.commitment_missed")
_EXPLAINED = ("work", "student")


def explained(case: Case, fact: Seen) -> bool:
    """The claim ended for work or study, and that is on file."""
    on_file = case.in_eet or case.awaiting or any(case.waits())
    return fact.type == "uc.claim_ended" and fact.text("reason") in _EXPLAINED and on_file


def ground(case: Case) -> Ground | None:
    """Claim ended, sanction or missed commitment of a care leaver or parent."""
    if not case.care_leaver and not case.facts("circumstance.birth"):
        return None
    fact = case.latest(*_TROUBLE)
    if fact is None or case.had("A35", fact.event_id) or explained(case, fact):
        return None
    ends = fact.day("ends_on")
    if ends is not None and ends < case.today:
        return None  # A sanction told when it is over (POLICY 5.1).
    if any(f.effective_on > fact.effective_on for f in case.facts("uc.claim_started")):
        return None
    return Ground(fact.event_id, "benefit_trouble", (fact.event_id,), anchor=fact.effective_on, source=fact.source)


def closing(case: Case, alert: Alert) -> Closing | None:
    """Its outcome closes it; or the work or study behind it, where that became known after it."""
    fact = case.fact(alert.matter)
    known = fact is not None and explained(case, fact)
    return Closing(STOOD_DOWN, "work or study is on file") if known and not alert.folded else None


RULE = Rule("A35", ground, closing, wants=frozenset(_TROUBLE))
