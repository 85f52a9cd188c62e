"""A fact that goes to many keys takes longer than a silent session may live."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date

import pytest

from spine import keyed as keyed_module
from spine import postgres, step
from spine.errors import Retry
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
