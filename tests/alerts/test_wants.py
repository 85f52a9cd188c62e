"""A rule that says on what it rests has no ground without it: asking it could be left out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hub.story import play, read_story
from services.alerts.case import Case
from services.alerts.decide import Step
from services.alerts.reads import wanting
from services.alerts.rules import ORDER
from services.alerts.rules.shape import Rule
from services.alerts.state import State, decode
from tests.alerts.world import settings

ROOT = Path(__file__).resolve().parents[2]
STORIES = sorted((ROOT / "tests" / "stories").glob("S*.yaml"))


def without(state: State, types: frozenset[str]) -> State:
    """The same life and belief, nothing raised yet, and none of these facts."""
    return State(
        state.person_id,
        tuple(fact for fact in state.facts if fact.type not in types),
        state.subjects,
        state.belief,
        last_day=state.last_day,
    )


def states() -> Iterator[State]:
    for path in STORIES:
        told = play(read_story(path), ROOT / "contracts", ROOT / "schemas" / "avro")
        yield from (decode(body) for body in told.hub.states("alerts").values())


@pytest.mark.slow
def test_no_rule_has_a_ground_without_the_facts_that_it_wants() -> None:
    policy, grounds = settings().policy, set()
    for state in states():
        if state.last_day is None or state.belief is None:
            continue
        for back in range(0, 420, 13):
            day = state.last_day - timedelta(days=back)
            for rule in ORDER:
                if rule.wants and rule.ground(Case(without(state, frozenset()), day, policy)) is not None:
                    grounds.add(rule.id)
                if rule.wants:
                    assert rule.ground(Case(without(state, rule.wants), day, policy)) is None, rule.id
    wanting = {rule.id for rule in ORDER if rule.wants}
    assert grounds >= wanting - {"A02", "A12", "A20", "A37", "A40"}, "the stories no longer reach these rules"


@pytest.mark.slow
def test_a_rule_that_is_not_asked_has_no_ground(monkeypatch: pytest.MonkeyPatch) -> None:
    grounds = set[str]()

    def asked(self: Step) -> Iterator[Rule]:
        chosen = wanting(self.case.kinds, self.case.believed)
        for rule in ORDER if self.case.believed is not None else ():
            if rule.ground(self.case) is not None:
                assert rule in chosen, f"{rule.id} has a ground and would not be asked"
                grounds.add(rule.id)
        yield from all_asked(self)

    all_asked = Step.asked
    monkeypatch.setattr(Step, "asked", asked)
    for path in STORIES:
        play(read_story(path), ROOT / "contracts", ROOT / "schemas" / "avro")
    resting = {rule.id for rule in ORDER if rule.rests_on}
    assert grounds >= resting, "the stories no longer reach these rules"
