"""A fact that goes to many keys takes longer than a silent session may live, and more memory than there is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import astuple
from datetime import date

import pytest

from spine import keyed as keyed_module
from spine import postgres, step
from spine.errors import Retry
from spine.journal import MemoryJournal, Transaction
from spine.keyed import Keyed, KeyedProcessor
from spine.migrate import migrate
from spine.postgres import PostgresJournal
from spine.record import Effect, Fact, Record
from spine.step import SetAside
from tests.spine.toy import Total, counts, keyed, toy_catalogue

CATALOGUE = toy_catalogue()
KEYS = 60
IDLE_MS, EACH_SECONDS = 400, 0.02


def processor(topic: str = "things") -> KeyedProcessor[Total]:
    quick = keyed()

    def decide(state: Total, fact: Fact) -> tuple[Total, Sequence[Effect]]:
        if fact.kind == "tick.v1":
            time.sleep(EACH_SECONDS)
        return quick.decide(state, fact)

    slow = Keyed(quick.key_of, quick.empty, decide, quick.encode, quick.decode, quick.due_on)
    return KeyedProcessor("toy", topic, "build", "settings", slow)


def framed(records: list[Record], offset: int, kind: str, body: bytes, key: str = "") -> None:
    records.append(Record("things", 0, offset, key, CATALOGUE.frame(kind, body)))


@pytest.mark.postgres
def test_a_tick_that_reaches_many_keys_is_not_taken_for_a_dead_worker(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "IDLE_IN_TRANSACTION_MS", IDLE_MS)
    monkeypatch.setattr(keyed_module, "KEYS_AT_ONCE", 5)
    migrate(fresh_database, "toy")
    journal = PostgresJournal(fresh_database, "toy")
    records: list[Record] = []
    # Every tenth number makes its key due.
    for n, out in enumerate(counts(CATALOGUE, "things", range(0, KEYS * 10, 10), keys=KEYS * 10)):
        framed(records, n, out.kind, out.body, out.key)
    step.step(records, processor(), journal, CATALOGUE, SetAside(step.Limits()))
    tick: list[Record] = []
    framed(tick, KEYS, "tick.v1", CATALOGUE.encode("tick.v1", {"event_id": "t1", "on": date(2026, 9, 2)}))
    done = step.step(tick, processor(), journal, CATALOGUE, SetAside(step.Limits()))
    assert KEYS * EACH_SECONDS * 1000 > 2 * IDLE_MS
    assert done.decided == 1 and done.effects == KEYS
    journal.close()


@pytest.mark.postgres
def test_a_silent_session_is_ended_by_the_same_setting(fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above relies on."""
    monkeypatch.setattr(postgres, "IDLE_IN_TRANSACTION_MS", IDLE_MS)
    migrate(fresh_database, "toy")
    journal = PostgresJournal(fresh_database, "toy")
    with pytest.raises(Retry), journal.transaction() as t:
        t.load(["x"])
        time.sleep(IDLE_MS / 1000 * 3)
        t.load(["x"])
    journal.close()


class Watched(KeyedProcessor[Total]):
    """The most states that it held decoded at a time."""

    most = 0

    def _load(self, keys: Sequence[str], transaction: Transaction) -> None:
        super()._load(keys, transaction)
        self.most = max(self.most, len(self._held) + len(self._before))


def fed(processor: KeyedProcessor[Total], batches: Sequence[Sequence[Record]]) -> MemoryJournal:
    journal = MemoryJournal()
    for batch in batches:
        step.step(batch, processor, journal, CATALOGUE, SetAside(step.Limits()))
    return journal


def ticks_between_facts() -> list[list[Record]]:
    """Sixty keys that are due; then in one batch facts of a few of them, a tick, more facts, and the tick after."""
    records: list[Record] = []
    for n, out in enumerate(counts(CATALOGUE, "things", range(0, KEYS * 10, 10), keys=KEYS * 10)):
        framed(records, n, out.kind, out.body, out.key)
    later: list[Record] = []
    facts = counts(CATALOGUE, "things", [KEYS * 10 * n + 10 * (n % 7) for n in range(1, 12)], keys=KEYS * 10)
    for n, out in enumerate(facts):
        if n in (4, 8):
            body = CATALOGUE.encode("tick.v1", {"event_id": f"t{n}", "on": date(2026, 9, 2 + n)})
            framed(later, KEYS + len(later), "tick.v1", body)
        framed(later, KEYS + len(later), out.kind, out.body, out.key)
    return [records, later]


def test_of_all_whom_a_tick_reaches_a_few_are_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed_module, "KEYS_AT_ONCE", 5)
    monkeypatch.setattr(keyed_module, "REMEMBERED", 4)
    first, later = ticks_between_facts()
    watched = Watched("toy", "things", "build", "settings", keyed())
    journal = fed(watched, [first])
    watched.most = 0
    step.step(later, watched, journal, CATALOGUE, SetAside(step.Limits()))
    named = len({record.key for record in later if record.key})
    assert watched.most <= named + 5 + 4 < KEYS


def test_what_is_decided_does_not_depend_on_how_many_are_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = ticks_between_facts()
    whole = fed(processor_at_once(), batches)
    monkeypatch.setattr(keyed_module, "KEYS_AT_ONCE", 5)
    parts = fed(processor_at_once(), batches)
    one_by_one = fed(processor_at_once(), [[record] for batch in batches for record in batch])
    assert max(len(row.effects) for row in whole.decisions) > 50
    assert parts.store.states == whole.store.states == one_by_one.store.states
    assert parts.decisions == whole.decisions == one_by_one.decisions
    assert parts.store.outbox == whole.store.outbox == one_by_one.store.outbox


def processor_at_once() -> KeyedProcessor[Total]:
    return KeyedProcessor("toy", "things", "build", "settings", keyed())


def test_a_state_that_breaks_in_the_middle_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been changed in place before it broke."""
    quick, reads = keyed(), list[bytes]()

    def decide(state: Total, fact: Fact) -> tuple[Total, Sequence[Effect]]:
        if fact.kind == "tick.v1" and state.key == "key-10":
            raise ZeroDivisionError
        return quick.decide(state, fact)

    def decode(body: bytes) -> Total:
        reads.append(body)
        return quick.decode(body)

    breaking = KeyedProcessor(
        "toy", "things", "b", "s", Keyed(quick.key_of, quick.empty, decide, quick.encode, decode, quick.due_on)
    )
    first, later = ticks_between_facts()
    journal = fed(breaking, [first])
    only = [Record(*([*astuple(later[4])[:2], KEYS, *astuple(later[4])[3:]]))]
    step.step(only, breaking, journal, CATALOGUE, SetAside(step.Limits()))
    assert reads == []
    again: list[Record] = []
    for n, out in enumerate(counts(CATALOGUE, "things", [KEYS * 10 + 10], keys=KEYS * 10)):
        framed(again, KEYS + 1 + n, out.kind, out.body, out.key)
    step.step(again, breaking, journal, CATALOGUE, SetAside(step.Limits()))
    assert len(reads) == 1
