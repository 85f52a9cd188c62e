"""Weights: whole millibits, two alternatives, rarity by what is known, thresholds that move with the population."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hub_of_matching import CONTRACTS
from hypothesis import given
from hypothesis import strategies as st

from services.matching.agent import MODEL, matcher_of
from services.matching.bulk import Bulk
from services.matching.compare import BornGrade, FamilyGrade, GivenGrade, NameGrade
from services.matching.identity import identity_of
from services.matching.model import Costs, log2_millibits, read_model
from services.matching.weigh import Comparison, Frequencies, home, presence, rarity_millibits, weigh

WEIGHTS = read_model(MODEL.read_text("utf-8"))
BORN = date(2009, 3, 14)
NAME = identity_of({"given_name": "Isla", "family_name": "Bennett"}).names[0]


def comparison(given_name: GivenGrade = GivenGrade.EXACT, **changes: object) -> Comparison:
    fields: dict[str, object] = {
        "names": NameGrade(given_name, FamilyGrade.EXACT, False),
        "name": NAME,
        "other": NAME,
        "born": BornGrade.EQUAL,
        "born_on": BORN,
        "agree": False,
        "clash": 0,
        "home": ("missing", None),
        "phone": ("missing", None),
        "email": ("missing", None),
        **changes,
    }
    return Comparison(**fields)  # type: ignore[arg-type]


def crowd(people: int, **counts: int) -> Frequencies:
    frequencies = Frequencies(people)
    values = {"given": "isla", "family": "bennett", "born": BORN, "postcode": "NS29TF", "phone": "07700900231"}
    values["address"] = "12 mill lane"
    for kind, count in counts.items():
        frequencies.add(kind, values[kind], count)
    return frequencies


@given(st.integers(1, 2**40))
def test_log2_in_millibits_is_within_a_millibit_and_a_half(number: int) -> None:
    assert abs(log2_millibits(number) - 1000 * math.log2(number)) <= 1.5


def test_the_model_is_dated_and_holds_whole_numbers_only() -> None:
    read = json.loads(MODEL.read_text("utf-8"))
    assert MODEL.name == f"{read['name']}-weights.json"
    date.fromisoformat(read["name"])
    numbers = [v for rows in read["grades"].values() for row in rows.values() for v in row.values()]
    assert all(isinstance(v, int) for v in numbers)


def test_a_rare_name_says_more_than_a_common_one() -> None:
    rare, common = (crowd(50_000, given=2_000, born=60, family=count) for count in (2, 900))
    assert rarity_millibits(WEIGHTS, rare, "family", "bennett") > rarity_millibits(WEIGHTS, common, "family", "bennett")
    assert weigh(WEIGHTS, rare, comparison()) > weigh(WEIGHTS, common, comparison())


def test_the_same_evidence_is_worth_less_in_a_larger_population() -> None:
    small = crowd(20_000, given=200, family=100, born=20)
    large = crowd(1_000_000, given=10_000, family=5_000, born=1_000)
    lost = weigh(WEIGHTS, small, comparison()) - weigh(WEIGHTS, large, comparison())
    assert 5_000 <= lost <= 6_500


def test_a_similar_given_name_at_one_address_is_a_brother_before_it_is_a_typing_error() -> None:
    home = {"home": ("address", "12 mill lane"), "phone": ("equal", "07700900231")}
    people = crowd(20_000, given=20, family=10, born=5, address=3, phone=3)
    same = weigh(WEIGHTS, people, comparison(**home))
    short = weigh(WEIGHTS, people, comparison(GivenGrade.ALIAS, **home))
    similar = weigh(WEIGHTS, people, comparison(GivenGrade.SIMILAR, **home))
    twin = weigh(WEIGHTS, people, comparison(GivenGrade.DIFFERENT, **home))
    assert same > short > similar > twin
    assert short > WEIGHTS.auto_millibits > similar
    assert twin < WEIGHTS.review_millibits


def test_an_address_says_nothing_against_a_member_of_the_household() -> None:
    people = crowd(20_000, given=20, family=10, born=5, postcode=3, address=3)
    brother = NameGrade(GivenGrade.DIFFERENT, FamilyGrade.EXACT, False)
    for place in (("missing", None), ("address", "12 mill lane"), ("postcode", "NS29TF")):
        apart = comparison(names=brother, born=BornGrade.DIFFERENT, home=place)
        assert weigh(WEIGHTS, people, apart) < -10_000


def test_a_number_is_worth_less_against_a_twin_than_against_a_stranger() -> None:
    row = WEIGHTS.grades["number", "agree"]
    assert 20_000 <= row.same - row.stranger <= 22_000
    assert 10_000 <= row.same - row.household <= 12_000


PRESENT = [(None, ["a"], "missing"), ("a", [], "missing"), ("a", ["a"], "equal"), ("b", ["a"], "different")]


@pytest.mark.parametrize(("mine", "known", "grade"), PRESENT)
def test_a_value_is_compared_with_all_that_are_known(mine: str | None, known: list[str], grade: str) -> None:
    assert presence(mine, known)[0] == grade


HOMES = [
    ("NS11AA", "1 low road", ("address", "1 low road")),
    ("NS11AA", "1 low road northvale", ("address", "1 low road")),
    (None, "1 low road", ("address", "1 low road")),
    ("NS11AA", "9 low road", ("door", "NS11AA")),
    ("NS11AA", None, ("postcode", "NS11AA")),
    ("NS11AB", None, ("district", None)),
    ("NS22BB", "9 high road", ("different", None)),
    (None, "9 high road", ("different", None)),
    (None, None, ("missing", None)),
]


@pytest.mark.parametrize(("postcode", "address", "grade"), HOMES)
def test_address_and_postcode_are_one_matter(postcode: str | None, address: str | None, grade: object) -> None:
    assert home(postcode, address, ["NS11AA"], ["1 low road"]) == grade
    assert home(postcode, address, [], []) == ("missing", None)


def test_a_name_that_several_bear_is_worth_what_they_are_and_not_the_product_of_its_words() -> None:
    """Mohammed and Khan go together: where five of 20,000 are called so, the name says 12 bits, however rare each."""
    people = crowd(20_000, given=6, family=6, born=5)
    alone = weigh(WEIGHTS, people, comparison())
    people.add("whole", "isla bennett", 6)
    assert weigh(WEIGHTS, people, comparison()) < alone - 5_000


COSTS = [(500, 2, 8963, 0), (200, 2, 7637, 0), (50, 3, 5615, -1000)]


@pytest.mark.parametrize(("false_link", "missed_link", "auto", "review"), COSTS)
def test_thresholds_follow_from_what_errors_cost(false_link: int, missed_link: int, auto: int, review: int) -> None:
    costs = Costs(false_link, missed_link)
    assert (costs.auto_millibits, costs.review_millibits) == (auto, review)


def test_a_model_whose_errors_cost_nothing_is_refused() -> None:
    read = json.loads(MODEL.read_text("utf-8"))
    with pytest.raises(ValueError, match="costs"):
        read_model(json.dumps({**read, "costs": {"false_link": 1, "missed_link": 2}}))


def policy_with(folder: Path, weighed: str) -> Path:
    (folder / "policy").mkdir()
    text = (CONTRACTS / "policy" / "policy.yaml").read_text("utf-8")
    (folder / "policy" / "policy.yaml").write_text(re.sub(r"weighed: \[.*?\]", f"weighed: {weighed}", text), "utf-8")
    return folder


NEAR = [("[I4, I6, I9]", "review"), ("[I4, I6, I7, I9]", "link"), ("[]", "review")]


@pytest.mark.parametrize(("weighed", "decision"), NEAR)
def test_the_policy_says_which_questions_a_weight_may_answer(weighed: str, decision: str, tmp_path: Path) -> None:
    bulk = crowded(Bulk(matcher_of(policy_with(tmp_path, weighed))[0]))
    row = {"source_ref": "1", "given_name": "Xanthippe", "family_name": "Zorkovicz", "postcode": "NS2 9TF"}
    bulk.resolve({**row, "event_id": "1", "source": "a", "date_of_birth": "2009-03-14"})
    assert bulk.resolve({**row, "event_id": "2", "source": "b", "date_of_birth": "2009-03-15"}).decision == decision


def test_a_policy_that_lets_a_weight_decide_what_is_binding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"I2, I5: a weight may decide I4, I6, I7, I8, I9 only"):
        matcher_of(policy_with(tmp_path, "[I2, I5, I6]"))


RARE = {"given_name": "Xanthippe", "family_name": "Zorkovicz", "date_of_birth": "2009-03-14", "upn": "L201900113011"}
NUMBERED = {
    "a near birth date": ({"date_of_birth": "2009-03-15"}, "link"),
    "another birth date": ({"date_of_birth": "2006-11-02"}, "review"),
    "another given name and a near birth date": ({"given_name": "Olive", "date_of_birth": "2009-03-15"}, "review"),
    "another given name": ({"given_name": "Olive"}, "review"),
}


@pytest.mark.parametrize(("shown", "decision"), NUMBERED.values(), ids=NUMBERED)
def test_a_weight_answers_for_a_number_beside_a_slip_and_not_beside_another_name_or_birth_date(
    shown: dict[str, str], decision: str
) -> None:
    bulk = crowded(Bulk(matcher_of(CONTRACTS)[0]))
    bulk.resolve({**RARE, "event_id": "1", "source": "a", "source_ref": "1"})
    assert bulk.resolve({**RARE, **shown, "event_id": "2", "source": "b", "source_ref": "2"}).decision == decision


def test_a_council_may_have_a_number_under_another_given_name_linked(tmp_path: Path) -> None:
    policy = policy_with(tmp_path, "[I4, I6, I9]") / "policy" / "policy.yaml"
    text = policy.read_text("utf-8")
    policy.write_text(text.replace("another_given_name: ask", "another_given_name: link"), "utf-8")
    bulk = Bulk(matcher_of(tmp_path)[0])
    bulk.resolve({**RARE, "event_id": "1", "source": "a", "source_ref": "1"})
    olive = {**RARE, "given_name": "Olive", "event_id": "2", "source": "b", "source_ref": "2"}
    assert bulk.resolve(olive).decision == "link"
    policy.write_text(text.replace("another_given_name: ask", "another_given_name: maybe"), "utf-8")
    with pytest.raises(ValueError, match="another_given_name: maybe: write ask or link"):
        matcher_of(tmp_path)


def crowded(bulk: Bulk) -> Bulk:
    """1,100 people, so that rare can be told from common."""
    letters = random.Random(1)
    for n in range(1_100):
        filler = {"event_id": f"f{n}", "source": "a", "source_ref": f"f{n}", "given_name": "Jack"}
        family = "".join(letters.choices("abcdeilmnorstu", k=9))
        bulk.resolve({**filler, "family_name": family, "date_of_birth": f"{2000 + n % 9}-{n % 12 + 1:02d}-10"})
    return bulk


@pytest.mark.parametrize(("careful", "decision"), [({}, "review"), ({"I6": 1_600}, "link"), ({"I9": 1_600}, "review")])
def test_where_weights_are_known_to_be_too_careful_a_link_needs_less(careful: dict[str, int], decision: str) -> None:
    model = replace(WEIGHTS, careful_millibits=careful)
    bulk = crowded(Bulk(replace(matcher_of(CONTRACTS)[0], model=model)))
    row = {"source_ref": "1", "given_name": "Jack", "family_name": "Zorkovicz", "date_of_birth": "2003-04-10"}
    bulk.resolve({**row, "event_id": "1", "source": "a", "postcode": "NS2 9TF"})
    assert bulk.resolve({**row, "event_id": "2", "source": "b", "postcode": "NS7 1AB"}).decision == decision


def test_in_a_small_population_the_rules_decide_alone() -> None:
    bulk = Bulk(matcher_of(CONTRACTS)[0])
    row = {"source": "a", "source_ref": "1", "given_name": "Xanthippe", "family_name": "Zorkovicz"}
    row["date_of_birth"] = "2009-03-14"
    assert bulk.resolve({**row, "event_id": "1"}).decision == "new"
    assert bulk.resolve({**row, "event_id": "2", "source": "b"}).decision == "review"


def test_in_a_measured_population_a_rare_name_and_birth_date_are_enough() -> None:
    bulk = crowded(Bulk(matcher_of(CONTRACTS)[0]))
    row = {"source": "a", "source_ref": "1", "given_name": "Xanthippe", "family_name": "Zorkovicz"}
    row["date_of_birth"] = "2009-03-14"
    assert bulk.resolve({**row, "event_id": "1"}).decision == "new"
    assert bulk.resolve({**row, "event_id": "2", "source": "b"}).decision == "link"
