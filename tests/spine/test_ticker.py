"""The date as a fact: to every partition of every input topic, once, and never back."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from spine.journal import MemoryJournal
from spine.log import MemoryLog
from spine.record import Fact
from spine.ticker import days_due, input_topics, last_tick, tick_at, write_tick
from tests.spine.toy import ROOT, toy_catalogue

CATALOGUE = toy_catalogue()
HALF_PAST = time(0, 30)


@pytest.fixture
def topics(tmp_path: Path) -> Path:
    text = """topics:
      things: {partitions: 3, input_of: toy}
      effects: {partitions: 2}
      more: {partitions: 1, input_of: b}"""
    (tmp_path / "topics.yaml").write_text(text)
    return tmp_path / "topics.yaml"


def facts(log: MemoryLog) -> list[tuple[str, int, Fact]]:
    places = dict.fromkeys(sorted(log._records), 0)
    return [(r.topic, r.partition, CATALOGUE.fact(r)) for r in log.read(places, 999)]


def a_log() -> MemoryLog:
    return MemoryLog({"things": 3, "effects": 2, "more": 1}, CATALOGUE.frame)


def test_a_tick_goes_to_every_partition_of_every_input_topic(topics: Path) -> None:
    log = a_log()
    assert write_tick(log, topics, date(2026, 9, 1), CATALOGUE)
    assert [(t, n) for t, n, _ in facts(log)] == [("more", 0), ("things", 0), ("things", 1), ("things", 2)]
    assert {f.fields["on"] for _, _, f in facts(log)} == {date(2026, 9, 1)}
    assert len({f.event_id for _, _, f in facts(log)}) == 4


def test_the_same_day_written_twice_has_the_same_ids(topics: Path) -> None:
    one, two = a_log(), a_log()
    write_tick(one, topics, date(2026, 9, 1), CATALOGUE)
    write_tick(two, topics, date(2026, 9, 1), CATALOGUE)
    assert facts(one) == facts(two)


def test_ticks_never_go_back(topics: Path) -> None:
    log, journal = a_log(), MemoryJournal()
    assert write_tick(log, topics, date(2026, 9, 2), CATALOGUE, journal)
    assert not write_tick(log, topics, date(2026, 9, 2), CATALOGUE, journal)
    assert not write_tick(log, topics, date(2026, 9, 1), CATALOGUE, journal)
    assert len(facts(log)) == 4 and last_tick(journal) == date(2026, 9, 2)


def test_missed_days_are_ticked_in_order_and_the_first_start_ticks_only_today() -> None:
    now = datetime(2026, 9, 4, 12, tzinfo=UTC)
    assert days_due(date(2026, 9, 1), now, HALF_PAST) == [date(2026, 9, 2), date(2026, 9, 3), date(2026, 9, 4)]
    assert days_due(None, now, HALF_PAST) == [date(2026, 9, 4)]
    assert days_due(date(2026, 9, 4), now, HALF_PAST) == []
    assert days_due(date(2026, 9, 9), now, HALF_PAST) == []


def test_a_day_begins_half_an_hour_after_midnight_in_london() -> None:
    # In summer London is an hour ahead of UTC.
    assert days_due(date(2026, 7, 1), datetime(2026, 7, 1, 23, 29, tzinfo=UTC), HALF_PAST) == []
    assert days_due(date(2026, 7, 1), datetime(2026, 7, 1, 23, 30, tzinfo=UTC), HALF_PAST) == [date(2026, 7, 2)]
    assert days_due(date(2026, 12, 1), datetime(2026, 12, 2, 0, 29, tzinfo=UTC), HALF_PAST) == []


def test_the_contract_and_the_policy_of_the_hub_are_read() -> None:
    assert "submissions" in input_topics(ROOT / "contracts" / "topics.yaml")
    assert tick_at(ROOT / "contracts") == HALF_PAST
