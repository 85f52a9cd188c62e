"""What the measures of matching must obey, and small cases worked out by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.matching.measures import Mates, Pairs, Placed, answered, curve, measure

FEW = st.sampled_from("abcd")


@st.composite
def resolutions(draw: st.DrawFn) -> list[Placed]:
    size = draw(st.integers(0, 14))
    care = {truth: draw(st.sampled_from(("yes", "no"))) for truth in "abcd"}
    rows = []
    for _ in range(size):
        truth = draw(FEW)
        decision, weight = draw(st.sampled_from((("new", None), ("link", None), ("link", 9), ("review", 4))))
        asked = tuple("p" + one for one in draw(st.lists(FEW, max_size=3, unique=True))) if decision == "review" else ()
        person, source = ("s" if asked else "p") + draw(FEW), draw(st.sampled_from("xy"))
        rows.append(Placed(truth, person, source, decision, weight, asked, (("care", care[truth]),)))
    return rows


def by_hand(rows: list[Placed]) -> Pairs:
    """Every pair looked at, one after the other."""
    couples = [(a, b) for i, a in enumerate(rows) for b in rows[i + 1 :]]
    joined = [(a, b) for a, b in couples if a.person == b.person]
    wanted = [(a, b) for a, b in couples if a.truth == b.truth]
    return Pairs(sum(a.truth == b.truth for a, b in joined), len(joined), len(wanted))


@given(resolutions())
def test_pairs_are_those_that_one_counts_by_hand(rows: list[Placed]) -> None:
    measured = measure(rows)
    assert measured.pairs == by_hand(rows)
    within = [by_hand([r for r in rows if r.source == source]) for source in "xy"]
    assert measured.cross_source == measured.pairs - within[0] - within[1]


@given(resolutions())
def test_a_perfect_resolution_gives_one_everywhere_and_merges_nobody(rows: list[Placed]) -> None:
    measured = measure([replace(row, person="p" + row.truth) for row in rows])
    for of in (measured.pairs, measured.cross_source, measured.b_cubed, *(g.pairs for g in measured.groups)):
        assert (of.precision, of.recall, of.f1) == (1, 1, 1)
    assert measured.false_merges == 0
    assert all(group.mixed == 0 for group in measured.groups)


@given(resolutions(), st.randoms(use_true_random=False))
def test_neither_the_order_of_records_nor_the_names_of_clusters_matter(rows: list[Placed], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert measure(shuffled) == measure(rows)
    assert measure([replace(row, person=row.person + "!") for row in rows]) == measure(rows)
    assert curve(shuffled) == curve(rows)


@given(resolutions())
def test_every_measure_is_between_nothing_and_one(rows: list[Placed]) -> None:
    measured = measure(rows)
    for of in (measured.pairs, measured.cross_source, measured.b_cubed, *(g.pairs for g in measured.groups)):
        assert 0 <= of.precision <= 1 + 1e-12
        assert 0 <= of.recall <= 1 + 1e-12
        low, high = sorted((of.precision, of.recall))
        assert low - 1e-12 <= of.f1 <= high + 1e-12 or of.f1 == 0


@given(resolutions())
def test_exchanging_what_was_found_for_what_is_true_exchanges_precision_and_recall(rows: list[Placed]) -> None:
    there, back = measure(rows), measure([replace(row, truth=row.person, person=row.truth) for row in rows])
    assert (there.pairs.precision, there.pairs.recall) == (back.pairs.recall, back.pairs.precision)
    assert there.b_cubed.precision == pytest.approx(back.b_cubed.recall)


@given(resolutions())
def test_right_answers_lose_no_true_pair_of_a_clean_person_and_recall_only_grows_with_a_lower_threshold(
    rows: list[Placed],
) -> None:
    points = curve(rows)
    assert [p.threshold for p in points] == sorted((p.threshold for p in points), reverse=True)
    for higher, lower in itertools.pairwise(points):
        assert lower.pairs.recall >= higher.pairs.recall
        assert lower.pairs.joined >= higher.pairs.joined
        assert lower.false_merges >= higher.false_merges
    # An answer never brings two people together who were apart.
    clean = [replace(row, person="p" + row.truth) if row.decision != "review" else row for row in rows]
    clean = [replace(row, person=f"stub{n}") if row.decision == "review" else row for n, row in enumerate(clean)]
    assert measure(answered(clean)).false_merges == measure(clean).false_merges == 0
    assert measure(answered(clean)).pairs.recall >= measure(clean).pairs.recall


@given(resolutions())
def test_a_group_of_everybody_is_the_whole(rows: list[Placed]) -> None:
    everybody = [replace(row, groups=(("all", "yes"),)) for row in rows]
    measured = measure(everybody)
    for group in measured.groups:
        assert (group.pairs, group.records, group.people) == (measured.pairs, measured.records, measured.people)
        assert group.review_share == measured.review_share


def test_a_case_worked_out_by_hand() -> None:
    """Ana's three records: two together with one of Ben's, one alone; Ben's other record waits for a reader."""
    rows = [
        Placed("ana", "p1", "school", "new", groups=(("sex", "female"),), household="h", twins="t"),
        Placed("ana", "p1", "college", "link", 9_000, groups=(("sex", "female"),), household="h", twins="t"),
        Placed("ben", "p1", "housing", "link", 7_000, groups=(("sex", "male"),), household="h", twins="t"),
        Placed("ana", "p2", "school", "new", groups=(("sex", "female"),), household="h", twins="t"),
        Placed("ben", "s1", "school", "review", 5_000, ("p1",), groups=(("sex", "male"),), household="h", twins="t"),
        Placed("cai", "p3", "school", "new", groups=(("sex", "male"),), household="h"),
    ]
    measured = measure(rows)
    assert measured.pairs == Pairs(right=1, joined=3, wanted=4)
    assert (measured.pairs.precision, measured.pairs.recall) == (1 / 3, 1 / 4)
    assert measured.cross_source == Pairs(right=1, joined=3, wanted=3)
    # Precision: (2/3 + 2/3 + 1/3 + 1 + 1 + 1) / 6; recall: (2/3 + 2/3 + 1/3 + 1/2 + 1/2 + 1) / 6.
    assert measured.b_cubed.precision == pytest.approx(14 / 18)
    assert measured.b_cubed.recall == pytest.approx(11 / 18)
    assert (measured.false_merges, measured.false_merges_per_10000) == (1, pytest.approx(10_000 / 3))
    assert measured.twins == Mates(merged=1, pairs=1)
    assert measured.siblings == Mates(merged=0, pairs=2)
    assert measured.review_share == pytest.approx(1 / 6)
    female, male = measured.groups
    assert (female.value, female.records, female.people, female.mixed) == ("female", 3, 1, 1)
    assert female.pairs == Pairs(1, 3, 3)
    assert (male.records, male.people, male.mixed, male.reviews, male.pairs) == (3, 2, 1, 1, Pairs(0, 2, 1))
    # p1 is mostly Ana: the right answer about Ben's record is not p1.
    assert measure(answered(rows)).pairs == measured.pairs
    high, middle, low = curve(rows)
    assert (high.threshold, high.pairs, high.false_merges) == (9_000, Pairs(1, 1, 4), 0)
    assert (middle.threshold, middle.pairs, middle.false_merges) == (7_000, Pairs(1, 3, 4), 1)
    assert (low.threshold, low.pairs, low.false_merges) == (5_000, Pairs(2, 6, 4), 1)


def test_a_review_answered_rightly_goes_to_its_person() -> None:
    rows = [Placed("ana", "p1", "school", "new"), Placed("ana", "s1", "college", "review", 5_000, ("p1",))]
    assert measure(rows).pairs.recall == 0
    assert measure(answered(rows)).pairs.recall == 1


def test_a_review_between_two_halves_of_one_person_joins_them() -> None:
    rows = [
        Placed("ana", "p1", "school", "new"),
        Placed("ana", "p2", "housing", "new"),
        Placed("ben", "p3", "x", "new"),
    ]
    rows.append(Placed("ana", "s1", "college", "review", 5_000, ("p1", "p3", "p2")))
    assert measure(answered(rows)).pairs == Pairs(3, 3, 3)


def test_a_curve_has_a_bounded_number_of_points_and_ends_with_the_lowest_weight() -> None:
    rows = [Placed("ana", "p1", "school", "new")]
    rows += [Placed("ana", "p1", "college", "link", weight) for weight in range(1_000)]
    points = curve(rows, points_max=20)
    assert len(points) <= 21
    assert points[-1].threshold == 0
    assert points[-1].pairs.recall == 1
