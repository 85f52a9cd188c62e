"""Held, released, re-sent, separated, suggested: the life of a match that a person must decide."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hub_of_matching import Matching, acts

SCHOOL = {
    "source_ref": "S1",
    "given_name": "Isla",
    "family_name": "Bennett",
    "date_of_birth": "2009-01-27",
    "postcode": "NS2 9TF",
    "upn": "D201900113099",
}
#: No birth date and a letter short: I8, a review.
COLLEGE = {"source_ref": "C1", "given_name": "Isla", "family_name": "Bennet", "postcode": "NS2 9TF"}
STEWARD = "steward"


def linked(record: str, ref: str | None, person: str, person_ref: str, message: str | None = None) -> dict[str, Any]:
    return {
        "record_source": record,
        "record_ref": ref,
        "held_event_id": message,
        "person_source": person,
        "person_ref": person_ref,
        "confirmed_by": ["worker"],
    }


def apart(record: str, ref: str, person: str, person_ref: str) -> dict[str, Any]:
    return {"record_source": record, "record_ref": ref, "person_source": person, "person_ref": person_ref}


def suggested(one: str, ref: str, other: str, other_ref: str) -> dict[str, Any]:
    return {"source_a": one, "ref_a": ref, "source_b": other, "ref_b": other_ref}


@pytest.fixture
def hub() -> Matching:
    """A known pupil, and two events of a college record that wait."""
    made = Matching()
    made.observe("known", "school", SCHOOL)
    made.observe("held1", "college", COLLEGE)
    made.observe("held2", "college", COLLEGE)
    return made


def test_later_events_of_the_record_join_the_stub_and_the_review(hub: Matching) -> None:
    rows = hub.facts("attributions")
    assert acts(rows) == ["linked", "held", "review_opened", "held"]
    assert rows[1]["person_id"] == rows[3]["person_id"] != rows[0]["person_id"]
    assert rows[1]["review_id"] == rows[3]["review_id"]
    (review,) = hub.facts("reviews")
    assert review["state"] == "open"
    assert [c["person_id"] for c in review["candidates"]] == [rows[0]["person_id"]]
    rule, reason, *weighed = review["candidates"][0]["reasons"]
    assert (rule, reason) == ("I8", "dob_missing")
    assert sum(int(one.split(":")[3]) for one in weighed) >= review["candidates"][0]["weight_millibits"]
    assert {one.split(":")[0] for one in weighed} >= {"given", "family", "prior"}


def test_a_link_releases_all_that_was_held_and_closes_the_review(hub: Matching) -> None:
    person, stub = hub.whose()["known"], hub.whose()["held1"]
    rows = hub.observe("link", STEWARD, None, "identity.linked", linked("college", "C1", "school", "S1"))
    assert acts(rows) == ["withdrawn", "released", "withdrawn", "released", "review_closed"]
    assert [r["person_id"] for r in rows] == [stub, person, stub, person, stub]
    assert all(r["other_person"] == (person if r["person_id"] == stub else stub) for r in rows)
    assert all(r["observation"] is None for r in rows if r["act"] != "released")
    decided = max(row["received_at"] for row in hub.facts("observations"))
    assert all(r["known_at"] == decided for r in rows)
    closed = hub.facts("reviews")[-1]
    assert (closed["state"], closed["outcome"]) == ("closed", "linked")
    assert hub.clusters() == {frozenset({"known", "held1", "held2"})}
    assert acts(hub.observe("later", "college", COLLEGE)) == ["linked"]


def test_a_message_without_a_reference_is_linked_by_its_id() -> None:
    hub = Matching()
    hub.observe("known", "school", SCHOOL)
    hub.observe("message-9", "college", {**COLLEGE, "source_ref": None})
    rows = hub.observe("l", STEWARD, None, "identity.linked", linked("college", None, "school", "S1", "message-9"))
    assert acts(rows) == ["withdrawn", "released", "review_closed"]


def test_a_link_that_comes_before_its_record_waits_for_it() -> None:
    hub = Matching()
    hub.observe("link", STEWARD, None, "identity.linked", linked("college", "C1", "school", "S1"))
    hub.observe("known", "school", SCHOOL)
    (row,) = hub.observe("first", "college", COLLEGE)
    assert (row["act"], row["how"], row["person_id"]) == ("linked", "human", hub.whose()["known"])


def test_a_resend_that_decides_settles_the_review(hub: Matching) -> None:
    whole = {**COLLEGE, "family_name": "Bennett", "date_of_birth": "2009-01-27"}
    rows = hub.observe("again", "college", whole)
    assert acts(rows) == ["linked", "withdrawn", "released", "withdrawn", "released", "review_closed"]
    assert hub.facts("reviews")[-1]["outcome"] == "resend"
    assert hub.clusters() == {frozenset({"known", "held1", "held2", "again"})}


def test_a_resend_under_another_reference_settles_the_review_that_asks_about_the_person(hub: Matching) -> None:
    whole = {**COLLEGE, "source_ref": "C2", "family_name": "Bennett", "date_of_birth": "2009-01-27"}
    assert "review_closed" in acts(hub.observe("again", "college", whole))


def test_other_news_that_would_decide_joins_the_stub(hub: Matching) -> None:
    whole = {**COLLEGE, "date_of_birth": "2009-01-27", "family_name": "Bennett"}
    assert acts(hub.observe("news", "college", whole, effective_on=date(2026, 10, 1))) == ["held"]


def test_a_safeguarding_event_makes_a_waiting_review_urgent() -> None:
    hub = Matching()
    hub.observe("known", "school", SCHOOL)
    subject = {**COLLEGE, "source_ref": "H1"}
    hub.observe("calm", "housing", subject)
    assert not hub.facts("reviews")[-1]["safeguarding"]
    data = {"circumstance": "sofa_surfing", "authority": "northshire"}
    rows = hub.observe("urgent", "housing", subject, "housing.homelessness.approached", data)
    assert acts(rows) == ["held"]
    assert rows[0]["safeguarding"]
    assert hub.facts("reviews")[-1]["safeguarding"]


def test_two_different_people_are_never_suggested_again(hub: Matching) -> None:
    stub = hub.whose()["held1"]
    rows = hub.observe("apart", STEWARD, None, "identity.separated", apart("college", "C1", "school", "S1"))
    assert acts(rows) == ["released", "released", "review_closed"]
    assert {r["person_id"] for r in rows} == {stub}
    assert hub.facts("reviews")[-1]["outcome"] == "separated"
    assert acts(hub.observe("later", "college", COLLEGE)) == ["linked"]
    more = {**COLLEGE, "date_of_birth": "2009-01-27", "family_name": "Bennett", "upn": SCHOOL["upn"]}
    assert hub.observe("more", "college", more)[0]["person_id"] == stub
    rows = hub.observe("ask", STEWARD, None, "identity.duplicate_suggested", suggested("school", "S1", "college", "C1"))
    assert rows == []


def test_a_separation_takes_a_wrong_link_apart() -> None:
    hub = Matching()
    hub.observe("a", "school", SCHOOL)
    hub.observe("b", "college", {**SCHOOL, "source_ref": "C1"})
    hub.observe("c", "college", {**SCHOOL, "source_ref": "C1"})
    assert len(hub.clusters()) == 1
    rows = hub.observe("apart", STEWARD, None, "identity.separated", apart("college", "C1", "school", "S1"))
    assert acts(rows) == ["withdrawn", "released", "withdrawn", "released"]
    assert hub.clusters() == {frozenset({"a"}), frozenset({"b", "c"})}
    # A third record that fits both does not join them again: a person must say whose it is.
    assert acts(hub.observe("bridge", "training", {**SCHOOL, "source_ref": "T1"})) == ["held", "review_opened"]
    assert hub.observe("d", "college", {**SCHOOL, "source_ref": "C1"})[0]["person_id"] == hub.whose()["b"]


def test_a_link_after_a_separation_is_the_later_word() -> None:
    hub = Matching()
    hub.observe("a", "school", SCHOOL)
    hub.observe("b", "college", {**SCHOOL, "source_ref": "C1"})
    hub.observe("apart", STEWARD, None, "identity.separated", apart("college", "C1", "school", "S1"))
    rows = hub.observe("link", STEWARD, None, "identity.linked", linked("college", "C1", "school", "S1"))
    assert acts(rows) == ["withdrawn", "released"]
    assert len(hub.clusters()) == 1


def test_a_suggestion_asks_and_a_link_answers() -> None:
    hub = Matching()
    hub.observe("a", "school", SCHOOL)
    hub.observe(
        "b", "college", {"source_ref": "C1", "given_name": "Isla", "family_name": "Owusu", "postcode": "NS1 1AA"}
    )
    ask = suggested("school", "S1", "college", "C1")
    rows = hub.observe("ask", STEWARD, None, "identity.duplicate_suggested", ask)
    assert acts(rows) == ["review_opened"]
    assert rows[0]["other_person"] == hub.whose()["b"]
    assert hub.observe("ask-again", STEWARD, None, "identity.duplicate_suggested", ask) == []
    rows = hub.observe("link", STEWARD, None, "identity.linked", linked("college", "C1", "school", "S1"))
    assert acts(rows) == ["withdrawn", "released", "review_closed"]
    assert hub.facts("reviews")[-1]["outcome"] == "linked"


@pytest.mark.parametrize(
    "other",
    [
        {"given_name": "Olivia", "family_name": "Bennett", "date_of_birth": "2009-01-27", "postcode": "NS2 9TF"},
        {"given_name": "Isla", "family_name": "Bennett", "date_of_birth": "2009-01-27", "upn": "L201900113011"},
    ],
    ids=["a twin", "another number"],
)
def test_a_guard_bars_a_suggestion(other: dict[str, Any]) -> None:
    hub = Matching()
    hub.observe("a", "school", SCHOOL)
    hub.observe("b", "college", {"source_ref": "C1", **other})
    ask = suggested("school", "S1", "college", "C1")
    assert hub.observe("ask", STEWARD, None, "identity.duplicate_suggested", ask) == []


def test_of_two_candidates_one_is_ruled_out_and_the_review_stays() -> None:
    hub = Matching()
    hub.observe("a", "school", SCHOOL)
    hub.observe("b", "virtual-school", {**SCHOOL, "source_ref": "V1", "upn": "L201900113011"})
    assert len(hub.clusters()) == 2
    hub.observe("c", "college", COLLEGE)
    rows = hub.observe("apart", STEWARD, None, "identity.separated", apart("college", "C1", "school", "S1"))
    assert rows == []
    assert [c["person_id"] for c in hub.facts("reviews")[-1]["candidates"]] == [hub.whose()["b"]]
    rows = hub.observe("link", STEWARD, None, "identity.linked", linked("college", "C1", "virtual-school", "V1"))
    assert acts(rows) == ["withdrawn", "released", "review_closed"]


def test_a_misfiled_event_goes_to_its_owner_and_the_file_stays() -> None:
    hub = Matching()
    hub.observe("a", "school", SCHOOL)
    other = {"given_name": "Tom", "family_name": "Owusu", "date_of_birth": "2008-05-05"}
    hub.observe("b", "college", {"source_ref": "C7", **other})
    hub.observe("wrong", "school", {"source_ref": "S1", **other})
    assert hub.held() == {"wrong"}
    hub.observe("link", STEWARD, None, "identity.linked", linked("school", "S1", "college", "C7"))
    assert hub.clusters() == {frozenset({"a"}), frozenset({"b", "wrong"})}
    assert hub.observe("next", "school", SCHOOL)[0]["person_id"] == hub.whose()["a"]


def test_a_misfiled_event_that_is_nobodys_becomes_a_person_and_the_file_stays() -> None:
    hub = Matching()
    hub.observe("a", "school", SCHOOL)
    other = {"source_ref": "S1", "given_name": "Tom", "family_name": "Owusu", "date_of_birth": "2008-05-05"}
    hub.observe("wrong", "school", other)
    rows = hub.observe("apart", STEWARD, None, "identity.separated", apart("school", "S1", "school", "S1"))
    assert acts(rows) == ["released", "review_closed"]
    assert hub.observe("next", "school", SCHOOL)[0]["person_id"] == hub.whose()["a"]
    assert hub.observe("again", "school", other)[0]["person_id"] == hub.whose()["wrong"] != hub.whose()["a"]


def test_a_review_of_test_observations_says_so() -> None:
    hub = Matching()
    hub.observe("known", "school", SCHOOL, test=True)
    hub.observe("held", "college", COLLEGE, test=True)
    (review,) = hub.facts("reviews")
    assert (review["test"], review["authority"]) == (True, "northshire")


def test_decisions_about_records_that_nobody_knows_do_nothing_yet() -> None:
    hub = Matching()
    assert hub.observe("l", STEWARD, None, "identity.linked", linked("x", "1", "y", "2")) == []
    assert hub.observe("m", STEWARD, None, "identity.linked", linked("x", None, "y", "2", "no-such")) == []
    assert hub.observe("s", STEWARD, None, "identity.separated", apart("x", "1", "y", "3")) == []
    assert hub.observe("d", STEWARD, None, "identity.duplicate_suggested", suggested("x", "1", "y", "2")) == []


def test_a_separation_that_comes_before_its_records_bars_them() -> None:
    hub = Matching()
    hub.observe("apart", STEWARD, None, "identity.separated", apart("college", "C1", "school", "S1"))
    hub.observe("a", "school", SCHOOL)
    (row,) = hub.observe("b", "college", {**SCHOOL, "source_ref": "C1"})
    assert (row["act"], row["how"]) == ("linked", "new")


def test_joining_two_people_moves_every_record_and_what_waits_for_one_of_them() -> None:
    hub = Matching()
    owusu = {"given_name": "Isla", "family_name": "Owusu", "phone": "07700 900555"}
    hub.observe("a", "school", SCHOOL)
    hub.observe("b", "college", {"source_ref": "C1", **owusu})
    hub.observe("c", "housing", {"source_ref": "H1", **owusu})
    assert hub.held() == {"c"}
    person = hub.whose()["a"]
    hub.observe("link", STEWARD, None, "identity.linked", linked("college", "C1", "school", "S1"))
    assert hub.whose()["b"] == person
    hub.observe("again", "housing", {"source_ref": "H2", **owusu})
    assert [c["person_id"] for c in hub.facts("reviews")[-1]["candidates"]] == [person]
    hub.observe("link2", STEWARD, None, "identity.linked", linked("housing", "H1", "college", "C1"))
    assert hub.whose()["c"] == person


def test_what_one_decision_moves_says_until_the_last_that_more_follows(hub: Matching) -> None:
    """Nobody may conclude anything from half of a file (POLICY P4); the review is no part of the file."""
    person, stub = hub.whose()["known"], hub.whose()["held1"]
    rows = hub.observe("link", STEWARD, None, "identity.linked", linked("college", "C1", "school", "S1"))
    told = [(r["act"], r["person_id"], r.get("more", False)) for r in rows]
    assert told == [
        ("withdrawn", stub, True),
        ("released", person, True),
        ("withdrawn", stub, False),
        ("released", person, False),
        ("review_closed", stub, False),
    ]


def test_what_comes_alone_is_told_in_the_first_version(hub: Matching) -> None:
    """So that who reads only that one is asked for nothing by what it can't know."""
    rows = hub.observe("later", "school", SCHOOL)
    assert ["more" in row for row in rows] == [False]
