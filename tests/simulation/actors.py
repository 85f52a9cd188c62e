"""Ports that fail, and processors that remember: what the simulated world is made of."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson

from spine.errors import Retry
from spine.journal import MemoryJournal, Transaction
from spine.keyed import Keyed, KeyedProcessor
from spine.log import MemoryLog, Place
from spine.record import Changes, Decided, Effect, Fact, Outgoing
from spine.schema import Catalogue
from spine.step import TICK


class Killed(BaseException):
    """kill -9, in one process."""


@dataclass
class Chance:
    """The only source of choice. ``on`` names the faults of this seed; ``calm`` ends them all."""

    random: random.Random
    on: Mapping[str, float]
    calm: bool = False
    kills: int = 0

    def happens(self, fault: str) -> bool:
        return not self.calm and self.random.random() < self.on.get(fault, 0.0)

    def point(self, name: str) -> None:
        """A crash point of ``spine.faults``."""
        del name
        if self.happens("kill"):
            self.kills += 1
            raise Killed


class FailingJournal(MemoryJournal):
    """Errors before the commit (nothing written) and after it (written, but the answer was lost)."""

    def __init__(self, chance: Chance, plants: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self._chance, self._plants = chance, plants

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with super().transaction() as transaction:
            if "no_inbox" in self._plants:
                transaction.seen = lambda event_ids: set()  # type: ignore[method-assign]
            if "forgets_effects" in self._plants and self._chance.happens("kill"):
                transaction.enqueue = lambda outgoing: None  # type: ignore[method-assign]
            yield transaction
            if self._chance.happens("before_commit"):
                raise Retry("simulated: before commit")
        if self._chance.happens("after_commit"):
            raise Retry("simulated: after commit")


class FailingLog(MemoryLog):
    """Appends that fail whole, fail after a beginning, or succeed and lose the answer."""

    def __init__(self, chance: Chance, topics: Mapping[str, int], catalogue: Catalogue) -> None:
        super().__init__(topics, catalogue.frame)
        self._chance = chance

    def append(self, records: Iterable[Outgoing]) -> None:
        rows = list(records)
        if self._chance.happens("append"):
            # Per partition a beginning may stand; this log is simpler and keeps a beginning of all.
            super().append(rows[: self._chance.random.randrange(len(rows) + 1)])
            raise Retry("simulated: append")
        super().append(rows)


@dataclass
class Remembering:
    """A processor that keeps its states between batches, as one with an index in memory does.

    It must forget what did not commit, and a place where another owner worked.
    """

    inner: KeyedProcessor[list[int]]
    forgets: bool = True
    _kept: dict[Place, dict[str, bytes]] = field(default_factory=dict)

    @property
    def service(self) -> str:
        return self.inner.service

    @property
    def topic(self) -> str:
        return self.inner.topic

    @property
    def build(self) -> str:
        return self.inner.build

    @property
    def settings(self) -> str:
        return self.inner.settings

    def begin(self, place: Place, facts: Sequence[Fact], transaction: Transaction) -> None:
        if place not in self._kept:
            self._kept[place] = dict(transaction.load_partition(place))
        kept = self._kept[place]
        transaction.load = lambda keys: {k: kept[k] for k in keys if k in kept}  # type: ignore[method-assign]
        save = transaction.save

        def saved(where: Place, changes: Changes) -> None:
            # At the batch's end, and before it what a tick has put down.
            kept.update((key, body) for key, (body, _) in changes.states.items())
            save(where, changes)

        transaction.save = saved  # type: ignore[method-assign]
        self.inner.begin(place, facts, transaction)

    def apply(self, fact: Fact) -> Decided:
        return self.inner.apply(fact)

    def changes(self) -> Changes:
        return self.inner.changes()

    def discard(self) -> None:
        self.inner.discard()
        if self.forgets:
            self._kept.clear()

    def forget(self, place: Place) -> None:
        if self.forgets:
            self._kept.pop(place, None)


def summing(plants: frozenset[str] = frozenset()) -> Keyed[list[int]]:
    """The second service: it adds up what the first echoed, in whatever order. State: [echoes, sum of n]."""
    looks = itertools.count()

    def decide(state: list[int], fact: Fact) -> tuple[list[int], Sequence[Effect]]:
        if fact.kind == TICK:
            return state, []
        if "last_wins" in plants:
            return [state[0] + 1, fact.fields["n"]], []
        if "clock_in_core" in plants:
            # What a clock gives: another number at each look.
            return [state[0] + 1, state[1] + fact.fields["n"] + next(looks)], []
        return [state[0] + 1, state[1] + fact.fields["n"]], []

    return Keyed(
        key_of=lambda fact: f"sum-{fact.fields['key']}",
        empty=lambda key: [0, 0],
        decide=decide,
        encode=orjson.dumps,
        decode=orjson.loads,
        due_on=lambda state: None,
    )
