"""The measuring code measures what it says. The run itself is ``hub bench pipeline``, not a test."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date

import pytest

from hub.bench.gate import measure_gate
from hub.bench.load import DAYS, load, moved, paced
from hub.bench.measure import percentile, spent, spread
from hub.sample.mess import Line


def test_percentiles_are_nearest_ranks() -> None:
    values = list(range(1, 101))
    assert [percentile(values, p) for p in (50, 95, 99)] == [50, 95, 99]
    assert percentile([3.0], 99) == 3.0
    assert percentile([], 50) is None


def test_a_spread_of_nothing_says_so() -> None:
    assert spread([]) == {"count": 0, "p50": None, "p95": None, "p99": None}


def test_dates_move_and_nothing_else_does() -> None:
    event = {"id": "a-2025", "data": {"effective_on": "2025-09-30", "list": ["2024-02-28", 3, True]}}
    assert moved(event, 2) == {"id": "a-2025", "data": {"effective_on": "2025-10-02", "list": ["2024-03-01", 3, True]}}


def test_a_load_has_the_size_asked_for_and_happens_before_today() -> None:
    today = date(2026, 11, 25)
    lines = load(500, today)
    assert len(lines) == 500
    assert all(line.mistake in ("", "resent", "retold") for line in lines)
    days = [date.fromisoformat(line.event["data"]["effective_on"]) for line in lines]
    assert sum((today - day).days < DAYS for day in days) > 200


def test_a_paced_load_keeps_its_rate() -> None:
    lines = load(60, date(2026, 11, 25))
    sent: list[int] = []

    def send(batch: Sequence[Line]) -> None:
        sent.append(len(batch))

    began = time.monotonic()
    seconds = paced(lines, 100, send)
    assert sum(sent) == 60
    assert seconds == pytest.approx(time.monotonic() - began, abs=0.1)
    assert 0.45 <= seconds < 2


def test_cpu_is_what_was_spent_in_between() -> None:
    before = {"status": {"rss_mb": 50.0, "cpu_seconds": 2.0}}
    after = {"status": {"rss_mb": 60.0, "cpu_seconds": 5.5}}
    used = {"rss_mb": 60.0, "cpu_seconds": 3.5, "cpu_ms_per_event": 3.5}
    assert spent(before, after, 1000) == {"status": used}


@pytest.mark.long
def test_the_gate_is_measured_part_by_part_next_to_a_plain_decode_of_the_same_events() -> None:
    found = measure_gate(100)
    each = found["microseconds"]
    assert all(each[name] > 0 for name in ("decode", "read", "check", "projection", "seal"))
    assert each["gate"] == pytest.approx(each["check"] + each["projection"] + each["seal"], abs=0.05)
    assert found["ratio"] == pytest.approx(each["gate"] / each["decode"], abs=0.02)
    assert found["machine"]["events"] > 80, "nearly all of the county's right events pass the gate"
