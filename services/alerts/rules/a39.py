"""A39 agreement or consent breach. Leeds 2011; Leicestershire 2021-23; Lancashire 3.1.1.1."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from services.alerts.case import Case
from services.alerts.reading import BREACH, OVERREACH
from services.alerts.rules.shape import RETRACTED, Closing, Ground, Rule
from services.alerts.state import Alert, Seen, facts_of
from services.alerts.withdrawn import told_after

OFFICER, CONTACT = "dpo", "agency-spoc"


def ground(case: Case) -> Ground | None:
    """Refused under no agreement, once for each feed, type and reason; a field dropped, once for each party and type.

    Told after a consent had ended, once for each word that ended it, also when that word comes later. Tried what the
    role may not, once a day for whoever tried ``tries_a_day`` different things. Again when it comes again after the
    outcome.
    """
    for fact in case.facts(BREACH):
        if not case.had("A39", fact.event_id):
            tag = fact.text("reason")
            return Ground(fact.event_id, "refused", (fact.event_id,), fact.effective_on, None, tag, fact.source)
    return _after_consent(case) or _overreach(case) or _dropped(case)


def _after_consent(case: Case) -> Ground | None:
    told = list(told_after(case)) if case.state.shared else []
    for word, shared in told:
        if not case.had("A39", word.event_id):
            outside = any(one.role in case.policy.directory.external for _, one in told)
            to = (OFFICER, CONTACT) if outside else (OFFICER,)
            return Ground(word.event_id, "after_consent", (word.event_id,), shared.on, tag="after_consent", to=to)
    return None


def _overreach(case: Case) -> Ground | None:
    if not case.facts(OVERREACH):
        return None
    tries = case.policy.number("A39", "tries_a_day")
    for day, facts in days_of_tries(case):
        matter = f"overreach:{day}"
        if len(facts) >= tries and not case.had("A39", matter):
            party = facts[0].source
            to = (OFFICER, CONTACT) if party else (OFFICER,)
            evidence = tuple(fact.event_id for fact in facts[:tries])
            return Ground(matter, "overreach", evidence, day, tag="overreach", source=party, to=to)
    return None


def days_of_tries(case: Case) -> Iterable[tuple[date, list[Seen]]]:
    """The tries of each day, each thing once."""
    days: dict[date, dict[str, Seen]] = {}
    for fact in case.facts(OVERREACH):
        days.setdefault(fact.effective_on, {}).setdefault(fact.text("what"), fact)
    return [(day, list(each.values())) for day, each in sorted(days.items())]


def _dropped(case: Case) -> Ground | None:
    for fact in reversed(facts_of(case.state).dropping):
        matter = f"{fact.source}:{fact.type}"
        if not case.had("A39", matter):
            return Ground(matter, "field_without_agreement", (fact.event_id,), source=fact.source)
    return None


def closing(case: Case, alert: Alert) -> Closing | None:
    """Its outcome. The consent proves to have stood on every day on which somebody was told: retracted."""
    if alert.because != "after_consent":
        return None
    matters = {alert.matter, *alert.folded}
    stands = any(word.event_id in matters for word, _ in told_after(case))
    if stands or any(case.fact(matter) is None for matter in matters):
        return None
    return Closing(RETRACTED, "the consent stood")


RULE = Rule("A39", ground, closing)
