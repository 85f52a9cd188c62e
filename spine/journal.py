"""The journal port: what has happened, in one transaction per batch. Memory here, PostgreSQL in ``spine.postgres``.

The law (tests/spine/test_journal_law.py):
* all that a transaction wrote is there after it, or nothing is; before it ends, the transaction itself reads the states
  that it saved;
* ``offsets`` locks the places it names until the transaction ends (one owner at a time);
* the outbox keeps the order in which its rows were added within one partition key;
* ``unsent`` returns rows not yet marked, lowest number first, whatever was marked before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from typing import Protocol

from spine.log import Place
from spine.record import Changes, Outgoing


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One decision, as kept. ``link`` chains the rows of one place: sha256(previous link ‖ this row)."""

    topic: str
    partition: int
    offset: int
    event_id: str
    kind: str
    input_hash: bytes
    state_before: bytes
    state_after: bytes
    effects: tuple[tuple[str, bytes], ...]
    build: str
    settings: str
    tick: date | None
    note: str
    link: bytes


@dataclass(frozen=True, slots=True)
class Position:
    """What the journal knows of a place: next offset, last chain link, last tick seen."""

    next: int
    link: bytes = b""
    tick: date | None = None


class Transaction(Protocol):
    """One batch's transaction. Leaving it normally commits; leaving it by an exception rolls all back."""

    def offsets(self, places: Sequence[Place]) -> Mapping[Place, Position]:
        """Lock and read the positions of ``places`` (sorted); a place never seen is absent."""
        ...

    def set_offsets(self, positions: Mapping[Place, Position]) -> None: ...

    def load(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """State bodies of the keys that have one."""
        ...

    def load_partition(self, place: Place, before: str | None = None) -> Iterator[tuple[str, bytes]]:
        """Every state row of a place in order of keys, or those whose keys come before ``before``, for processors that
        keep an index in memory."""
        ...

    def keep(self) -> None:
        """Say that the batch is still at work: a session that is silent for long is taken for dead and ended. Whoever
        computes for many keys calls this between parts of them."""
        ...

    def due(self, place: Place, on: date) -> Sequence[str]:
        """Keys of ``place`` whose ``due_on`` is not after ``on``, sorted."""
        ...

    def seen(self, event_ids: Sequence[str]) -> set[str]:
        """Which of these inputs were decided before (the inbox)."""
        ...

    def remember(self, event_ids: Sequence[str]) -> None: ...

    def save(self, place: Place, changes: Changes) -> None: ...

    def enqueue(self, outgoing: Sequence[Outgoing]) -> None:
        """Add to the outbox, in order; ``number`` is ignored and given by the journal."""
        ...

    def record(self, rows: Sequence[DecisionRow]) -> None: ...


class Journal(Protocol):
    """One service's journal."""

    def transaction(self) -> AbstractContextManager[Transaction]: ...

    def positions(self, topic: str) -> Mapping[Place, Position]:
        """Positions without locking, for hosts that seek on assignment."""
        ...

    def unsent(self, limit: int) -> Sequence[Outgoing]: ...

    def mark_sent(self, numbers: Iterable[int]) -> None: ...

    def publishing(self) -> AbstractContextManager[bool]:
        """Try to become the service's only publisher; False if another holds the place."""
        ...


@dataclass(slots=True)
class _Store:
    offsets: dict[Place, Position] = field(default_factory=dict)
    states: dict[str, tuple[Place, bytes, date | None]] = field(default_factory=dict)
    inbox: set[str] = field(default_factory=set)
    outbox: dict[int, Outgoing] = field(default_factory=dict)
    decisions: list[DecisionRow] = field(default_factory=list)
    next_number: int = 1


class MemoryJournal:
    """A journal in one process: a transaction collects and applies at its end."""

    def __init__(self) -> None:
        self.store = _Store()
        self._lock = threading.RLock()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._lock:
            pending = _MemoryTransaction(self.store)
            yield pending
            pending.apply()

    def positions(self, topic: str) -> Mapping[Place, Position]:
        return {place: p for place, p in self.store.offsets.items() if place[0] == topic}

    def unsent(self, limit: int) -> Sequence[Outgoing]:
        with self._lock:
            return [self.store.outbox[n] for n in sorted(self.store.outbox)[:limit]]

    def mark_sent(self, numbers: Iterable[int]) -> None:
        with self._lock:
            for number in numbers:
                self.store.outbox.pop(number, None)

    @contextmanager
    def publishing(self) -> Iterator[bool]:
        yield True

    @property
    def decisions(self) -> Sequence[DecisionRow]:
        return self.store.decisions


class _MemoryTransaction:
    def __init__(self, store: _Store) -> None:
        self._store = store
        self._states: dict[str, tuple[Place, bytes, date | None] | None] = {}
        self._offsets: dict[Place, Position] = {}
        self._inbox: set[str] = set()
        self._outgoing: list[Outgoing] = []
        self._rows: list[DecisionRow] = []

    def offsets(self, places: Sequence[Place]) -> Mapping[Place, Position]:
        return {place: self._store.offsets[place] for place in places if place in self._store.offsets}

    def set_offsets(self, positions: Mapping[Place, Position]) -> None:
        self._offsets.update(positions)

    def load(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        found = {key: self._state(key) for key in keys}
        return {key: state[1] for key, state in found.items() if state is not None}

    def load_partition(self, place: Place, before: str | None = None) -> Iterator[tuple[str, bytes]]:
        for key in sorted(self._store.states.keys() | self._states.keys()):
            state = self._state(key)
            if state is not None and state[0] == place and (before is None or key < before):
                yield key, state[1]

    def keep(self) -> None:
        """Nobody waits for memory."""

    def due(self, place: Place, on: date) -> Sequence[str]:
        mine = ((key, state) for key, state in self._states.items() if state is not None)
        others = ((key, state) for key, state in self._store.states.items() if key not in self._states)
        return sorted(
            key
            for key, (held, _, due_on) in chain(mine, others)
            if held == place and due_on is not None and due_on <= on
        )

    def seen(self, event_ids: Sequence[str]) -> set[str]:
        return {i for i in event_ids if i in self._store.inbox}

    def remember(self, event_ids: Sequence[str]) -> None:
        self._inbox.update(event_ids)

    def save(self, place: Place, changes: Changes) -> None:
        for key, (body, due_on) in changes.states.items():
            # Copied, since it stays: bytes that come from orjson keep the room that they were written in.
            self._states[key] = (place, bytes(memoryview(body)), due_on)
        for key in changes.deleted:
            self._states[key] = None

    def enqueue(self, outgoing: Sequence[Outgoing]) -> None:
        self._outgoing += outgoing

    def record(self, rows: Sequence[DecisionRow]) -> None:
        self._rows += rows

    def _state(self, key: str) -> tuple[Place, bytes, date | None] | None:
        return self._states[key] if key in self._states else self._store.states.get(key)

    def apply(self) -> None:
        store = self._store
        store.offsets.update(self._offsets)
        store.inbox |= self._inbox
        store.decisions += self._rows
        for key, value in self._states.items():
            if value is None:
                store.states.pop(key, None)
            else:
                store.states[key] = value
        for out in self._outgoing:
            number = store.next_number
            store.outbox[number] = Outgoing(
                number, out.event_id, out.topic, out.key, out.kind, out.body, out.headers, out.partition
            )
            store.next_number += 1
