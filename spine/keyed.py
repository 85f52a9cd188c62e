"""The usual processor: one state per key, a pure ``decide``, ticks fanned out to the keys that are due.

A service hands over a ``Keyed`` (its pure functions); ``KeyedProcessor`` loads the states of a batch at once, keeps
them decoded while the batch runs, and gives the changed ones back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Generic, TypeVar

from spine.errors import SpineError
from spine.journal import Transaction
from spine.log import Place
from spine.record import Changes, Decided, Effect, Fact
from spine.step import TICK

S = TypeVar("S")

#: States loaded and decided before the journal hears of the batch again, for facts that go to many keys.
KEYS_AT_ONCE = 500
#: States that stay decoded from one batch to the next, so that whoever is spoken of again soon is not read again; and
#: how long their bodies may be together. A state that is decoded takes about four times as much as its body.
REMEMBERED, REMEMBERED_BYTES = 1_000, 8 * 2**20
TICK_FAILURES_MAX, TICK_FAILURES_PERCENT_MAX = 5, 5


@dataclass(frozen=True, slots=True)
class Keyed(Generic[S]):
    """The pure side of a service.

    ``key_of``: state key of a fact (not called for ticks). ``empty``: state of an unknown key.
    ``decide(state, fact)``: new state and effects; must not change ``state`` in place unless it returns that object.
    ``encode`` / ``decode``: state to bytes and back, deterministic. ``due_on``: first date on which a tick matters.
    A state for which ``gone`` is true is deleted.
    """

    key_of: Callable[[Fact], str]
    empty: Callable[[str], S]
    decide: Callable[[S, Fact], tuple[S, Sequence[Effect]]]
    encode: Callable[[S], bytes]
    decode: Callable[[bytes], S]
    due_on: Callable[[S], date | None]
    gone: Callable[[S], bool] = lambda state: False


@dataclass(slots=True)
class _Held(Generic[S]):
    """One state of the batch, decoded, with the body that it encodes to now."""

    state: S
    body: bytes
    digest: bytes
    changed: bool = False


@dataclass(slots=True)
class KeyedProcessor(Generic[S]):
    """A ``spine.step.Processor`` around a ``Keyed``."""

    service: str
    topic: str
    build: str
    settings: str
    keyed: Keyed[S]
    _held: dict[str, _Held[S]] = field(default_factory=dict)
    #: Keys that facts of the batch name: their states stay held until its end.
    _named: frozenset[str] = frozenset()
    #: Of the batches before, by key, the one longest ago first. It counts only where the journal holds the same bytes:
    #: another owner may have written since, or a transaction may not have committed.
    _before: dict[str, _Held[S]] = field(default_factory=dict)
    _place: Place = ("", 0)
    _transaction: Transaction | None = None

    def begin(self, place: Place, facts: Sequence[Fact], transaction: Transaction) -> None:
        self._remember(self._held)
        self._held, self._place, self._transaction = {}, place, transaction
        self._named = frozenset(self.keyed.key_of(fact) for fact in facts if fact.kind != TICK)
        self._load(sorted(self._named), transaction)

    def apply(self, fact: Fact) -> Decided:
        if fact.kind == TICK:
            return self._tick(fact)
        return self._decide(self.keyed.key_of(fact), fact)

    def changes(self) -> Changes:
        return self._changes(self._held)

    def discard(self) -> None:
        self._held, self._transaction = {}, None

    def _changes(self, among: Mapping[str, _Held[S]]) -> Changes:
        changes = Changes()
        for key, held in among.items():
            if not held.changed:
                continue
            if not held.body:
                changes.deleted.add(key)
            else:
                changes.states[key] = (held.body, self.keyed.due_on(held.state))
        return changes

    def _remember(self, held: Mapping[str, _Held[S]]) -> None:
        before = self._before
        before |= {key: _Held(one.state, one.body, one.digest) for key, one in held.items() if one.body}
        size = sum(len(one.body) for one in before.values())
        for key in list(before):
            if len(before) <= REMEMBERED and size <= REMEMBERED_BYTES:
                return
            size -= len(before.pop(key).body)

    def _put_down(self, keys: Sequence[str]) -> None:
        """Write these states, and hold none that no fact of the batch names: a tick may reach everybody, and all of a
        partition's states, decoded, are half a gigabyte."""
        assert self._transaction is not None
        done = {key: self._held.pop(key) for key in keys if key in self._held and key not in self._named}
        self._transaction.save(self._place, self._changes(done))
        self._remember(done)

    def _load(self, keys: Sequence[str], transaction: Transaction) -> None:
        missing = [key for key in keys if key not in self._held]
        bodies = transaction.load(missing)
        for key in missing:
            # Taken out: a decision may change the state in place, and its transaction may not commit.
            body, known = bodies.get(key), self._before.pop(key, None)
            if body is None:
                self._held[key] = _Held(self.keyed.empty(key), b"", b"")
            elif known is not None and known.body == body:
                self._held[key] = _Held(known.state, body, known.digest)
            else:
                self._held[key] = _Held(self.keyed.decode(body), body, hashlib.sha256(body).digest())

    def _decide(self, key: str, fact: Fact) -> Decided:
        held = self._held[key]
        before = held.digest
        held.state, effects = self.keyed.decide(held.state, fact)
        # Copied: the bytes that orjson gives keep the room that they were written in, four kilobytes for fifty bytes.
        held.body = bytes(memoryview(self.keyed.encode(held.state)))
        held.changed = True
        if self.keyed.gone(held.state):
            # As whoever loads it next will find it, so that the record does not depend on where a batch ends.
            held.state, held.body, held.digest = self.keyed.empty(key), b"", b""
        else:
            held.digest = hashlib.sha256(held.body).digest()
        return Decided(tuple(effects), before, held.digest)

    def _tick(self, fact: Fact) -> Decided:
        """A tick reaches the keys that are due, in sorted order: those on file and those changed in this batch."""
        assert self._transaction is not None
        on: date = fact.fields["on"]
        due = set(self._transaction.due(self._place, on)) - self._held.keys()
        for key, held in self._held.items():
            due_on = self.keyed.due_on(held.state)
            if due_on is not None and due_on <= on:
                due.add(key)
        return self._each(sorted(due), fact, max(TICK_FAILURES_MAX, len(due) * TICK_FAILURES_PERCENT_MAX // 100))

    def tell(self, pick: Callable[[bytes], bool], fact: Fact) -> Decided:
        """Give a fact to every state of this place whose body ``pick`` chooses, in sorted order of key.

        It reads the whole partition: for rare facts only, such as a policy that moves.
        """
        assert self._transaction is not None
        chosen = {key for key, held in self._held.items() if held.body and pick(held.body)}
        on_file = self._transaction.load_partition(self._place)
        chosen |= {key for key, body in on_file if key not in self._held and pick(body)}
        # A tick comes again tomorrow; this does not. Whoever can't take it must not stay behind.
        return self._each(sorted(chosen), fact, failures_max=0)

    def _each(self, keys: Sequence[str], fact: Fact, failures_max: int) -> Decided:
        assert self._transaction is not None
        effects: list[Effect] = []
        reached: list[tuple[str, int]] = []
        before, after = hashlib.sha256(), hashlib.sha256()
        failed = 0
        for first in range(0, len(keys), KEYS_AT_ONCE):
            some = keys[first : first + KEYS_AT_ONCE]
            self._transaction.keep()
            self._load(some, self._transaction)
            for key in some:
                try:
                    decided = self._decide(key, fact)
                except SpineError:
                    raise
                except Exception as error:
                    # One state that breaks must not keep the date from all others; many are a bad deploy.
                    failed += 1
                    if failed > failures_max:
                        raise
                    effects.append(self._set_aside(key, fact.kind, error))
                    reached.append((key, 1))
                    if key not in self._named:
                        # Half decided it may be another than its body says.
                        del self._held[key]
                    continue
                effects += decided.effects
                reached.append((key, len(decided.effects)))
                before.update(decided.state_before)
                after.update(decided.state_after)
            self._put_down(some)
        return Decided(tuple(effects), before.digest(), after.digest(), reached=tuple(reached))

    def _set_aside(self, key: str, kind: str, error: Exception) -> Effect:
        """Offset -1: the record went to many keys, and only ``key`` could not take it."""
        topic, partition = self._place
        reason = f"{kind.partition('.')[0]}:exception:{type(error).__name__}"
        place = {"service": self.service, "topic": topic, "partition": partition, "offset": -1, "reason": reason}
        return Effect("quarantine", key, "set_aside.v1", place)
