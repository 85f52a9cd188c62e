"""A35 Universal Credit trouble. Cambridgeshire 5; Lancashire 3.2.3. Not a regime change."""

from __future__ import annotations

from services.alerts.case import Case
from services.alerts.rules.shape import Ground, Rule, never

_TROUBLE = ("uc.claim_ended", "uc.sanctioned", "uc.commitment_missed")
_EXPLAINED = ("work", "student")


def ground(case: Case) -> Ground | None:
    """Claim ended, sanction or missed commitment of a care leaver or parent. Only its outcome closes it."""
    if not case.care_leaver and not case.facts("circumstance.birth"):
        return None
    fact = case.latest(*_TROUBLE)
    if fact is None or case.had("A35", fact.event_id):
        return None
    on_file = case.in_eet or case.awaiting or any(case.waits())
    explained = fact.text("reason") in _EXPLAINED and on_file
    if fact.type == "uc.claim_ended" and explained:
        return None
    if any(f.effective_on > fact.effective_on for f in case.facts("uc.claim_started")):
        return None
    return Ground(fact.event_id, "benefit_trouble", (fact.event_id,), anchor=fact.effective_on, source=fact.source)


RULE = Rule("A35", ground, never)
