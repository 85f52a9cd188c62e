"""A39 agreement breach: what came without an agreement was dropped or refused. Leeds 2011; Lancashire 3.1.1.1."""

from __future__ import annotations

from services.alerts.case import Case
from services.alerts.reading import BREACH
from services.alerts.rules.shape import Ground, Rule, never


def ground(case: Case) -> Ground | None:
    """Once for each party and event type: the cause is a feed, not a person. Only its outcome closes it.

    What was refused stands under the party's feed, and is raised again when it comes again after the outcome.
    """
    for fact in case.facts(BREACH):
        if not case.had("A39", fact.event_id):
            tag = fact.text("reason")
            return Ground(fact.event_id, "refused", (fact.event_id,), fact.effective_on, None, tag, fact.source)
    for fact in reversed(case.state.facts):
        matter = f"{fact.source}:{fact.type}"
        if fact.dropped and not case.had("A39", matter):
            return Ground(matter, "field_without_agreement", (fact.event_id,), source=fact.source)
    return None


RULE = Rule("A39", ground, never)
