"""The step: the fence, the inbox, the outbox and records set aside, on the memory journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine.errors import Halt, Poison, Retry
from spine.journal import MemoryJournal
from spine.keyed import KeyedProcessor
from spine.log import MemoryLog
from spine.publisher import publish
from spine.record import Decided, Effect, Fact, Outgoing, Record, effect_id
from spine.step import Limits, Outcome, SetAside, encode_effects, step
from tests.spine.toy import Total, counts, keyed, toy_catalogue, toy_processor

CATALOGUE = toy_catalogue()
PLACE = ("things", 0)


def a_log(numbers: Sequence[int], partitions: int = 1) -> MemoryLog:
    log = MemoryLog({"things": partitions, "effects": 1, "quarantine": 1}, CATALOGUE.frame)
    log.append(counts(CATALOGUE, "things", numbers))
    return log


def records(log: MemoryLog) -> list[Record]:
    return list(log.read({(t, n): 0 for t, n in log._records if t == "things"}, 10_000))


def work(batch: Sequence[Record], journal: MemoryJournal, **more: object) -> Outcome:
    processor = more.pop("processor", None) or toy_processor()
    aside = more.pop("aside", None) or SetAside(Limits())
    return step(batch, processor, journal, CATALOGUE, aside, **more)  # type: ignore[arg-type]


@given(st.lists(st.integers(1, 9), min_size=1), st.lists(st.integers(0, 59), max_size=40))
def test_however_batches_are_cut_and_repeated_the_outcome_is_the_same(cuts: list[int], repeats: list[int]) -> None:
    all_records = records(a_log(range(60)))
    whole, cut = MemoryJournal(), MemoryJournal()
    work(all_records, whole)
    at = 0
    for size in [*cuts, 60]:
        work(all_records[at : at + size], cut)
        at += size
        if repeats:
            back = repeats.pop()
            work(all_records[back : back + 5], cut)
    assert cut.decisions == whole.decisions
    assert cut.store.states == whole.store.states
    assert [o.event_id for o in cut.unsent(999)] == [o.event_id for o in whole.unsent(999)]


def test_a_record_behind_a_hole_waits() -> None:
    journal, all_records = MemoryJournal(), records(a_log(range(6)))
    outcome = work([all_records[0], all_records[1], all_records[3]], journal)
    assert outcome.gaps == {PLACE: 2} and outcome.positions == {PLACE: 2} and outcome.decided == 2
    outcome = work(all_records[4:], journal)
    assert outcome.gaps == {PLACE: 2} and outcome.decided == 0
    assert work(all_records, journal).skipped == 2
    assert len(journal.decisions) == 6


def test_the_same_id_again_is_no_news() -> None:
    log = a_log(range(3))
    log.append(counts(CATALOGUE, "things", range(3)))
    journal = MemoryJournal()
    outcome = work(records(log), journal)
    assert (outcome.decided, outcome.repeated, outcome.effects) == (3, 3, 3)
    assert [row.note for row in journal.decisions] == [""] * 3 + ["repeated"] * 3


def test_effects_carry_ids_that_follow_from_service_input_and_place_in_the_list() -> None:
    journal = MemoryJournal()
    work(records(a_log([5])), journal)
    assert [out.event_id for out in journal.unsent(9)] == [effect_id("toy", "count-5", 0)]
    assert effect_id("toy", "count-5", 0) != effect_id("toy", "count-5", 1)


def test_the_publisher_repeats_ids_rather_than_losing_rows() -> None:
    log, journal = a_log(range(10)), MemoryJournal()
    work(records(log), journal)

    class Interrupted(MemoryJournal):
        def mark_sent(self, numbers: object) -> None:
            raise Retry("away")

    broken = Interrupted()
    broken.store = journal.store
    with pytest.raises(Retry):
        publish(broken, log, 4)
    while publish(journal, log, 4):
        pass
    ids = [CATALOGUE.fact(r).event_id for r in log.read({("effects", 0): 0}, 99)]
    assert len(ids) == 14 and list(dict.fromkeys(ids)) == [effect_id("toy", f"count-{n}", 0) for n in range(10)]


@pytest.mark.parametrize(
    "value", [b"", b"\x00", b"\x00\x00\x00\x00\x63body", b"plain", b"\x00\x00\x00\x00\x01\xff\xff"]
)
def test_bytes_that_are_no_fact_are_set_aside_and_the_partition_moves_on(value: bytes) -> None:
    journal, good = MemoryJournal(), records(a_log(range(2)))
    batch = [good[0], Record("things", 0, 1, "k", value), Record("things", 0, 2, "k", good[1].value)]
    outcome = work(batch, journal)
    assert (outcome.decided, outcome.set_aside, outcome.positions) == (2, 1, {PLACE: 3})
    (aside,) = [o for o in journal.unsent(9) if o.topic == "quarantine"]
    fields = CATALOGUE.decode("set_aside.v1", aside.body)
    assert (fields["service"], fields["offset"]) == ("toy", 1) and "body" not in fields["reason"]


@given(st.binary(max_size=40))
def test_no_bytes_stop_a_partition(value: bytes) -> None:
    outcome = work([Record("things", 0, 0, "k", value)], MemoryJournal())
    assert outcome.positions == {PLACE: 1}


def test_a_decide_that_raises_fails_the_batch_then_only_its_record() -> None:
    journal, all_records = MemoryJournal(), records(a_log(range(5)))
    processor = toy_processor(poison=2)
    with pytest.raises(ZeroDivisionError):
        work(all_records, journal, processor=processor)
    assert journal.decisions == [] and journal.positions("things") == {}
    for record in all_records:
        work([record], journal, processor=processor, isolate=True)
    notes = [row.note for row in journal.decisions]
    assert notes == ["", "", "poison:exception:ZeroDivisionError", "", ""]


def test_a_record_that_was_set_aside_can_be_sent_again_after_the_fix() -> None:
    log = a_log(range(3))
    log.append(counts(CATALOGUE, "things", [2]))
    journal, all_records = MemoryJournal(), records(log)
    for record in all_records[:3]:
        work([record], journal, processor=toy_processor(poison=2), isolate=True)
    assert work(all_records[3:], journal).decided == 1


def test_state_that_can_not_be_read_sets_the_record_aside_not_the_partition() -> None:
    journal = MemoryJournal()
    journal.store.states["key-0"] = (PLACE, b"broken", None)
    (record,) = records(a_log([0]))
    outcome = work([record], journal, isolate=True)
    assert outcome.set_aside == 1 and journal.store.states["key-0"][1] == b"broken"


def test_too_many_records_set_aside_in_a_row_halt_the_service() -> None:
    journal, aside = MemoryJournal(), SetAside(Limits(set_aside_in_a_row_max=5))
    bad = [Record("things", 0, n, "k", b"junk") for n in range(10)]
    assert work(bad[:4], journal, aside=aside).set_aside == 4
    with pytest.raises(Halt, match="fix the cause"):
        work(bad[4:], journal, aside=aside)
    assert len(journal.decisions) == 4


def test_too_large_a_share_set_aside_halts_the_service() -> None:
    aside = SetAside(Limits(set_aside_window_records=100, set_aside_percent_max=5))
    with pytest.raises(Halt, match="of the last"):
        for n in range(400):
            aside.bad() if n % 10 == 0 else aside.good()


def test_a_transaction_that_fails_counts_nothing_as_set_aside() -> None:
    class Broken(MemoryJournal):
        def transaction(self):  # type: ignore[no-untyped-def]
            raise Retry("away")

    aside = SetAside(Limits())
    with pytest.raises(Retry):
        work([Record("things", 0, 0, "k", b"junk")], Broken(), aside=aside)
    assert (aside.in_a_row, aside.seen) == (0, 0)


def tick(on: date, partition: int = 0) -> Outgoing:
    effect = Effect("things", "", "tick.v1", {"on": on})
    (out,) = encode_effects("ticker", f"tick-{partition}-{on}", [effect], CATALOGUE)
    return Outgoing(0, out.event_id, "things", "", out.kind, out.body, (), partition)


def test_a_tick_reaches_the_keys_that_are_due_on_file_and_in_the_batch() -> None:
    log = a_log([10, 1])
    first = len(records(log))
    journal = MemoryJournal()
    work(records(log), journal)
    log.append([*counts(CATALOGUE, "things", [20]), tick(date(2026, 8, 31)), tick(date(2026, 9, 1))])
    log.append([tick(date(2026, 9, 2))])
    work(records(log)[first:], journal)
    echoes = [len(row.effects) for row in journal.decisions if row.kind == "tick.v1"]
    assert echoes == [0, 2, 0]
    assert [row.tick for row in journal.decisions][-1] == date(2026, 9, 2)


def breaking(broken: set[str]) -> KeyedProcessor[Total]:
    """The toy, but a tick on these keys raises."""

    def decide(state: Total, fact: Fact) -> tuple[Total, Sequence[Effect]]:
        if fact.kind == "tick.v1" and state.key in broken:
            raise ZeroDivisionError
        return keyed().decide(state, fact)

    processor = toy_processor()
    processor.keyed = replace(keyed(), decide=decide)
    return processor


def test_one_state_that_breaks_on_a_tick_does_not_keep_the_date_from_the_others() -> None:
    log = a_log(range(0, 200, 10))
    log.append([tick(date(2026, 9, 1))])
    journal = MemoryJournal()
    outcome = work(records(log), journal, processor=breaking({"key-3"}))
    assert outcome.positions == {PLACE: 21}
    last = list(journal.unsent(99))[20:]
    assert [(o.topic, o.key) for o in last if o.topic == "quarantine"] == [("quarantine", "key-3")]
    assert len(last) == 7


def test_many_states_that_break_on_a_tick_fail_it() -> None:
    log = a_log(range(0, 200, 10))
    log.append([tick(date(2026, 9, 1))])
    with pytest.raises(ZeroDivisionError):
        work(records(log), MemoryJournal(), processor=breaking({f"key-{n}" for n in range(7)}))


def test_a_place_where_another_owner_worked_is_forgotten() -> None:
    forgotten: list[object] = []

    class Remembers:
        service, topic, build, settings = "toy", "things", "b", "s"

        def begin(self, *given: object) -> None: ...
        def apply(self, fact: Fact) -> Decided:
            return Decided()

        def changes(self) -> object:
            return toy_processor().changes()

        def discard(self) -> None: ...
        def forget(self, place: object) -> None:
            forgotten.append(place)

    journal, all_records = MemoryJournal(), records(a_log(range(6)))
    mine = {"processor": Remembers(), "aside": SetAside(Limits())}
    work(all_records[:2], journal, **mine)
    work(all_records[2:3], journal, processor=mine["processor"], aside=mine["aside"])
    assert not forgotten
    work(all_records[3:4], journal)
    work(all_records[4:], journal, processor=mine["processor"], aside=mine["aside"])
    assert forgotten == [PLACE]


def test_poison_and_halt_leave_decide_as_what_they_are() -> None:
    log = a_log([1])
    (record,) = records(log)

    def decide(state: Total, fact: Fact) -> tuple[Total, Sequence[Effect]]:
        raise Poison(record, "no_such_thing")

    processor = toy_processor()
    processor.keyed = replace(keyed(), decide=decide)
    journal = MemoryJournal()
    assert work([record], journal, processor=processor).set_aside == 1
    assert journal.decisions[0].note == "poison:no_such_thing"
