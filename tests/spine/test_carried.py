"""What travels beside a fact: from the door to the end, without any decision knowing of it."""

from __future__ import annotations

from dataclasses import replace

from spine.carried import RECEIVED, TRACE, Carried, accompany, carried, onward, span_id, trace_of, traced
from spine.journal import MemoryJournal
from spine.record import Fact
from spine.step import Limits, SetAside, step
from tests.spine.test_step import CATALOGUE, a_log, records
from tests.spine.toy import toy_processor

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BESIDE = Carried(1_763_975_700_123, TRACEPARENT)


def decided_with(headers: tuple[tuple[str, bytes], ...], **more: object) -> MemoryJournal:
    journal = MemoryJournal()
    batch = [replace(record, headers=headers) for record in records(a_log(range(5)))]
    step(batch, toy_processor(), journal, CATALOGUE, SetAside(Limits()), **more)  # type: ignore[arg-type]
    return journal


def test_every_effect_carries_what_came_with_its_cause_and_no_other_header() -> None:
    journal = decided_with((*BESIDE.headers, ("ce_id", b"x"), ("tracestate", b"vendor=a person's name")))
    assert {out.headers for out in journal.unsent(99)} == {BESIDE.headers}


def test_no_decision_and_no_digest_knows_what_travels_beside() -> None:
    without, beside = decided_with(()), decided_with(BESIDE.headers, carry=traced)
    assert without.decisions == beside.decisions and without.store.states == beside.store.states
    assert [(o.event_id, o.body) for o in without.unsent(99)] == [(o.event_id, o.body) for o in beside.unsent(99)]


def test_where_spans_are_exported_effects_hang_under_the_decision_s_span_whoever_makes_it_again() -> None:
    first, again = (decided_with(BESIDE.headers, carry=traced) for _ in range(2))
    assert [o.headers for o in first.unsent(99)] == [o.headers for o in again.unsent(99)]
    spans = [trace_of(carried(out.headers).trace) for out in first.unsent(99)]
    assert {span.trace_id for span in spans if span} == {0x0AF7651916CD43DD8448EB211C80319C}
    assert [span.span_id for span in spans if span] == [span_id("toy", f"count-{n}") for n in range(5)]
    assert all(carried(out.headers).received_ms == BESIDE.received_ms for out in first.unsent(99))


def test_what_does_not_read_is_not_there() -> None:
    for value in (b"", b"-5", b"1e9", b"\xff", b"9" * 40):
        assert carried(((RECEIVED, value),)).received_ms is None
    for text in ("", "00-0-0-01", TRACEPARENT.upper(), TRACEPARENT + "-x", f"00-{'0' * 32}-b7ad6b7169203331-01"):
        assert carried(((TRACE, text.encode()),)).trace == ""
    assert onward((("ce_id", b"x"),), "toy", "e") == traced((), "toy", "e") == ()


def test_a_processor_that_asks_hears_what_came_with_the_first_of_two_equal_facts() -> None:
    class Asks:
        def accompany(self, beside: dict[str, Carried]) -> None:
            self.beside = beside

    asks, fact = Asks(), Fact("count.v1", "count-1", {})
    accompany(asks, [(fact, BESIDE.headers), (fact, ()), (object(), BESIDE.headers)])
    assert asks.beside == {"count-1": BESIDE}
    accompany(object(), [(fact, ())])
