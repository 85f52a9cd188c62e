"""Consent per purpose: explicit, ends on withdrawal or expiry. Refused, withdrawn and absent are the same.

And the other way round, an instruction to a provider (ESA 2008 s.14): what the person holds back until it is lifted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from services.alerts.case import Case
from services.alerts.state import Seen

TEENAGE_PARENT, DWP, HEALTH = "teenage_parent_support", "dwp_sharing", "health_sharing"
GIVEN = "consent.given"
_TYPES = (GIVEN, "consent.refused", "consent.withdrawn")
#: Roles that need consent besides an agreement.
CONSENT_OF: Mapping[str, str] = {
    "dwp-spoc": DWP,
    "health-lead": HEALTH,
    "tbag-coordinator": TEENAGE_PARENT,
    "early-help": TEENAGE_PARENT,
}


def word_on(case: Case, purpose: str, day: date) -> Seen | None:
    """The fact that says on ``day`` whether there is consent, as known now; None when never asked."""
    for fact in reversed(case.facts(*_TYPES)):
        if fact.text("purpose") == purpose and fact.effective_on <= day:
            return fact
    return None


def first_heard(case: Case, word: Seen) -> Seen:
    """Of all that say no to the same purpose from the same day on as ``word``, the one that came first."""
    same = [
        fact
        for fact in case.facts(*_TYPES)
        if fact.type != GIVEN
        and fact.effective_on == word.effective_on
        and fact.text("purpose") == word.text("purpose")
    ]
    return min(same, key=lambda fact: (fact.received_ms, fact.event_id))


def latest_word(case: Case, purpose: str) -> str:
    """given, refused or withdrawn, as it stands today; empty when never asked or run out."""
    fact = word_on(case, purpose, case.today)
    if fact is None:
        return ""
    expires = fact.day("expires_on")
    if fact.type == GIVEN and expires is not None and expires < case.today:
        return ""
    return fact.type.removeprefix("consent.")


def allowed(case: Case, purpose: str) -> bool:
    return latest_word(case, purpose) == "given"


INSTRUCTION = "sharing.instruction_recorded"


def turned(case: Case, since: date) -> bool:
    """Whether a consent or an instruction began or ran out after the day ``since``, up to today."""
    for fact in case.facts(*_TYPES, INSTRUCTION):
        expires = fact.day("expires_on")
        if since < fact.effective_on <= case.today or (expires is not None and since <= expires < case.today):
            return True
    return False


def held_back(case: Case, source: str, choices: frozenset[str]) -> frozenset[str]:
    """Fields of facts from ``source`` that may not be shown today, of those that are the person's to choose."""
    for fact in reversed(case.facts(INSTRUCTION)):
        if fact.source == source and fact.effective_on <= case.today:
            scope = fact.text("scope")
            if scope == "all_other_information":
                return choices
            return choices & frozenset(fact.words("items")) if scope == "listed_items" else frozenset()
    return frozenset()
