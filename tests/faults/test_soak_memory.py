"""What the soak calls growth: not warming, and not what the data itself takes; all else."""

from __future__ import annotations

import pytest

from tests.soak import verdict
from tests.soak_memory import GROWTH_MB_MAX, STRETCHES_MIN, Memory


def lived(*sizes: float, name: str = "status", pid: int = 1, memory: Memory | None = None) -> Memory:
    memory = memory or Memory()
    for size in sizes:
        memory.rest({pid: (name, size)})
    return memory


def test_a_process_whose_caches_fill_in_its_first_stretch_does_not_grow() -> None:
    memory = lived(120, 300, 301, 300, 302)
    assert memory.grown() == {"status": 2}
    assert memory.too_large() == []


def test_a_process_that_keeps_a_little_of_every_stretch_grows() -> None:
    memory = lived(*(200 + 21 * n for n in range(6)))
    assert memory.grown()["status"] == 84 > GROWTH_MB_MAX
    assert memory.too_large() == ["status"]


def test_a_process_that_was_killed_and_warms_again_does_not_grow() -> None:
    memory = lived(120, 300, 301)
    lived(110, 299, 300, pid=2, memory=memory)
    assert memory.grown() == {"status": 1}


def test_of_several_lives_the_one_that_grew_most_counts() -> None:
    memory = lived(100, 200, 290, 291)
    lived(100, 200, 201, 202, pid=2, memory=memory)
    assert (memory.grown(), memory.too_large()) == ({"status": 91}, ["status"])


@pytest.mark.parametrize(("anew", "too_large"), [(700, []), (400, ["matching"])])
def test_who_keeps_the_data_is_held_against_one_started_on_the_same_data(anew: float, too_large: list[str]) -> None:
    memory = lived(100, 300, 400, 500, 600, 720, name="matching")
    memory.started_anew({2: ("matching", anew), 1: ("status", 150.0)})
    assert memory.beyond_anew() == {"matching": 720 - anew}
    assert memory.too_large() == too_large


def test_lives_that_are_too_short_are_named_and_not_taken_for_no_growth() -> None:
    memory = lived(*range(100, 100 + STRETCHES_MIN + 2))
    lived(100, 101, 102, name="alerts", pid=2, memory=memory)
    lived(100, 100, 100, 100, 100, name="matching", pid=3, memory=memory)
    assert memory.not_measured() == ["alerts", "matching"], "matching: nothing to hold it against"
    memory.started_anew({4: ("matching", 99.0)})
    assert memory.not_measured() == ["alerts"]


def test_a_peak_between_two_rests_is_told() -> None:
    memory = lived(100, 200)
    memory.look({1: ("status", 950.04)})
    lived(200, memory=memory)
    assert (memory.peaks, memory.grown()) == ({"status": 950.0}, {"status": 0})


def test_a_soak_that_could_not_see_growth_does_not_end_as_one_that_saw_none() -> None:
    assert verdict([], []) == (0, "all holds")
    code, said = verdict([], ["alerts"])
    assert code == 3 and "not measured of: alerts" in said
    assert verdict(["lost"], ["alerts"]) == (1, "does not hold: lost")
