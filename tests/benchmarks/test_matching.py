"""How well and how fast matching decides, on a generated population. Only sane floors are asserted.

Full figures: ``pytest tests/benchmarks/test_matching.py -s``.
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
from matching_measures import answered, measure  # noqa: E402
from matching_population import Maker  # noqa: E402

from services.matching.agent import matcher_of  # noqa: E402
from services.matching.bulk import Bulk  # noqa: E402

PEOPLE = 5_000
SEED = 20261125


@pytest.mark.slow
def test_strangers_and_twins_stay_apart_and_most_records_find_their_person() -> None:
    population = Maker(SEED, PEOPLE).population()
    bulk = Bulk(matcher_of(CONTRACTS)[0])
    resolved = [bulk.resolve(row) for row in population.rows]
    strict = measure(resolved, population.truth, population.twins)
    reviewed = measure(answered(resolved, population.truth), population.truth, population.twins)
    print(
        f"\n{len(population.rows)} records of {PEOPLE} people\n  unanswered reviews: {strict}\n  answered: {reviewed}"
    )
    assert strict.precision >= 0.998
    assert strict.false_merges_per_10000 <= 30
    assert strict.f1 >= 0.95
    assert reviewed.f1 >= 0.97
    assert strict.review_share <= 0.05


@pytest.mark.slow
def test_matching_keeps_up_with_a_peak_of_events() -> None:
    population = Maker(SEED, 2_000).population()
    rng = random.Random(SEED)
    rows = [row for row in population.rows for _ in range(rng.choice((1, 2, 3)))]
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
    population = Maker(SEED + 1, PEOPLE).population()
    bulk = Bulk(matcher_of(CONTRACTS)[0])
    times: list[int] = []
    for row in population.rows:
        begun = time.thread_time_ns()
        bulk.resolve(row)
        times.append(time.thread_time_ns() - begun)
    later = sorted(times[len(times) // 2 :])
    p50, p99 = later[len(later) // 2] / 1e6, later[len(later) * 99 // 100] / 1e6
    print(f"\nper observation at {PEOPLE} people: p50 {p50:.3f} ms, p99 {p99:.3f} ms of CPU time")
    assert p50 <= 2
    assert p99 <= 20
