"""How well and how fast matching decides, on a generated population. Only sane floors are asserted.

Full figures, beside the bars: ``python tests/benchmarks/matching_bars.py``.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests" / "matching")]

from hub_of_matching import CATALOGUE, CONTRACTS, Matching  # noqa: E402
from matching_records import MEDIUM, population  # noqa: E402

from services.matching.agent import matcher_of  # noqa: E402
from services.matching.bulk import Bulk  # noqa: E402
from services.matching.measures import answered, measure  # noqa: E402

PEOPLE = 5_000
SEED = 20261125


@pytest.mark.slow
def test_strangers_and_twins_stay_apart_and_most_records_find_their_person() -> None:
    made = population(SEED, PEOPLE, MEDIUM)
    bulk = Bulk(matcher_of(CONTRACTS)[0])
    placed = made.placed([bulk.resolve(row) for row in made.rows])
    strict, reviewed = measure(placed), measure(answered(placed))
    print(
        f"\n{strict.records} records of {strict.people} people: F1 {strict.pairs.f1:.4f}, reviews answered "
        f"{reviewed.pairs.f1:.4f}; {strict.false_merges_per_10000:.1f} false merges per 10,000; "
        f"twins {strict.twins.merged} of {strict.twins.pairs}; review {strict.review_share:.2%}"
    )
    assert strict.pairs.precision >= 0.998
    assert strict.false_merges_per_10000 <= 30
    assert strict.pairs.f1 >= 0.95
    assert reviewed.pairs.f1 >= 0.97
    assert strict.review_share <= 0.05


@pytest.mark.slow
def test_matching_keeps_up_with_a_peak_of_events() -> None:
    rng = random.Random(SEED)
    rows = [row for row in population(SEED, 1_500).rows for _ in range(rng.choice((1, 2)))]
    hub = Matching()
    for number, row in enumerate(rows):
        subject = {k: v or None for k, v in row.items() if k not in ("event_id", "source")}
        hub.append(f"{row['event_id']}-{number}", row["source"], subject)
    begun = time.process_time()
    hub.run()
    took = time.process_time() - begun
    rate = len(rows) / took
    print(f"\n{len(rows)} observations, {rate:.0f}/s of CPU time, journal and log in memory included")
    assert CATALOGUE is not None
    assert rate >= 500


@pytest.mark.slow
def test_one_observation_is_decided_within_milliseconds() -> None:
    made = population(SEED + 1, PEOPLE)
    bulk = Bulk(matcher_of(CONTRACTS)[0])
    times: list[int] = []
    for row in made.rows:
        begun = time.thread_time_ns()
        bulk.resolve(row)
        times.append(time.thread_time_ns() - begun)
    later = sorted(times[len(times) // 2 :])
    p50, p99 = later[len(later) // 2] / 1e6, later[len(later) * 99 // 100] / 1e6
    print(f"\nper observation at {PEOPLE} people: p50 {p50:.3f} ms, p99 {p99:.3f} ms of CPU time")
    assert p50 <= 2
    assert p99 <= 20
