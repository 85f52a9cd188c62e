"""Examples that a person of the field can read and correct: tests/alerts/examples/<rule>.yaml.

``who``: what status believes all along. ``facts``: what arrives, at noon; ``tries``, instead: what somebody tries that
their role may not. ``raised``: days on which its alert was raised by the end of ``until``; an empty list says that it
must not be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from services.alerts.belief import Belief
from services.alerts.decide import Settings
from services.alerts.policy import Policy, Schedule
from services.alerts.reading import Breached, overreach_of
from services.alerts.rules import RULES
from services.alerts.state import State
from spine.record import Fact
from tests.alerts.world import World, belief, episode, mark, plan, settings, span, wait

FOLDER = Path(__file__).parent / "examples"
OWN = {"on", "received", "type", "source", "id"}


@cache
def rows() -> tuple[tuple[str, dict[str, Any]], ...]:
    """(rule, example) of every file."""
    read = (YAML(typ="safe").load(path) for path in sorted(FOLDER.glob("*.yaml")))
    return tuple((rule, row) for rules in read for rule, found in rules.items() for row in found)


def examples() -> Iterator[Any]:
    for rule, row in rows():
        yield pytest.param(rule, row, id=f"{rule} {row['name']}")


def believed(who: dict[str, Any]) -> Belief:
    return belief(
        *[span(*map(_text, row)) for row in who.get("spans", [])],
        born=who.get("born", "2008-06-15"),
        marks=[mark(*map(_text, row if isinstance(row, list) else [row])) for row in who.get("marks", [])],
        episodes=[episode(*map(_text, row)) for row in who.get("episodes", [])],
        waits=[wait(*row) for row in who.get("waits", [])],
        plans=[
            plan(
                row["start"],
                row.get("hold"),
                row["id"],
                deadline=row.get("deadline"),
                refused=row.get("refused", False),
            )
            for row in who.get("plans", [])
        ],
    )


def _text(value: Any) -> Any:
    return value


def schedules(feeds: Any) -> dict[str, Schedule]:
    """A list names parties whose schedule does not matter."""
    if not isinstance(feeds, dict):
        return {party: Schedule(7, 2) for party in feeds}
    return {party: Schedule(row["every_days"], row["tolerance_working_days"]) for party, row in feeds.items()}


def played(row: dict[str, Any], policy: Policy | None = None) -> World:
    """The world at the end of an example, under the policy of today or another."""
    chosen = settings() if policy is None else replace(settings(), policy=policy)
    if "feeds" in row:
        chosen = replace(chosen, policy=replace(chosen.policy, feeds=schedules(row["feeds"])))
    world, held = World(every_day=False, settings=chosen), believed(row.get("who", {}))
    if "tries" in row:
        return tried(row, chosen)
    for fact in row["facts"]:
        if world.state.last_day is not None:
            world.until(fact.get("received", fact["on"]))
        data = {name: value for name, value in fact.items() if name not in OWN}
        world.tell(
            fact["type"],
            fact["on"],
            received=fact.get("received"),
            source=fact.get("source", "college"),
            event_id=fact.get("id"),
            belief=held,
            dropped=["data.x"] if row.get("dropped") else [],
            **data,
        )
    if "until" in row:
        world.until(row["until"])
    return world


def tried(row: dict[str, Any], chosen: Settings) -> World:
    """Whoever signs in somewhere tries what their role may not: a thing on a day, in this order."""
    world = World(State("feed:0123456789abcdef0123"), every_day=False, settings=chosen)
    for n, one in enumerate(row["tries"]):
        at = datetime.fromisoformat(f"{one['on']}T12:00:00+00:00")
        fields = {"who": "w-4402", "role": "careers-adviser", "party": "", "doing": "page", "at": at, **one}
        world.feed(Breached(f"o{n}", at, overreach_of(Fact("overreach.v1", f"o{n}", fields))))
    return world


def outcome(rule: str, row: dict[str, Any], policy: Policy | None = None) -> tuple[list[str], ...]:
    """(raise days, due days, days of escalation) of a rule's alerts at the end of an example."""
    world = played(row, policy)
    alerts = world.alerts(rule)
    return (
        [a.raised_on.isoformat() for a in alerts],
        [a.due_on.isoformat() for a in alerts],
        escalations(world, rule),
    )


def escalations(world: World, rule: str) -> list[str]:
    acts = [effect.fields for effect in world.effects if effect.kind == "alert.v1"]
    return [act["on"].isoformat() for act in acts if act["rule"] == rule and act["act"] == "escalated"]


@pytest.mark.parametrize(("rule", "row"), list(examples()))
def test_the_rule_is_raised_exactly_as_the_example_says(rule: str, row: dict[str, Any]) -> None:
    world = played(row)
    assert [alert.raised_on.isoformat() for alert in world.alerts(rule)] == row["raised"]
    if "to" in row:
        assert world.to(rule) == set(row["to"])
    if "escalated" in row:
        assert escalations(world, rule) == row["escalated"]


def test_every_rule_has_three_examples_that_raise_it_and_three_that_do_not() -> None:
    counted: dict[str, list[int]] = {rule: [0, 0] for rule in RULES if rule != "MR"}
    for path in sorted(FOLDER.glob("*.yaml")):
        for rule, rows in YAML(typ="safe").load(path).items():
            for row in rows:
                counted[rule][0 if row["raised"] else 1] += 1
    assert not {rule: n for rule, n in counted.items() if min(n) < 3}
