"""Consent per purpose: explicit, ends on withdrawal or expiry. Refused, withdrawn and absent are the same."""

from __future__ import annotations

from services.alerts.case import Case

TEENAGE_PARENT, DWP, HEALTH = "teenage_parent_support", "dwp_sharing", "health_sharing"
_TYPES = ("consent.given", "consent.refused", "consent.withdrawn")


def latest_word(case: Case, purpose: str) -> str:
    """given, refused or withdrawn, as it stands today; empty when never asked or run out."""
    for fact in reversed(case.facts(*_TYPES)):
        if fact.text("purpose") != purpose or fact.effective_on > case.today:
            continue
        expires = fact.day("expires_on")
        if fact.type == "consent.given" and expires is not None and expires < case.today:
            return ""
        return fact.type.removeprefix("consent.")
    return ""


def allowed(case: Case, purpose: str) -> bool:
    return latest_word(case, purpose) == "given"
