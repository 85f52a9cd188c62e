"""What was told under a consent, and what of it a later word shows to have been told after the consent had ended (A39).

Whether it was, is a matter of days and not of arrival: of the days on which somebody was told, and of the consent's
words of those days as they are known now. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from services.alerts import consent
from services.alerts.case import Case
from services.alerts.state import Seen, Shared
from spine.record import Effect


def noted(case: Case, effects: Sequence[Effect]) -> tuple[Shared, ...]:
    """What is remembered after a step: each role and day once. What no word can reach any more is forgotten."""
    new = [
        Shared(effect.fields["on"], effect.fields["alert_id"], recipient["role"])
        for effect in effects
        if effect.kind == "alert.v1" and not effect.fields["test"]
        for recipient in effect.fields["recipients"]
        if recipient["role"] in consent.CONSENT_OF and not recipient["gone"]
    ]
    held = case.state.shared
    if not new:
        return held
    first = case.today - timedelta(days=case.policy.number("A39", "looks_back_days"))
    kept = [one for one in held if one.on >= first or ended(case, one) is not None]
    return tuple(sorted({*kept, *new}, key=lambda one: (one.on, one.alert_id, one.role)))


def ended(case: Case, shared: Shared) -> Seen | None:
    """The word of withdrawal or refusal that held when this was told; None where the consent stood, or nobody can say.

    A word that came on its own first day ends the consent when it comes: what was told that morning was told with it.
    A word that came later than ``looks_back_days`` after a day does not reach it. Where no word is held any more (it
    proved to be another person's), nothing was withdrawn.
    """
    last = consent.word_on(case, consent.CONSENT_OF[shared.role], shared.on)
    if last is None or last.type == consent.GIVEN:
        return None
    word = consent.first_heard(case, last)
    if word.effective_on == shared.on == word.received_on:
        return None
    return word if (word.received_on - shared.on).days <= case.policy.number("A39", "looks_back_days") else None


def told_after(case: Case) -> Iterator[tuple[Seen, Shared]]:
    """Each telling that was one after the consent had ended, with the word that ended it, by day."""
    for shared in case.state.shared:
        word = ended(case, shared)
        if word is not None:
            yield word, shared
