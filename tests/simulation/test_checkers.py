"""Each checker catches a spine that was broken for it, and has nothing to say of the true one in the same world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from spine.journal import DecisionRow
from tests.simulation.canary_world import CanaryWorld
from tests.simulation.world import World

#: What is taken away -> the checker that must see it. Pairs, where one layer alone would carry what the other lost.
BROKEN = [
    ("no loss", ("marks_first",)),
    ("no loss", ("no_gap_check",)),
    ("no duplicates", ("no_inbox",)),
    ("no duplicates", ("no_fence", "no_inbox")),
    ("replay equality", ("random_ids",)),
    ("replay equality", ("clock_in_core",)),
    ("commutativity", ("last_wins",)),
    ("conservation", ("forgets_effects",)),
    ("conservation", ("no_gap_check", "no_isolation")),
    ("chain", ("no_chain",)),
    ("chain", ("no_chain", "no_fence")),
    ("model", ("never_forgets",)),
    ("model", ("never_forgets", "no_inbox")),
]
SEEDS = 60


def quiet(seed: int, plants: tuple[str, ...] = ()) -> World | None:
    """The world of this seed when nothing moves any more; None if it never gets quiet."""
    world = World(seed, frozenset(plants))
    try:
        world.run(check=False)
    except AssertionError:
        return None
    return world


@pytest.mark.parametrize(("checker", "plants"), BROKEN, ids=lambda one: one if isinstance(one, str) else "+".join(one))
def test_a_broken_spine_is_caught_by_the_checker_made_for_it_and_the_true_one_passes(
    checker: str, plants: tuple[str, ...]
) -> None:
    for seed in range(SEEDS):
        world = quiet(seed, plants)
        if world is not None and checker in world.failures():
            true = quiet(seed)
            assert true is not None and true.failures() == {}
            return
    raise AssertionError(f"{checker} sees nothing in {SEEDS} worlds")


@pytest.mark.parametrize("plants", [("no_agreement",), ("no_agreement", "no_mask")], ids="+".join)
def test_a_hub_that_forgets_who_may_read_what_is_caught_by_non_leak(plants: tuple[str, ...]) -> None:
    leaking, true = CanaryWorld(0, frozenset(plants)), CanaryWorld(0)
    leaking.run(check=False)
    true.run(check=False)
    assert "non-leak" in leaking.failures()
    assert true.failures() == {} and true.judged > 10


def altered(rows: list[DecisionRow], n: int) -> None:
    rows[n] = replace(rows[n], state_after=bytes(32))


def swapped(rows: list[DecisionRow], n: int) -> None:
    rows[n], rows[n + 1] = rows[n + 1], rows[n]


def cut_out(rows: list[DecisionRow], n: int) -> None:
    del rows[n]


def told_twice(rows: list[DecisionRow], n: int) -> None:
    rows.insert(n, rows[n])


@pytest.mark.parametrize("tamper", [altered, swapped, cut_out, told_twice])
def test_a_record_that_was_tampered_with_does_not_hold(tamper: Callable[[list[DecisionRow], int], None]) -> None:
    world = quiet(7)
    assert world is not None and world.failures() == {}
    rows = world.services[0].journal.store.decisions
    rows.sort(key=lambda row: (row.partition, row.offset))
    assert world.failures() == {}, "the order of partitions is nobody's"
    tamper(rows, len(rows) // 3)
    assert "chain" in world.failures()
