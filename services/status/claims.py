"""Universal Credit regimes as stretches of days."""

from __future__ import annotations

from typing import NamedTuple

from services.status.days import FOREVER
from services.status.facts import Claim, Facts, Regime


class Claimed(NamedTuple):
    """A regime in force. ``start`` is the regime's first day, not the claim's."""

    start: int
    end: int
    regime: str


def claims(facts: Facts) -> list[Claimed]:
    """Regimes in order; a new one ends the one before. Repeating a regime does not begin it again."""
    found: list[Claimed] = []
    for seen in facts.any_of("uc.claim_started", "uc.regime_changed", "uc.claim_ended"):
        open_one = found[-1] if found and found[-1].end >= seen.on else None
        if seen.type == "uc.claim_ended":
            if open_one is not None:
                found[-1] = open_one._replace(end=seen.on)
            continue
        change = seen.type == "uc.regime_changed"
        regime = Regime._make(seen.data).to_regime if change else Claim._make(seen.data).regime
        if open_one is not None:
            if open_one.regime == regime:
                continue
            found[-1] = open_one._replace(end=seen.on - 1)
        found.append(Claimed(seen.on, FOREVER, regime))
    return [one for one in found if one.start <= one.end]
