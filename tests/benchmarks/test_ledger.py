"""Verifying stays within a multiple of merely reading the archive. The figure itself: ``ledger_speed``."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.ledger_speed import measure

#: CPU time of verifying a leaf, in times of reading its row: hashes of 600 bytes twice, of 65 bytes twice, a parse.
TIMES_MAX = 12


def test_verifying_costs_no_more_than_a_few_times_of_reading(tmp_path: Path) -> None:
    measured = measure(30_000, tmp_path)
    assert measured["times_bare_read"] < TIMES_MAX, measured
