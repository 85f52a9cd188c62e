"""How well and how fast matching decides, on a generated population. Only sane bounds are asserted.

Full figures, beside the bars: ``python tests/benchmarks/matching_bars.py``.
"""

from __future__ import annotations

import sys
import time
import unicodedata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests" / "matching")]

from hub_of_matching import CONTRACTS  # noqa: E402
from matching_records import MEDIUM, population  # noqa: E402

from services.matching.agent import matcher_of  # noqa: E402
from services.matching.bulk import Bulk  # noqa: E402
from services.matching.measures import answered, measure  # noqa: E402

PEOPLE = 2_500
SEED = 20261125
#: In times of merely folding the row's values (NFKD, case, words), in the same run.
P50_TIMES_MAX = 100
P99_TIMES_MAX = 400


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


@pytest.mark.long
def test_an_observation_is_decided_in_some_tens_of_times_of_folding_its_values() -> None:
    made = population(SEED + 1, PEOPLE)
    bulk = Bulk(matcher_of(CONTRACTS)[0])
    times: list[int] = []
    bare: list[int] = []
    for row in made.rows:
        begun = time.thread_time_ns()
        for value in row.values():
            unicodedata.normalize("NFKD", str(value)).casefold().split()
        folded = time.thread_time_ns()
        bulk.resolve(row)
        times.append(time.thread_time_ns() - folded)
        bare.append(folded - begun)
    later = sorted(times[len(times) // 2 :])
    p50, p99 = later[len(later) // 2], later[len(later) * 99 // 100]
    fold = sorted(bare)[len(bare) // 2]
    print(f"\nper observation at {PEOPLE} people: p50 {p50 / fold:.0f}, p99 {p99 / fold:.0f} times of {fold} ns")
    assert p50 <= P50_TIMES_MAX * fold
    assert p99 <= P99_TIMES_MAX * fold
