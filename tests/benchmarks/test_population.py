"""The generated populations hold what they promise: the same for a seed, with every difficulty of the field in them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent)]

from matching_bars import BARS, compare  # noqa: E402
from matching_history import TEST, TUNE, half_of  # noqa: E402
from matching_names import LISTS, forms, origins  # noqa: E402
from matching_population import County  # noqa: E402
from matching_records import EASY, HARD, MEDIUM, TRUTH_COLUMNS, Population, population, told  # noqa: E402

from services.matching import identifiers  # noqa: E402
from services.matching.measures import Placed  # noqa: E402

PEOPLE = 1_500
READ = {name: getattr(identifiers, name) for name in ("nhs_number", "upn", "uln", "nino")}


@pytest.fixture(scope="module")
def hard() -> Population:
    return population(7, PEOPLE, HARD)


def test_a_seed_gives_one_population_whatever_the_order_of_sets() -> None:
    code = (
        "import sys, hashlib; sys.path[:0] = ['tests/benchmarks', '.']\n"
        "from matching_records import population; p = population(3, 200)\n"
        "print(hashlib.sha256(repr([(r, p.about[r['event_id']].truth) for r in p.rows]).encode()).hexdigest())"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert said[0] == said[1]
    assert population(3, 200).rows != population(4, 200).rows


def test_numbers_are_valid_unique_and_those_of_twins_follow_each_other() -> None:
    children = County(5, PEOPLE).children
    for name, read in READ.items():
        values = [getattr(child, name) for child in children]
        assert all(read(value) for value in values)
        assert len(set(values)) == len(values)
    twins = [child for child in children if child.twin is not None]
    assert len(twins) > 10
    for child in twins:
        assert child.twin is not None
        assert (child.born, child.household) == (child.twin.born, child.twin.household)
        assert child.given != child.twin.given
        assert abs(int(child.upn[1:]) - int(child.twin.upn[1:])) <= 3


def test_every_origin_sex_and_care_status_is_there_in_its_share() -> None:
    children = County(5, 6_000).children
    found = Counter(child.origin for child in children)
    assert sum(origin.share for origin in origins()) == pytest.approx(1)
    for origin in origins():
        # Households are drawn, not people: the share of people is near that, not equal to it.
        assert found[origin.name] / len(children) == pytest.approx(origin.share, rel=0.3)
    assert set(Counter(child.care for child in children)) == {"not in care", "in care", "in care, came alone"}
    assert 0.45 < sum(child.sex == "F" for child in children) / len(children) < 0.55


def test_hard_records_hold_each_kind_of_error(hard: Population) -> None:
    about = [(row, hard.about[row["event_id"]]) for row in hard.rows]

    def some(found: object, least: int = 3) -> None:
        assert sum(1 for _ in found) >= least  # type: ignore[attr-defined]

    some(row for row, child in about if row["source_ref"] != f"{row['source'][:3]}-{child.truth}")
    some(row for row, child in about if row["given_name"] in forms(child.given))
    some(row for row, child in about if row["family_name"] == child.given)
    some(row for row, child in about if len(child.families) > 1 and row["family_name"] == child.families[-1])
    some(row for row, _ in about if row["date_of_birth"] in ("", "1900-01-01"))
    some(row for row, child in about if child.born.day != 1 and row["date_of_birth"].endswith("-01"))
    some(row for row, _ in about if row.get("uln") == "9999999999")
    some(row for row, child in about if row.get("upn") and row["upn"] != child.upn)
    some((row for row, child in about if child.twin and row.get("upn") == child.twin.upn), 1)
    some(row for row, child in about if child.care != "not in care" and "Foyer" in row["address_line"])
    moved = {row["source_ref"]: {r["postcode"].upper() for r, _ in about if r["source_ref"] == row["source_ref"]}
             for row, child in about[:400] if len(child.homes) > 1}  # fmt: skip
    some(places for places in moved.values() if len(places) > 1)


def test_easy_medium_and_hard_differ_as_they_are_called() -> None:
    def faults(of: Population) -> float:
        wrong = sum(row["date_of_birth"] != of.about[row["event_id"]].born.isoformat() for row in of.rows)
        return wrong / len(of.rows)

    easy, medium, hard = (faults(population(11, PEOPLE, difficulty)) for difficulty in (EASY, MEDIUM, HARD))
    assert 0 < easy < medium < hard


def test_a_population_becomes_a_file_for_the_command(tmp_path: Path) -> None:
    small = population(2, 60)
    small.write(tmp_path / "truth.csv")
    lines = (tmp_path / "truth.csv").read_text("utf-8").splitlines()
    assert len(lines) == len(small.rows) + 1
    assert set(TRUTH_COLUMNS) <= set(lines[0].split(","))
    assert set(told(next(iter(small.about.values())))) == set(TRUTH_COLUMNS)


def test_the_halves_of_the_historical_records_share_no_cluster_and_are_about_equal() -> None:
    halves = Counter(half_of(f"Q{n}") for n in range(4_000))
    assert set(halves) == {TUNE, TEST}
    assert 1_800 < halves[TEST] < 2_200


def test_a_bar_that_is_missed_is_said_to_be_missed() -> None:
    good = [Placed("a", "p", "x"), Placed("a", "p", "y")]
    assert all(of.met for of in compare("all", good, [b for bars in BARS.values() for b in bars], 1.0).reached)
    bad = [Placed("a", "p", "x", twins="t"), Placed("b", "p", "y", twins="t"), Placed("a", "q", "z", "review")]
    assert not any(of.met for of in compare("none", bad, [b for bars in BARS.values() for b in bars], 1.0).reached)


def test_name_lists_hold_no_name_twice() -> None:
    for of in LISTS["origins"]:
        for kind in ("M", "F", "family"):
            names = of[kind].split()
            assert len(set(names)) == len(names)
