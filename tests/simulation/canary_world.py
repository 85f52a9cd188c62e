"""The eighth checker, non-leak: generated people in whom every value is unique, through the same seeded worlds.

Whatever is killed, doubled or read twice: no topic says a value in clear, and each reader of an alert reads what the
agreements' own files license (``tests.adversary.licence``), and nothing else.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest import mock

from services.alerts import masks, sharing
from spine.record import Outgoing
from tests.adversary.canaries import Generator, Person
from tests.adversary.licence import Licence
from tests.adversary.world_of_canaries import World as Judge
from tests.simulation.hub_world import CONTRACTS, HubWorld, through_the_door

PEOPLE_A_WORLD = 2
#: What would let more out: the agreement forgotten, the council's mask forgotten. The mask alone is not missed: what
#: each agreement shows to a role is narrower, so the agreement carries the load, and the pair lets most out.
PLANTS = ("no_agreement", "no_mask")


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a generated person, and when the door took it."""

    event: Mapping[str, Any]
    received_at: datetime

    def submission(self) -> Outgoing:
        said = {name: value for name, value in self.event.items() if name != "received_at"}
        return through_the_door(said, str(self.event["source"]), self.received_at)


@cache
def generated() -> Generator:
    generator = Generator(CONTRACTS)
    generator.build()
    return generator


@dataclass
class CanaryWorld(HubWorld):
    """``seed`` draws the people, too. Who is who is known: a message id names its person."""

    people: list[Person] = field(default_factory=list)
    #: Views that were judged, so that a world in which nobody read anything proves nothing.
    judged: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.people = random.Random(self.seed).sample(generated().flock.people, PEOPLE_A_WORLD)

    def days(self) -> Sequence[tuple[date, Sequence[Any]]]:
        events = sorted((e for person in self.people for e in person.events), key=lambda e: e["received_at"])
        day = events[-1]["received_at"].date() + timedelta(days=1)
        first = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
        told = tuple(Told(event, first + timedelta(seconds=n)) for n, event in enumerate(events))
        return [(day, told), (day + timedelta(days=1), ()), (day + timedelta(days=60), ())]

    def checkers(self) -> dict[str, Callable[[], None]]:
        held = super().checkers()
        # There is no story in whose order these people would be told to an oracle.
        del held["commutativity"]
        return {**held, "non-leak": self._non_leak}

    @contextmanager
    def _planted(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(super()._planted())
            if "no_agreement" in self.plants:
                stack.enter_context(mock.patch.object(sharing.Compiled, "readable", _whole))
            if "no_mask" in self.plants:
                everything = frozenset(c for role in generated_licence().masks["roles"].values() for c in role)
                stack.enter_context(mock.patch.object(masks, "mask", lambda *_: everything))
            yield

    def _non_leak(self) -> None:
        judge = self._judge()
        leaks: list[str] = []
        for fact in self._once("alerts"):
            person = judge.people.get(fact.fields["person_id"])
            for reader in fact.fields["recipients"]:
                if person is not None:
                    self.judged += 1
                    leaks += judge.leaks_of_view(reader["view"], reader["role"], fact.fields["rule"], person)
            bare = [{k: v for k, v in reader.items() if k != "view"} for reader in fact.fields["recipients"]]
            leaks += judge.unlicensed(json.dumps({**fact.fields, "recipients": bare}, default=str).encode())
        for place in self.log._records:
            for record in self.all(place):
                leaks += judge.unlicensed(record.value) if place[0] != "submissions" else []
        assert not leaks, f"{len(leaks)} leaks, first: {sorted(leaks)[0]}"

    def _judge(self) -> Judge:
        generator = generated()
        hub: Any = SimpleNamespace(states=self._states_of_people)
        parties = {party["name"]: name for name, party in generator.catalogue["parties"].items()}
        return Judge(generator.flock, generated_licence(), hub, io.StringIO(), self.day, parties, generator.catalogue)

    def _states_of_people(self, name: str) -> Mapping[str, bytes]:
        return {key: body for key, body in self._states(name).items() if not key.startswith("|")}


@cache
def generated_licence() -> Licence:
    return Licence(CONTRACTS, generated().agreements)


def _whole(self: Any, fact: Any, *rest: Any) -> sharing.Readable:
    """As a gate that has forgotten whom an agreement names."""
    del rest
    items = self.items.get((fact.source, fact.type, fact.agreement.partition("@")[0]), {})
    return sharing.Readable("all", frozenset(items.values()) | {"status"}, items)


def run(seed: int, plants: frozenset[str] = frozenset()) -> CanaryWorld:
    """Run one world. AssertionError names the checker."""
    world = CanaryWorld(seed, plants)
    world.run()
    return world
