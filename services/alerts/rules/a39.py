"""A39 agreement breach: a field came without an agreement and was dropped. Leeds 2011; Lancashire 3.1.1.1."""

from __future__ import annotations

from services.alerts.case import Case
from services.alerts.rules.shape import Ground, Rule, never


def ground(case: Case) -> Ground | None:
    """Once for each party and event type: the cause is a feed, not a person. Only its outcome closes it."""
    for fact in reversed(case.state.facts):
        matter = f"{fact.source}:{fact.type}"
        if fact.dropped and not case.had("A39", matter):
            return Ground(matter, "field_without_agreement", (fact.event_id,), source=fact.source)
    return None


RULE = Rule("A39", ground, never)
