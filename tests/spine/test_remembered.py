"""A state that stays decoded from one batch to the next says what the journal says: never more, and never longer."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable

import pytest

from spine import keyed as keyed_module
from spine.journal import MemoryJournal
from spine.keyed import KeyedProcessor
from spine.record import Record
from spine.step import Limits, SetAside, step
from tests.spine.toy import Total, counts, keyed, toy_catalogue, toy_processor

CATALOGUE = toy_catalogue()


def records(numbers: Iterable[int], keys: int = 3) -> list[Record]:
    """Each number at its own offset."""
    return [
        Record("things", 0, n, out.key, CATALOGUE.frame(out.kind, out.body))
        for n, out in zip(numbers, counts(CATALOGUE, "things", numbers, keys), strict=True)
    ]


def decide(processor: KeyedProcessor[Total], journal: MemoryJournal, numbers: Iterable[int], keys: int = 3) -> None:
    step(records(numbers, keys), processor, journal, CATALOGUE, SetAside(Limits()))


def states(journal: MemoryJournal) -> dict[str, bytes]:
    return {key: body for key, (_, body, _) in journal.store.states.items()}


def reading(poison: int | None = None) -> tuple[KeyedProcessor[Total], list[bytes]]:
    """A processor, and the bodies that it decodes."""
    read: list[bytes] = []
    made = toy_processor()
    quick = keyed(poison=poison)

    def decode(body: bytes) -> Total:
        read.append(body)
        return quick.decode(body)

    made.keyed = type(quick)(quick.key_of, quick.empty, quick.decide, quick.encode, decode, quick.due_on)
    return made, read


def test_what_was_decided_in_the_batch_before_is_not_read_again() -> None:
    processor, read = reading()
    journal = MemoryJournal()
    decide(processor, journal, range(6))
    decide(processor, journal, range(6, 12))
    assert read == []
    alone = MemoryJournal()
    decide(toy_processor(), alone, range(12))
    assert states(journal) == states(alone) and [r.state_after for r in journal.decisions] == [
        r.state_after for r in alone.decisions
    ]


def test_what_another_owner_has_written_since_is_read() -> None:
    processor, read = reading()
    journal, alone = MemoryJournal(), MemoryJournal()
    decide(processor, journal, range(3))
    decide(toy_processor(), journal, range(3, 5))
    decide(processor, journal, range(5, 9))
    decide(toy_processor(), alone, range(9))
    assert len(read) == 2, "of two of three keys another owner has written"
    assert states(journal) == states(alone)


def test_a_batch_that_did_not_commit_leaves_nothing_behind() -> None:
    processor, _ = reading(poison=13)
    journal, alone = MemoryJournal(), MemoryJournal()
    decide(processor, journal, range(12))
    with pytest.raises(ZeroDivisionError):
        decide(processor, journal, range(12, 15))
    processor.keyed = keyed()
    decide(processor, journal, range(12, 18))
    decide(toy_processor(), alone, range(18))
    assert states(journal) == states(alone)


def test_no_more_are_remembered_than_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed_module, "REMEMBERED", 4)
    processor, read = reading()
    journal = MemoryJournal()
    for first in range(0, 40, 10):
        decide(processor, journal, range(first, first + 10), keys=10)
        assert len(processor._before) <= 4
    assert len(read) == 3 * 6


def test_long_states_are_remembered_by_their_length(monkeypatch: pytest.MonkeyPatch) -> None:
    processor, _ = reading()
    journal = MemoryJournal()
    decide(processor, journal, range(10), keys=10)
    one = len(next(iter(states(journal).values())))
    monkeypatch.setattr(keyed_module, "REMEMBERED_BYTES", 4 * one)
    decide(processor, journal, range(10, 20), keys=10)
    decide(processor, journal, [20], keys=10)
    assert 0 < sum(len(held.body) for held in processor._before.values()) <= 4 * one


def test_a_body_that_stays_takes_about_as_much_as_it_is_long() -> None:
    """Bytes from orjson keep the room that they were written in: four kilobytes for forty bytes."""
    keys, processor, journal = 1_000, toy_processor(), MemoryJournal()
    tracemalloc.start()
    try:
        decide(processor, journal, range(keys), keys=keys)
        decide(processor, journal, [keys], keys=keys)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(processor._before) == keys - 1 and len(states(journal)) == keys
    assert taken < 3_000 * keys, "all that a key leaves behind, in the journal too"
