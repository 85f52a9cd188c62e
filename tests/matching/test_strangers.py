"""A candidate of whom no given name fits is left aside before it is compared: the outcome is the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "benchmarks"), str(ROOT / "tests" / "matching")]

from hub_of_matching import CONTRACTS  # noqa: E402
from matching_records import HARD, population  # noqa: E402

from services.matching.agent import matcher_of  # noqa: E402
from services.matching.bulk import Bulk  # noqa: E402
from services.matching.compare import NameComparer  # noqa: E402


def test_to_leave_strangers_aside_changes_no_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = population(7, 600, HARD).rows
    quick = Bulk(matcher_of(CONTRACTS)[0])
    decided = [quick.resolve(row) for row in rows]
    monkeypatch.setattr(NameComparer, "strangers", lambda self, mine, theirs: False)
    whole = Bulk(matcher_of(CONTRACTS)[0])
    assert [whole.resolve(row) for row in rows] == decided
