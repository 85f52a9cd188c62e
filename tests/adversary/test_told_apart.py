"""Words of closed lists, flags, numbers and days have no canary that could be searched for: many people share them.

So each value is exchanged for another, and every view must stay as it was for whoever may not read that field. The
same holds for a fact that is there or not: who may read nothing of it must not see a difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from services.alerts import consent, disclosure, masks
from services.alerts.case import Case
from services.alerts.settings import Settings, load
from services.alerts.state import Alert, Recipient, Seen, State
from tests.adversary.canaries import Origin
from tests.adversary.world_of_canaries import CONTRACTS, World

#: They look at one world, which takes long to build.
pytestmark = pytest.mark.xdist_group("canaries")

RULES = ("A01", "A05", "A23", "A28", "A32", "A33", "A36", "A37", "A39", "MR", "A10", "A13", "A24")
#: Facts that decide what may be shown at all, or which other fact counts: their values are meant to make a difference.
DECIDING = ("consent.", "sharing.", "event.retracted", "identity.")


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load(CONTRACTS)


def other(spec: dict[str, Any], enums: dict[str, list[str]], value: Any) -> Any:
    """Another value that the field may have."""
    words = spec.get("values") or enums.get(spec.get("enum", ""), [])
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 3
        case list() if words:
            return value[1:]
        case list():
            return ["elsewhere"]
        case str() if words:
            return words[(words.index(value) + 1) % len(words)] if value in words else words[0]
    if spec["type"] == "date":
        return (date.fromisoformat(value) + timedelta(days=40)).isoformat()
    return "elsewhere"


class Sight:
    """What each role sees in an alert on one fact of one person, and what it may."""

    def __init__(self, world: World, settings: Settings, key: str) -> None:
        self.world, self.settings = world, settings
        self.state, self.person = world.states[key], world.people[key]
        self.before: dict[tuple[str, str, str], object] = {}

    def view(self, state: State, fact: Seen, role: str, rule: str) -> object:
        alert = Alert(
            "told-apart", rule, "", self.world.today, self.world.today, "P1", 0, (Recipient(role),), (fact.event_id,)
        )
        case = Case(state, self.world.today, self.settings.policy)
        return disclosure.disclose(case, alert, Recipient(role), self.settings.sharing)

    def changes(self, state: State, fact: Seen, role: str, rule: str) -> bool:
        """Whether the role sees in `state` another thing than in the world as it is."""
        key = (fact.event_id, role, rule)
        if key not in self.before:
            self.before[key] = self.view(self.state, fact, role, rule)
        return self.before[key] != self.view(state, fact, role, rule)

    def with_fact(self, old: Seen, new: Seen | None) -> State:
        facts = tuple(new if one is old else one for one in self.state.facts)
        return replace(self.state, facts=tuple(one for one in facts if one is not None))


def told_apart(world: World, settings: Settings) -> Iterator[tuple[str, str]]:
    """(kind of difference, leak) for every field of every (party, event type), and for every fact as a whole."""
    catalogue, done = world.catalogue, set[tuple[str, str, str]]()
    roles = sorted(world.licence.masks["roles"])
    for number, key in enumerate(sorted(world.people)):
        sight = Sight(world, settings, key)
        for fact in sight.state.facts:
            if fact.type.startswith(DECIDING) or (fact.source, fact.type) not in world.agreed:
                continue
            specs = catalogue["types"][fact.type]["data"]
            changed: dict[str, Seen | None] = {
                f"data.{name}": fact._replace(data={**fact.data, name: other(specs[name], catalogue["enums"], value)})
                for name, value in fact.data.items()
                if value is not None and name in specs
            }
            changed["existence"] = None
            for path, new in changed.items():
                if (fact.source, fact.type, path) in done:
                    continue
                done.add((fact.source, fact.type, path))
                state = sight.with_fact(fact, new)
                for place, role in enumerate(roles):
                    rule = RULES[(number + place) % len(RULES)]
                    if not sight.changes(state, fact, role, rule):
                        continue
                    consents = sight.person.consents
                    shown = world.licence.shows(fact.source, role, rule, consents)
                    origin = Origin(fact.source, fact.type, path)
                    licensed = shown if new is None else world.licence.category(origin) in shown
                    yield ("licensed" if licensed else f"{role} in {rule} tells apart {path} of {fact.type}"), path


def leaks(world: World, settings: Settings) -> Iterator[str]:
    return (said for said, _ in told_apart(world, settings) if said != "licensed")


def test_nobody_can_tell_apart_values_or_facts_that_they_may_not_read(canaries: World, settings: Settings) -> None:
    found = list(told_apart(canaries, settings))
    assert not sorted({said for said, _ in found if said != "licensed"})
    # Differences that may be seen are seen: the test looks where something is shown.
    assert len({path for _, path in found}) > 40 and len(found) > 1_000


def test_a_gate_that_names_a_reason_to_everybody_is_caught(
    canaries: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = disclosure._why

    def passing(eyes: Any, *rest: Any) -> Iterator[str]:
        yield from before(eyes, *rest)
        yield from (f"Because of {fact.text('reason')}." for fact in eyes.evidence() if fact.text("reason"))

    monkeypatch.setattr(disclosure, "_why", passing)
    assert any("tells apart data.reason" in leak for leak in leaks(canaries, settings))


def test_a_gate_that_counts_what_it_withholds_is_caught(
    canaries: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That a fact exists is itself something to be read."""
    before = disclosure._why

    def counting(eyes: Any, *rest: Any) -> Iterator[str]:
        yield from before(eyes, *rest)
        yield f"{len(list(eyes.evidence()))} facts stand behind this."

    monkeypatch.setattr(disclosure, "_why", counting)
    assert any("tells apart existence" in leak for leak in leaks(canaries, settings))


def test_a_mask_that_shows_everybody_everything_is_caught(
    canaries: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masks, "mask", lambda *_: frozenset(settings.policy.masks.categories))
    monkeypatch.setattr(consent, "allowed", lambda *_: True)
    assert any(leaks(canaries, settings))
