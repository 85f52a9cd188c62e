"""The checks of the scale-out benchmark see what they are for. The run itself is no test."""

from __future__ import annotations

from dataclasses import replace

from spine.journal import DecisionRow, MemoryJournal
from spine.log import MemoryLog
from spine.publisher import publish
from spine.step import Limits, SetAside, step
from tests.benchmarks.scale_out import digest, in_order, once
from tests.spine.toy import counts, toy_catalogue, toy_processor


def a_run() -> tuple[list[DecisionRow], list[tuple[str, str]]]:
    """Decisions, and what was published of them: (key, event id)."""
    catalogue, journal = toy_catalogue(), MemoryJournal()
    log = MemoryLog({"things": 1, "effects": 1, "quarantine": 1}, catalogue.frame)
    log.append(counts(catalogue, "things", [*range(12), 3], keys=3))
    step(log.read({("things", 0): 0}, 99), toy_processor(), journal, catalogue, SetAside(Limits()))
    publish(journal, log)
    out = log.read({("effects", 0): 0}, 99)
    return list(journal.decisions), [(one.key, catalogue.fact(one).event_id) for one in out]


def test_each_record_is_decided_once_and_what_is_not_so_is_seen() -> None:
    rows, _ = a_run()
    assert once(rows, 13) and not once(rows[:-1], 13) and not once(rows[1:], 12)
    again = replace(rows[4], offset=13)
    assert not once([*rows, again], 14)


def test_what_is_published_stands_in_the_order_of_its_decisions_and_what_does_not_is_seen() -> None:
    rows, out = a_run()
    assert in_order(rows, out)
    assert in_order(rows, [*out, out[0]]), "a repetition is none"
    assert in_order(rows, [out[1], out[0], *out[2:]]), "another key's"
    assert not in_order(rows, [out[3], *out[1:3], out[0], *out[4:]])
    assert not in_order(rows, out[:-1]) and not in_order(rows[:-3], out)


def test_decisions_that_differ_in_anything_have_another_digest() -> None:
    rows, _ = a_run()
    assert digest(rows) == digest(rows[::-1]) != digest([*rows[:-1], replace(rows[-1], link=b"x")])
