"""What is kept beside the facts of a person is what would be worked out of them anew, and no byte is another for it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from random import Random

import orjson
import pytest

from hub.story import play, read_story
from services.alerts.facts import RETRACTED_KIND, Facts
from services.alerts.state import State, but, decode, encode, with_fact, without_fact

ROOT = Path(__file__).resolve().parents[2]
STORIES = sorted((ROOT / "tests" / "stories").glob("S*.yaml"))
WORKED_OUT = ("taken_back", "live", "kinds", "sorts", "dropping", "written")


@lru_cache(maxsize=1)
def states() -> tuple[State, ...]:
    """Of every person of some stories, as they are at their ends."""
    told = [play(read_story(path), ROOT / "contracts", ROOT / "schemas" / "avro").hub for path in STORIES[::3]]
    return tuple(decode(body) for hub in told for body in hub.states("alerts").values())


def plain(state: State) -> bytes:
    """The state written all at once."""
    return orjson.dumps(state, default=tuple, option=orjson.OPT_SORT_KEYS)


def as_grouped(facts: Facts, name: str) -> object:
    found = getattr(facts, name)
    return {kind: list(held) for kind, held in found.items()} if name == "live" else found


def test_one_fact_more_leaves_what_all_facts_would_give() -> None:
    retractions = 0
    for number, state in enumerate(states()):
        draw, held = Random(number), State(state.person_id, facts=Facts())
        shuffled = draw.sample(state.facts, len(state.facts))
        for seen in state.facts if number % 2 else shuffled:
            for name in draw.sample(WORKED_OUT, 4):
                getattr(held.facts, name)
            held = with_fact(held, seen, None)
            assert isinstance(held.facts, Facts)
            retractions += seen.type == RETRACTED_KIND
            for name in draw.sample(WORKED_OUT, 4):
                assert as_grouped(held.facts, name) == as_grouped(Facts(tuple(held.facts)), name), name
        assert held.facts == state.facts
    assert retractions, "nothing was taken back: that path is not walked"


def test_a_state_that_was_written_before_is_written_like_a_new_one() -> None:
    for state in states():
        body = encode(state)
        assert body == plain(state) == encode(decode(body))
        fewer = without_fact(state, state.facts[0].event_id) if state.facts else state
        named = but(fewer, moved_to="p-2", reviews={"b": True, "a": False})
        closed = but(named, alerts=tuple(replace(one, because="x") for one in state.alerts[:1]) + state.alerts[1:])
        for later in (
            fewer,
            named,
            closed,
            state,
            but(closed, alerts=state.alerts[::-1]),
            replace(closed, belief=None),
        ):
            assert encode(later) == plain(later)


@pytest.mark.parametrize("name", ["alerts", "reviews", "facts", "until_whole"])
def test_a_copy_with_one_field_changed_keeps_the_others(name: str) -> None:
    for state in states():
        assert but(state, **{name: getattr(State("x"), name)}) == replace(state, **{name: getattr(State("x"), name)})
