"""A39 beyond refusals: told after consent had ended, and tries of what a role may not."""

from __future__ import annotations

from datetime import date, datetime
from itertools import permutations
from typing import Any

import pytest

from services.alerts.breaches import TRIES_MAX
from services.alerts.reading import Breached, overreach_of
from services.alerts.state import State
from spine.record import Fact
from tests.alerts.world import World, belief, d, span

PURPOSE = "teenage_parent_support"
COLLEGE = belief(span("2025-09-08", None, "230"))


def told_of_a_pregnancy() -> World:
    world = World(every_day=False)
    word(world, "given", "2026-02-01")
    world.tell("circumstance.pregnant", "2026-02-10", source="care", belief=COLLEGE)
    return world


def word(world: World, said: str, on: str, received: str | None = None, name: str | None = None) -> None:
    world.tell(f"consent.{said}", on, received=received, source="care", belief=COLLEGE, event_id=name, purpose=PURPOSE)


def standing(world: World) -> list[tuple[date | None, bool]]:
    return [(alert.anchor, alert.open) for alert in world.alerts("A39") if alert.outcome != "retracted"]


@pytest.mark.parametrize("order", list(permutations((0, 1, 2))))
def test_what_is_true_of_a_telling_does_not_depend_on_which_word_of_consent_came_first(order: tuple[int, ...]) -> None:
    """Withdrawn before the telling, given again before it, withdrawn once more before it: it was a breach."""
    words = (("withdrawn", "2026-02-05"), ("given", "2026-02-07"), ("withdrawn", "2026-02-09"))
    world = told_of_a_pregnancy()
    for place in order:
        said, on = words[place]
        word(world, said, on, received=f"2026-02-1{2 + place}", name=f"{said} {on}")
    (alert,) = [alert for alert in world.alerts("A39") if alert.outcome != "retracted"]
    assert alert.open and "withdrawn 2026-02-09" in (alert.matter, *alert.folded)


def test_consent_that_proves_to_have_stood_takes_the_alert_back_and_says_so() -> None:
    world = told_of_a_pregnancy()
    word(world, "withdrawn", "2026-02-05", received="2026-02-12")
    assert standing(world) == [(d("2026-02-10"), True)]
    word(world, "given", "2026-02-08", received="2026-02-13")
    assert standing(world) == []
    told = [e.fields["role"] for e in world.effects if e.kind == "delivery.v1" and e.fields["act"] == "retracted"]
    assert set(told) == {"dpo"}


def test_a_withdrawal_that_is_taken_back_takes_the_alert_back() -> None:
    world = told_of_a_pregnancy()
    word(world, "withdrawn", "2026-02-05", received="2026-02-12", name="no")
    world.tell("event.retracted", "2026-02-13", source="care", belief=COLLEGE, retracts_id="no")
    assert standing(world) == []


def test_the_officer_reads_which_alert_was_told_and_when_and_not_what_the_consent_was_for() -> None:
    world = told_of_a_pregnancy()
    word(world, "withdrawn", "2026-02-05", received="2026-02-12")
    (raised,) = [e.fields for e in world.effects if e.kind == "alert.v1" and e.fields["rule"] == "A39"]
    (recipient,) = raised["recipients"]
    said = str(recipient["view"])
    assert world.alert("A24").alert_id in said and "10 Feb 2026" in said and "5 Feb 2026" in said
    assert "Told after consent had ended: Robin Marsh" in said
    assert not [secret for secret in ("regnan", "parent", "early", "tbag") if secret in said.lower()]


def test_tellings_that_no_word_can_reach_any_more_are_forgotten() -> None:
    world = told_of_a_pregnancy()
    assert {one.on for one in world.state.shared} == {d("2026-02-10")}
    world.act("A24", "outcome", "2027-02-10", "done")
    world.tell("circumstance.birth", "2027-03-01", source="care", belief=COLLEGE)
    assert {one.on for one in world.state.shared} == {d("2027-02-10"), d("2027-03-01")}


def tries(world: World, on: str, what: str, **more: Any) -> None:
    at = datetime.fromisoformat(f"{on}T12:00:00+00:00")
    fields = {"who": "w-4402", "role": "careers-adviser", "party": "", "doing": "page", "what": what, "at": at, **more}
    world.number += 1
    world.feed(Breached(f"o{world.number}", at, overreach_of(Fact("overreach.v1", f"o{world.number}", fields))))


def test_of_many_tries_no_more_are_kept_than_say_something_new() -> None:
    world = World(State("feed:0123456789abcdef0123"), every_day=False)
    for n in range(TRIES_MAX + 20):
        tries(world, "2026-02-10", f"thing {n}")
    assert len(world.state.facts) == TRIES_MAX
    tries(world, "2026-02-11", "thing")
    assert len(world.state.facts) == 4, "what the alert tells of, and the new one"
    assert world.alert("A39").times == 1


def test_an_overreach_is_told_with_who_as_what_and_when() -> None:
    world = World(State("feed:0123456789abcdef0123"), every_day=False)
    for what, doing in (("a", "page"), ("b", "act"), ("c", "emergency")):
        tries(world, "2026-02-10", what, doing=doing)
    (raised,) = [e.fields for e in world.effects if e.kind == "alert.v1"]
    assert [one["role"] for one in raised["recipients"]] == ["dpo"]
    (said,) = [line for line in raised["recipients"][0]["view"]["why"] if "w-4402" in line]
    assert said.startswith("w-4402 as careers adviser was refused what the role may not on 10 Feb 2026: ")
    assert said.endswith("acts, emergency openings and pages.")
    world.act("A39", "outcome", "2026-02-10", "done")
    tries(world, "2026-02-10", "d")
    assert [alert.open for alert in world.alerts("A39")] == [False], "the day is dealt with"
