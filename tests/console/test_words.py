"""Words, dates and pictures of the pages: pure."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console import brand, pages, people, steward
from services.console.pages import ACTS, WITHHELD, capped, day, due_words, moment, query
from services.console.people import role_name
from services.console.project import ref_of
from services.console.timeline import WIDTH, Stretch, picture
from services.matching import rules
from services.matching.agent import MODEL
from services.matching.model import read_model
from spine.clock import WorkingDays

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
STATIC = Path(__file__).resolve().parents[2] / "services" / "console" / "static"
WORKING = WorkingDays()


def test_dates_read_as_people_write_them() -> None:
    assert day(date(2026, 11, 3)) == "3 November 2026"
    assert day("2026-11-03") == "3 November 2026"
    assert moment(datetime(2026, 7, 1, 12, 5, tzinfo=UTC)) == "1 July 2026 at 1:05pm"
    assert moment(datetime(2026, 11, 1, 0, 5, tzinfo=UTC)) == "1 November 2026 at 12:05am"


@pytest.mark.parametrize(
    ("due", "words"),
    [
        (date(2026, 11, 25), "due today"),
        (date(2026, 11, 26), "in 1 working day"),
        (date(2026, 11, 30), "in 3 working days"),
        (date(2026, 11, 24), "1 working day overdue"),
        (date(2026, 11, 20), "3 working days overdue"),
        (date(2020, 1, 1), "over 100 working days overdue"),
    ],
)
def test_a_due_day_is_counted_in_working_days(due: date, words: str) -> None:
    assert due_words(due, date(2026, 11, 25), WORKING) == words


def test_a_weekend_is_no_working_day() -> None:
    saturday = date(2026, 11, 28)
    assert due_words(date(2026, 11, 29), saturday, WORKING) == "before the next working day"
    assert due_words(date(2026, 11, 30), saturday, WORKING) == "in 1 working day"


def test_small_words() -> None:
    assert (capped(99), capped(100)) == ("99", "99+")
    assert query(scope="mine", page=0, overdue=True, rule="") == "?scope=mine&overdue=1"
    assert role_name("inclusion-team") == "Inclusion team"
    assert role_name("sena-caseworker") == "SEND caseworker"
    assert {"raised", "updated", "moved", "retracted"} <= set(ACTS)
    assert set(WITHHELD) == {"agreement", "mask", "consent", "choice", "source"}


def test_a_name_in_a_path_says_nothing_and_stays() -> None:
    assert ref_of("person-1/A01") == ref_of("person-1/A01")
    assert "person" not in ref_of("person-1/A01")


days = st.dates(min_value=date(2020, 1, 1), max_value=date(2030, 1, 1))
spans = st.builds(
    lambda a, b, e, n: Stretch(min(a, b), None if e else max(a, b), n),
    days,
    days,
    st.booleans(),
    st.sampled_from("abc"),
)


@given(st.lists(spans, max_size=12), days)
def test_every_bar_stands_within_the_picture(found: list[Stretch], today: date) -> None:
    drawn = picture(sorted(found, key=lambda s: s.start), today)
    assert (drawn is None) == (not found)
    if drawn is not None:
        assert len(drawn.bars) == len(found)
        assert all(0 <= bar.x < WIDTH and bar.x + bar.width <= WIDTH + 6 for bar in drawn.bars)
        assert all(0 <= mark.x < WIDTH for mark in drawn.marks)
        assert len({bar.stretch.label for bar in drawn.bars}) == len({bar.kind for bar in drawn.bars})


def test_a_brand_must_be_readable_and_cannot_break_out_of_the_stylesheet() -> None:
    good = brand.load(CONTRACTS)
    assert "--brand-colour:#" in good.css
    for colour, font in (("#ffff00", "arial"), ("red;}", "arial"), ("#12436d", "arial;}body{")):
        with pytest.raises(ValueError):
            brand.Brand("Council", "Hub", colour, font, "x@y.example")


def test_councils_do_not_carry_the_font_the_crest_or_the_crown() -> None:
    for path in STATIC.rglob("*"):
        if path.suffix in (".css", ".js"):
            text = path.read_text()
            assert "Transport" not in text, path
            assert "crest" not in text, path
            assert "@font-face" not in text, path
            assert "sourceMappingURL" not in text, path
    assert (STATIC / "govuk" / "LICENCE.txt").exists()
    assert (STATIC / "htmx" / "LICENCE.txt").exists()


def test_every_demo_user_has_a_team_that_exists() -> None:
    read = people.load(CONTRACTS)
    assert {team for user in read.users.values() for team in user.teams} <= set(read.teams)
    assert read.owner("", "") == "Nobody assigned"
    assert "Beth Novak" in read.owner("inclusion-south", "w-4401")


REVIEW = {
    "review_id": "r1",
    "source": "northshire-housing",
    "source_ref": "HPA2-6001",
    "message_id": None,
    "candidates": [
        {"person_id": "p1", "source": "northgate-academy", "source_ref": "NGA-1"},
        {"person_id": "p2", "source": "northvale-college", "source_ref": "NVC-2"},
    ],
}
USER = people.load(CONTRACTS).users["data-steward"]
ON = date(2026, 11, 25)


def test_a_link_names_both_records_and_how_it_is_known() -> None:
    (event,) = steward.events(REVIEW, "link:1", ["worker"], ON, USER) or []
    assert (event["specversion"], event["type"], event["source"]) == (
        "1.0",
        "identity.linked",
        "northshire-data-steward",
    )
    assert event["data"]["effective_on"] == "2026-11-25"
    assert event["data"]["data"] == {
        "record_source": "northshire-housing",
        "record_ref": "HPA2-6001",
        "person_source": "northvale-college",
        "person_ref": "NVC-2",
        "confirmed_by": ["worker"],
    }


def test_keeping_apart_speaks_of_every_candidate_and_twice_is_once() -> None:
    events = steward.events(REVIEW, "apart", [], ON, USER) or []
    assert [e["type"] for e in events] == ["identity.separated"] * 2
    assert len({e["id"] for e in events}) == 2
    assert events == steward.events(REVIEW, "apart", [], ON, USER)


def test_a_held_message_without_a_reference_is_named_by_its_message() -> None:
    (event,) = (
        steward.events({**REVIEW, "source_ref": None, "message_id": "nvc-190"}, "link:0", ["worker"], ON, USER) or []
    )
    assert event["data"]["data"]["held_event_id"] == "nvc-190"


@pytest.mark.parametrize("choice", ["link:2", "link:x", "", "link:-1"])
def test_a_choice_that_is_none_of_the_candidates_says_nothing(choice: str) -> None:
    assert steward.events(REVIEW, choice, ["worker"], ON, USER) is None


def test_a_record_that_cannot_be_named_is_not_guessed() -> None:
    assert steward.events({**REVIEW, "source_ref": None}, "link:0", ["worker"], ON, USER) is None
    nameless = [{"person_id": "p", "source": "", "source_ref": "x"}]
    assert steward.events({**REVIEW, "candidates": nameless}, "apart", [], ON, USER) is None


def test_every_reason_of_a_match_is_told_in_words() -> None:
    verdicts = [one for one in vars(rules).values() if isinstance(one, rules.Verdict)]
    assert len(verdicts) > 8
    assert not {one.reason for one in verdicts} - pages.REASONS.keys()
    for one in verdicts:
        told = pages.speaks_for([one.rule, one.reason, "given:exact:8200:10300"])
        assert " " in told and "_" not in told and one.rule not in told and ":" not in told


def test_every_comparison_of_a_match_is_told_in_words_the_weightiest_first() -> None:
    model = read_model(MODEL.read_text("utf-8"))
    for kind, grade in [*model.grades, ("prior", "prior")]:
        if grade != "missing":
            (told,) = pages.weighed([f"{kind}:{grade}:8200:-300"])
            assert told.startswith(f"{pages.COMPARED[kind]}: {pages.GRADES[grade]} ")
    assert pages.weighed(["I6", "no_support", "phone:equal:900:-160", "given:exact:8200:10300"]) == [
        "Given name: the same (+8.2 someone else, +10.3 brother, sister or twin)",
        "Phone: the same (+0.9 someone else, -0.2 brother, sister or twin)",
    ]
