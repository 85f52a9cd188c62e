"""A settled person costs less and is told the same: rules that a fact cannot move need not be asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from hub.inprocess import InProcessHub
from hub.story import play, read_story
from services.alerts import decide as decisions
from services.alerts import settled as settling
from services.alerts.case import Case
from services.alerts.decide import Settings, decide, due_on
from services.alerts.learning import learn
from services.alerts.reading import News, Ticked, Told, read
from services.alerts.reads import reads
from services.alerts.rules import ORDER
from services.alerts.settings import load
from services.alerts.state import Seen, State, decode, encode
from tests.alerts.world import World, belief, mark, settings, span
from tests.benchmarks.lives import by_person, county

ROOT = Path(__file__).resolve().parents[2]
STORIES = sorted((ROOT / "tests" / "stories").glob("S*.yaml"))


def lives(hub: InProcessHub) -> Iterator[tuple[str, list[News]]]:
    """What was told of each person, in order."""
    for person, facts in by_person(hub, "statuses").items():
        yield person, [read(fact, hub.catalogue) for fact in facts]


def day_of(news: News, before: date | None) -> date:
    today, _ = decisions.moment(State("", last_day=before), news)
    return today


def told_everything(person: str, facts: list[News], rules: Settings, *, asked_all: bool) -> tuple[list[Any], State]:
    """Every effect, and the state at the end, with a tick on each day on which one is due. ``asked_all``: no state is
    ever taken for settled."""
    state, said = State(person), list[Any]()

    def take(news: News) -> None:
        nonlocal state
        held = replace(state, settled=None) if asked_all else decode(encode(state))
        state, effects = decide(rules, held, news)
        said.append((news.event_id, effects))

    for news in facts:
        day = day_of(news, state.last_day)
        for _ in range(500):
            due = None if state.last_day is None else due_on(rules, replace(state, settled=None))
            if due is None or due > day or isinstance(news, Ticked):
                break
            take(Ticked(f"tick-{due}", due))
        take(news)
    return said, replace(state, settled=None)


@lru_cache(maxsize=1)
def hubs() -> tuple[InProcessHub, ...]:
    """Played once for the tests of this file."""
    return (
        county(3),
        *(play(read_story(path), ROOT / "contracts", ROOT / "schemas" / "avro").hub for path in STORIES[::2]),
    )


@pytest.mark.slow
def test_what_a_settled_person_is_told_is_what_all_rules_would_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    rules, narrowed = load(ROOT / "contracts"), 0
    found = decisions.moved_by_one_kind

    def counted(*given: Any) -> str:
        nonlocal narrowed
        kind = found(*given)
        narrowed += bool(kind)
        return kind

    monkeypatch.setattr(decisions, "moved_by_one_kind", counted)
    for hub in hubs():
        for person, facts in lives(hub):
            assert told_everything(person, facts, rules, asked_all=False) == told_everything(
                person, facts, rules, asked_all=True
            ), person
    assert narrowed > 100, "hardly a state was settled: this compares nothing"


def test_rules_ask_only_for_kinds_of_fact_that_their_code_names(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()

    def watched(self: Case, *types: str) -> list[Seen]:
        asked.update(types)
        return facts(self, *types)

    facts = Case.facts
    monkeypatch.setattr(Case, "facts", watched)
    policy, seen = settings().policy, set[str]()
    for hub in hubs():
        for body in hub.states("alerts").values():
            state = decode(body)
            if state.last_day is None or state.belief is None:
                continue
            case = Case(state, state.last_day, policy)
            for rule in ORDER:
                asked.clear()
                rule.ground(case), list(rule.timers(case))
                for alert in state.alerts:
                    if alert.rule == rule.id:
                        rule.closing(case, alert), rule.replaced(case, alert)
                kinds = reads(rule)
                assert kinds is None or asked <= kinds, f"{rule.id} asks for {sorted(asked - kinds)}"
                seen |= asked
    assert len(seen) > 40


def test_another_number_or_another_build_asks_every_rule_again() -> None:
    hub, rules = county(1), load(ROOT / "contracts")
    ((person, facts),) = lives(hub)
    state = State(person)
    for news in facts[:-1]:
        state, _ = decide(rules, state, news)
    kind = "taster.attended"
    news = next(n for n in facts if isinstance(n, Told) and n.seen is not None and n.seen.type == kind)
    assert news.seen is not None and state.last_day is not None
    again = replace(news, event_id="again", seen=news.seen._replace(event_id="again"), belief=state.belief)
    until = date.max
    settled = replace(state, settled=(until, rules.name))
    after = learn(settled, again)

    def narrow(now: Settings) -> str:
        return settling.moved_by_one_kind(now.name, settled, after, again, state.last_day or until)

    assert narrow(rules) == kind
    assert narrow(replace(rules, build="another")) == ""
    assert narrow(replace(rules, policy=replace(rules.policy, hash="another"))) == ""


def test_of_whoever_comes_back_every_rule_is_asked_again() -> None:
    held, world = belief(span("2025-09-08", None, "230"), marks=[mark("looked_after")]), World()
    world.tell("circumstance.moved_abroad", "2025-11-03", source="care", belief=held, returning=False)
    world.tell("care.placement.changed", "2025-11-04", source="care", belief=held, same_carer=False)
    assert not world.alerts("A15") and world.state.settled is None
    world.tell("housing.homelessness.approached", "2025-11-05", source="housing", belief=held)
    assert world.alert("A15").open


def test_a_tick_that_finds_nothing_leaves_a_state_settled_and_the_next_fact_asks_few_rules() -> None:
    held, world = belief(span("2025-09-08", None, "230"), marks=[mark("looked_after")]), World(every_day=False)
    world.tell("care.accommodation.recorded", "2025-10-01", source="care", belief=held)
    world.until("2025-10-06")
    assert world.state.last_day == date(2025, 10, 2) and world.state.settled is not None
    before = replace(world.state)
    world.tell("taster.attended", "2025-10-07", source="care", belief=before.belief)
    assert world.state.settled is not None and before.settled is not None
    assert world.state.settled[0] <= before.settled[0], "until a day that was named before"
