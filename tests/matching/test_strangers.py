"""Candidates are left aside before they are compared: of whom no given name fits, and who can't be certain where
somebody is. The outcome is the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "benchmarks"), str(ROOT / "tests" / "matching")]

from hub_of_matching import CONTRACTS  # noqa: E402
from matching_records import HARD, population  # noqa: E402

from services.matching.agent import matcher_of  # noqa: E402
from services.matching.bulk import Bulk, observation_of  # noqa: E402
from services.matching.compare import NameComparer  # noqa: E402
from services.matching.rules import Result  # noqa: E402
from services.matching.search import assess_all, certain_of, people_near  # noqa: E402


def test_to_leave_strangers_aside_changes_no_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = population(7, 600, HARD).rows
    quick = Bulk(matcher_of(CONTRACTS)[0])
    decided = [quick.resolve(row) for row in rows]
    monkeypatch.setattr(NameComparer, "strangers", lambda self, mine, theirs: False)
    whole = Bulk(matcher_of(CONTRACTS)[0])
    assert [whole.resolve(row) for row in rows] == decided


def test_nobody_of_whom_a_rule_is_certain_is_left_aside() -> None:
    bulk, rules = Bulk(matcher_of(CONTRACTS)[0]), set()
    index, matcher = bulk.ledger.index, bulk.matcher
    for number, row in enumerate(population(8, 300, HARD).rows):
        seen = observation_of(row, number)
        near = people_near(index, seen)
        certain = [a for a in assess_all(matcher, index, seen, near) if a.result is Result.AUTO]
        assert certain_of(matcher, index, seen, near) == certain
        rules |= {a.verdict.rule for a in certain}
        bulk.resolve(row)
    assert rules == {"I4", "I5"}
