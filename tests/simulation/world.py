"""One seeded world: two services in a chain, two owners each, publishers, a ticker and a partner; faults, then calm.

``run(seed)`` raises AssertionError if a checker fails. Everything that happens follows from the seed and the plant.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import Any
from unittest import mock

from spine import faults
from spine import step as stepping
from spine.errors import Halt, Retry
from spine.journal import Position
from spine.keyed import KeyedProcessor
from spine.log import MemoryLog, Place
from spine.publisher import publish
from spine.record import Effect, Outgoing, Record
from spine.schema import Catalogue
from spine.step import Limits, Outcome, SetAside, encode_effects, step
from tests.simulation.actors import Chance, FailingJournal, FailingLog, Killed, Remembering, summing
from tests.simulation.checkers import CHECKERS, EXPLODES, KEYS
from tests.spine.toy import counts, keyed, toy_catalogue

TOPICS = {"things": 2, "effects": 2, "quarantine": 1}
FAULTS = {
    "kill": 0.08,
    "before_commit": 0.06,
    "after_commit": 0.06,
    "append": 0.1,
    "hole": 0.1,
    "repeat": 0.1,
    "zombie": 0.1,
}
FACTS_MAX, TURNS_MAX, CALM_ROUNDS_MAX = 60, 260, 400
#: A layer of defence taken away, or a core that breaks its law.
PLANTS = (
    *("no_fence", "no_inbox", "random_ids", "marks_first", "never_forgets", "no_isolation"),
    *("no_gap_check", "no_chain", "last_wins", "clock_in_core", "forgets_effects"),
)
Actor = Generator[None, None, None]


@dataclass
class Service:
    """A service of the world: its journal outlives its owners."""

    name: str
    topic: str
    journal: FailingJournal
    remembers: bool


@dataclass
class World:
    seed: int
    plants: frozenset[str] = frozenset()
    catalogue: Catalogue = field(default_factory=toy_catalogue)
    submitted: list[int] = field(default_factory=list)
    garbage: int = 0
    day: date = date(2026, 9, 1)

    def __post_init__(self) -> None:
        choice = random.Random(self.seed)
        # Swarm testing: each seed also draws which faults are on.
        on = {name: rate for name, rate in FAULTS.items() if choice.random() < 0.7}
        self.chance = Chance(choice, on)
        self.log = FailingLog(self.chance, TOPICS, self.catalogue)
        self.services = [self._service("toy", "things"), self._service("sums", "effects")]

    def _service(self, name: str, topic: str) -> Service:
        journal = FailingJournal(self.chance, self.plants)
        return Service(name, topic, journal, self.chance.random.random() < 0.5)

    def processor(self, service: Service) -> Any:
        decider = keyed(poison=EXPLODES) if service.name == "toy" else summing(self.plants)
        inner: Any = KeyedProcessor(service.name, service.topic, "build", "settings", decider)
        return Remembering(inner, "never_forgets" not in self.plants) if service.remembers else inner

    def fresh(self, service: Service) -> Any:
        """As ``processor``, for a replay: it keeps nothing between batches."""
        return self.processor(Service(service.name, service.topic, service.journal, False))

    def run(self, *, check: bool = True) -> None:
        with self._planted():
            faults.install(self.chance.point)
            try:
                self._safety()
                self.chance.calm = True
                self._liveness()
            finally:
                faults.install(None)
        if check:
            self._check()

    def _safety(self) -> None:
        actors: list[tuple[Any, Actor]] = [(make, make()) for make in self._makers()]
        for _ in range(TURNS_MAX):
            index = self.chance.random.randrange(len(actors))
            make, actor = actors[index]
            try:
                next(actor)
            except (Killed, StopIteration):
                actors[index] = (make, make())

    def _makers(self) -> list[Any]:
        makers: list[Any] = [self._partner, self._ticker]
        for service in self.services:
            # Two owners at once: the second is what a zombie is after a rebalance.
            owners = 2 if self.chance.happens("zombie") or self.chance.random.random() < 0.5 else 1
            makers += [lambda service=service: self._reader(service)] * owners
            makers += [lambda service=service: self._publisher(service)]
        return makers

    def _liveness(self) -> None:
        """Faults off, fair turns, until nothing moves. A bound, not quiet turns, tells a livelock."""
        actors = [self._reader(s) for s in self.services] + [self._publisher(s) for s in self.services]
        for _ in range(CALM_ROUNDS_MAX):
            for actor in actors:
                next(actor)
            if self._idle():
                return
        raise AssertionError("the world does not get quiet")

    def _idle(self) -> bool:
        for service in self.services:
            held = service.journal.positions(service.topic)
            places = [(service.topic, n) for n in range(self.log.partitions(service.topic))]
            if any(held.get(place, Position(0)).next < self.log.end(place) for place in places):
                return False
        return not any(service.journal.store.outbox for service in self.services)

    def _partner(self) -> Actor:
        while len(self.submitted) < FACTS_MAX:
            numbers = range(len(self.submitted), len(self.submitted) + self.chance.random.randrange(1, 5))
            facts = counts(self.catalogue, "things", numbers, KEYS)
            self.submitted += numbers
            MemoryLog.append(self.log, facts)
            if self.chance.happens("repeat"):
                MemoryLog.append(self.log, facts)
            if self.chance.happens("repeat"):
                self.garbage += 1
                held = self.log._records[("things", 0)]
                held.append(Record("things", 0, len(held), "key-0", b"\x07 garbage"))
            yield
        while True:
            yield

    def _ticker(self) -> Actor:
        while True:
            for n in range(TOPICS["things"]):
                effect = Effect("things", "", "tick.v1", {"on": self.day})
                (tick,) = encode_effects("ticker", f"tick-{n}-{self.day}", [effect], self.catalogue)
                MemoryLog.append(self.log, [Outgoing(0, tick.event_id, "things", "", tick.kind, tick.body, (), n)])
            self.day += timedelta(days=1)
            for _ in range(8):
                yield

    def _reader(self, service: Service) -> Actor:
        """An owner: what a host does, with its holes and repetitions."""
        processor, aside = self.processor(service), SetAside(Limits())
        at = self._positions(service)
        while True:
            records = list(self.log.read(at, self.chance.random.randrange(1, 9)))
            if records and self.chance.happens("hole"):
                del records[0]
            if self.chance.happens("repeat"):
                back = {place: max(0, offset - 3) for place, offset in at.items()}
                records = list(self.log.read(back, 12))
            yield
            try:
                outcome = self._work(records, processor, service, aside)
            except Retry:
                at = self._positions(service)
                continue
            at |= outcome.positions
            at |= outcome.gaps
            yield

    def _work(self, records: list[Record], processor: Any, service: Service, aside: SetAside) -> Outcome:
        """As ``spine.host.Worker``: a batch, or after an unknown error one by one."""
        try:
            return step(records, processor, service.journal, self.catalogue, aside)
        except (Retry, Halt):
            raise
        except Exception:
            whole = Outcome()
            for record in records:
                if "no_isolation" in self.plants:
                    continue
                one = step([record], processor, service.journal, self.catalogue, aside, isolate=True)
                whole.positions |= one.positions
                whole.gaps |= {k: v for k, v in one.gaps.items() if k not in whole.gaps}
            return whole

    def _positions(self, service: Service) -> dict[Place, int]:
        held = service.journal.positions(service.topic)
        places = [(service.topic, n) for n in range(self.log.partitions(service.topic))]
        return {place: held.get(place, Position(0)).next for place in places}

    def _publisher(self, service: Service) -> Actor:
        while True:
            yield
            try:
                if "marks_first" in self.plants:
                    rows = service.journal.unsent(5)
                    service.journal.mark_sent([row.number for row in rows])
                    self.log.append(rows)
                else:
                    publish(service.journal, self.log, 5)
            except Retry:
                continue

    @contextmanager
    def _planted(self) -> Iterator[None]:
        """Take a layer of defence away."""
        ids, link = random.Random(self.seed + 1), stepping.linked
        patches: dict[str, Any] = {}
        if "no_fence" in self.plants:
            patches["_contiguous"] = _unfenced
        if "no_gap_check" in self.plants:
            patches["_contiguous"] = _leaping
        if "no_chain" in self.plants:
            patches["linked"] = lambda previous, body: link(b"", body)
        if "random_ids" in self.plants:
            patches["effect_id"] = lambda *parts: f"{ids.getrandbits(64):x}"
        with ExitStack() as stack:
            for name, value in patches.items():
                stack.enter_context(mock.patch.object(stepping, name, value))
            yield

    def checkers(self) -> dict[str, Callable[[], None]]:
        """By name; see ``tests.simulation.checkers``."""
        return {name: partial(check, self) for name, check in CHECKERS.items()}

    def failures(self) -> dict[str, str]:
        """What each checker that fails says of this world as it stands."""
        found: dict[str, str] = {}
        for name, check in self.checkers().items():
            try:
                check()
            except AssertionError as error:
                found[name] = str(error)
        return found

    def _check(self) -> None:
        found = self.failures()
        assert not found, "; ".join(f"{name}: {said}" for name, said in found.items())

    def all(self, place: Place) -> list[Record]:
        return list(self.log.read({place: 0}, self.log.end(place)))


def _leaping(records: Any, start: int, place: Place, outcome: Outcome) -> list[Record]:
    """Skips what was done and takes a hole for nothing."""
    del place, outcome
    return [record for record in records if record.offset >= start]


def _unfenced(records: Any, start: int, place: Place, outcome: Outcome) -> list[Record]:
    del start, place, outcome
    return list(records)


def run(seed: int, plants: frozenset[str] = frozenset()) -> World:
    """Run one world. AssertionError names the checker."""
    world = World(seed, plants)
    world.run()
    return world
