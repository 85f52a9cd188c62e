"""What a party was refused, as facts under the key of its feed (A39, docs/adr/0014)."""

from __future__ import annotations

from dataclasses import replace

from services.alerts.belief import Belief
from services.alerts.reading import BREACH, Breached
from services.alerts.state import State, with_fact, without_fact


def breached(state: State, news: Breached) -> State:
    """One refusal of a kind is kept: ten thousand more of a batch say nothing new."""
    state = state if state.belief is not None else replace(state, belief=Belief())
    open_ones = {alert.matter for alert in state.alerts if alert.open} | {
        matter for alert in state.alerts if alert.open for matter in alert.folded
    }
    same = [fact for fact in state.facts if fact.type == BREACH and fact.data == news.seen.data]
    if any(fact.event_id in open_ones for fact in same):
        return state
    for fact in same:
        state = without_fact(state, fact.event_id)
    return with_fact(state, news.seen, None)
