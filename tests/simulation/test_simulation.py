"""Tier S: seeded worlds with kills, failing ports and second owners; and planted faults, which must be found."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from spine.journal import MemoryJournal
from tests.simulation.world import run

SEEDS = 300
KNOWN = [
    int(line.split()[0])
    for line in (Path(__file__).parent / "seeds.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


def first_failure(plants: Iterable[str], seeds: int = 50) -> str:
    for seed in range(seeds):
        try:
            run(seed, frozenset(plants))
        except AssertionError as error:
            return str(error)
    return ""


@pytest.mark.parametrize("block", range(6))
def test_in_every_world_each_fact_is_decided_once_and_nothing_is_lost(block: int) -> None:
    kills = sum(run(seed).chance.kills for seed in range(block * SEEDS // 6, (block + 1) * SEEDS // 6))
    assert kills > 100, "the worlds are too kind"


@pytest.mark.parametrize("seed", KNOWN)
def test_a_seed_that_failed_once_holds(seed: int) -> None:
    run(seed)


def test_a_seed_gives_the_same_world_twice() -> None:
    def rows(journal: MemoryJournal) -> list[bytes]:
        return [row.link for row in journal.decisions]

    one, two = run(7), run(7)
    assert [rows(s.journal) for s in one.services] == [rows(s.journal) for s in two.services]


@pytest.mark.parametrize(
    "plants",
    [
        ("no_fence",),
        ("no_inbox",),
        ("random_ids",),
        ("marks_first",),
        ("never_forgets",),
        ("no_isolation",),
        # Pairs: with defence in depth, one layer may carry what another lost.
        ("no_fence", "no_inbox"),
        ("no_fence", "random_ids"),
        ("no_inbox", "random_ids"),
        ("never_forgets", "no_inbox"),
    ],
    ids="+".join,
)
def test_a_layer_of_defence_taken_away_is_found(plants: tuple[str, ...]) -> None:
    assert first_failure(plants)
