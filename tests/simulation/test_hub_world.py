"""Tier S for the whole hub: life stories through seeded worlds of killed, doubled and interleaved services."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.canary_world import run as run_canaries
from tests.simulation.hub_world import run

BLOCKS, SEEDS_A_BLOCK = 2, 12
CANARY_SEEDS = 12


def known(name: str) -> list[int]:
    lines = (Path(__file__).parent / name).read_text().splitlines()
    return [int(line.split()[0]) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("block", range(BLOCKS))
def test_in_every_world_of_the_hub_nothing_is_lost_or_doubled_and_the_order_of_arrival_does_not_matter(
    block: int,
) -> None:
    worlds = [run(seed) for seed in range(block * SEEDS_A_BLOCK, (block + 1) * SEEDS_A_BLOCK)]
    assert sum(world.chance.kills for world in worlds) > 100, "the worlds are too kind"
    assert sum(world.compared for world in worlds) > SEEDS_A_BLOCK, "too few people to compare"


@pytest.mark.parametrize("seed", known("seeds_hub.txt"))
def test_a_seed_of_the_hub_that_failed_once_holds(seed: int) -> None:
    run(seed)


@pytest.mark.parametrize("seed", known("seeds_canaries.txt"))
def test_a_seed_of_canaries_that_failed_once_holds(seed: int) -> None:
    run_canaries(seed)


def test_whatever_is_killed_or_doubled_nobody_reads_what_no_agreement_lets_them_read() -> None:
    worlds = [run_canaries(seed) for seed in range(1, 1 + CANARY_SEEDS)]
    assert sum(world.chance.kills for world in worlds) > 50, "the worlds are too kind"
    assert sum(world.judged for world in worlds) > 20 * CANARY_SEEDS, "too little was read by anybody"


def test_a_seed_gives_the_same_world_of_the_hub_twice() -> None:
    one, two = run(7), run(7)
    links = [[[row.link for row in service.journal.decisions] for service in w.services] for w in (one, two)]
    assert links[0] == links[1]


@pytest.mark.parametrize(
    "plants",
    [("no_fence",), ("random_ids",), ("marks_first",), ("no_fence", "no_inbox"), ("no_inbox", "random_ids")],
    ids="+".join,
)
def test_a_layer_of_defence_taken_from_the_hub_is_found(plants: tuple[str, ...]) -> None:
    for seed in range(40):
        try:
            run(seed, frozenset(plants))
        except AssertionError:
            return
    raise AssertionError("no checker sees it")
