"""Draining and summing up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date

import pytest

from hub.backlog import Backlog
from hub.demo.drain import PAUSE_SECONDS, PAUSE_SECONDS_MAX, NotDrained, drain, pause
from hub.demo.summary import Summary, group_on


def look(*behind: int, records: int = 10, unsent: int = 0) -> list[Backlog]:
    return [Backlog(f"s{n}", f"t{n}", records, records - b, b, unsent) for n, b in enumerate(behind)]


def looks(*given: Sequence[Backlog]) -> Iterator[Sequence[Backlog]]:
    yield from given
    while True:
        yield given[-1]


def test_one_quiet_look_is_not_enough_while_ends_still_move() -> None:
    seen = looks(look(0, 0, records=10), look(0, 0, records=11), look(0, 0, records=11))
    drain(lambda: next(seen), lambda: [], 5)
    # Two looks were taken after the first: it was quiet, and wrong.
    assert next(seen) == look(0, 0, records=11)


def test_effects_that_wait_in_an_outbox_are_waited_for() -> None:
    with pytest.raises(NotDrained, match="s0 0 to read, 3 to send"):
        drain(lambda: look(0, unsent=3), lambda: [], 0.2)


def test_who_is_far_behind_is_looked_at_less_often() -> None:
    """Half of a core went into looking while a hub of one machine was catching up."""
    waits = [pause(look(0, behind)) for behind in (0, 10, 500, 1_000, 100_000)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (PAUSE_SECONDS, PAUSE_SECONDS_MAX) and waits[0] < waits[2] < waits[-1]
    assert pause(look(0, unsent=100_000)) == PAUSE_SECONDS_MAX and pause([]) == PAUSE_SECONDS


def test_a_halted_service_ends_the_wait_at_once() -> None:
    with pytest.raises(NotDrained, match="matching"):
        drain(lambda: look(4), lambda: ["matching"], 60)


def test_who_is_behind_is_named() -> None:
    with pytest.raises(NotDrained, match="s1 4 to read"):
        drain(lambda: look(0, 4), lambda: [], 0.2)


def sane() -> Summary:
    made = Summary(submitted=12, accepted=9, without_effect=1, doubled=1)
    made.refused = Counter({"invalid": 2})
    made.alerts_raised = Counter({"A01": 3})
    return made


def test_a_sane_summary_has_no_faults() -> None:
    assert sane().faults() == []


def test_a_summary_is_one_json_document() -> None:
    read = json.loads(json.dumps(sane().as_json()))
    assert (read["accepted"], read["refused"], read["alerts_raised"]) == (9, {"invalid": 2}, {"A01": 3})


def test_a_lost_submission_no_alert_or_a_record_set_aside_is_a_fault() -> None:
    lost, silent, aside = sane(), sane(), sane()
    lost.submitted += 1
    silent.alerts_raised = Counter()
    aside.set_aside = Counter({"status: undecodable": 1})
    assert all(len(made.faults()) == 1 for made in (lost, silent, aside))


def test_the_group_of_a_day_is_that_of_the_span_which_holds_it() -> None:
    first = {"start": date(2025, 9, 1), "end": date(2025, 9, 30), "group": "EET"}
    belief = {"timeline": [first, {"start": date(2025, 10, 1), "end": None, "group": "NEET"}]}
    assert group_on(belief, date(2025, 9, 30)) == "EET"
    assert group_on(belief, date(2026, 1, 1)) == "NEET"
    assert group_on(belief, date(2025, 8, 31)) == "no status"
