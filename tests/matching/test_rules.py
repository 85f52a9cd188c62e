"""The rules I1 to I9 and the guards of POLICY 4.2 and 4.3, each by an example, through the real processor."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hub_of_matching import Matching, acts

from services.matching.acts import feed_id

ALEX = {
    "source_ref": "S1",
    "given_name": "Benjamin",
    "family_name": "Khan-Reid",
    "date_of_birth": "2009-03-14",
    "postcode": "NS3 4QT",
    "phone": "07700 900101",
    "upn": "L201900113011",
    "nhs_number": "9990000018",
}
OTHER_UPN, ULN, OTHER_ULN = "D201900113099", "7000000014", "7000000022"


def known(**changes: Any) -> Matching:
    hub = Matching()
    hub.observe("first", "school", {**ALEX, **changes})
    return hub


def outcome(hub: Matching, subject: dict[str, Any], source: str = "college", **more: Any) -> str:
    """linked, review or new: what becomes of one more record."""
    rows = hub.observe("second", source, {"source_ref": "C1", **subject}, **more)
    if acts(rows) == ["held", "review_opened"]:
        return "review"
    assert acts(rows) == ["linked"]
    return "linked" if rows[0]["person_id"] == hub.whose()["first"] else "new"


BARE = {"given_name": "Benjamin", "family_name": "Khan-Reid", "date_of_birth": "2009-03-14"}


HOME = {"postcode": "NS3 4QT"}
UPN = {"upn": ALEX["upn"]}
TWIN = {**BARE, **HOME, "given_name": "Oliver"}
STRANGE = {**BARE, "given_name": "Tom", "family_name": "Owusu"}
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("I2 a twin has another given name at the same postcode", TWIN, "new"),
    ("I2 even with the twin's number", {**TWIN, **UPN}, "new"),
    ("I3 a clash alone", {**BARE, **HOME, "upn": OTHER_UPN}, "new"),
    ("I3 a clash and an agreement", {**BARE, "upn": OTHER_UPN, "nhs_number": ALEX["nhs_number"]}, "review"),
    ("I4 number and birth date", {**BARE, **UPN}, "linked"),
    ("I4 number, birth date missing", {**BARE, **UPN, "date_of_birth": None}, "linked"),
    ("I4 number, new family name", {**BARE, **UPN, "family_name": "Owusu"}, "linked"),
    ("I4 number, both names different", {**STRANGE, **UPN}, "review"),
    ("I4 number, other birth date", {**BARE, **UPN, "date_of_birth": "2007-11-02"}, "review"),
    ("I4 number, near birth date", {**BARE, **UPN, "date_of_birth": "2009-03-01"}, "review"),
    ("I4 a reference names the record", {**BARE, "other_refs": {"school": "S1"}}, "linked"),
    ("I5 exact with postcode", {**BARE, "postcode": "ns34qt"}, "linked"),
    ("I5 alias with phone", {**BARE, "given_name": "Ben", "phone": "+447700900101"}, "linked"),
    ("I5 initial with postcode", {**BARE, **HOME, "given_name": "B."}, "linked"),
    ("I5 half a double name", {**BARE, **HOME, "family_name": "Reid"}, "linked"),
    ("I6 no support", BARE, "review"),
    ("I6 both names inexact", {**BARE, **HOME, "given_name": "Ben", "family_name": "Reid"}, "review"),
    ("I6 names swapped", {**BARE, **HOME, "given_name": "Khan-Reid", "family_name": "Benjamin"}, "review"),
    ("I7 near birth date", {**BARE, **HOME, "date_of_birth": "2009-03-15"}, "review"),
    ("I7 both names inexact", {"given_name": "Ben", "family_name": "Reid", "date_of_birth": "2009-03-15"}, "new"),
    ("I8 no birth date, phone", {**BARE, "date_of_birth": None, "phone": "07700900101"}, "review"),
    ("I8 no birth date, no support", {**BARE, "date_of_birth": None}, "new"),
    ("I9 another child of that day", {**BARE, "given_name": "Zuzanna", "family_name": "Owusu"}, "new"),
    ("I9 a brother", {**TWIN, "date_of_birth": "2011-05-05"}, "new"),
]


@pytest.mark.parametrize(("rule", "subject", "expected"), CASES, ids=[case[0] for case in CASES])
def test_one_record_against_one_person(rule: str, subject: dict[str, Any], expected: str) -> None:
    assert outcome(known(), subject) == expected, rule


def test_i1_the_sources_own_reference_links_whatever_else_changed() -> None:
    hub = known()
    assert outcome(hub, {"source_ref": "S1", "given_name": "Ben", "family_name": "Owusu"}, "school") == "linked"


def test_i1_an_event_put_into_another_childs_file_is_reviewed() -> None:
    hub = known()
    wrong = {"source_ref": "S1", "given_name": "Zuzanna", "family_name": "Owusu", "date_of_birth": "2007-11-02"}
    assert outcome(hub, wrong, "school") == "review"
    # The child whose file it is goes on as before; the wrong child's next event waits with the first.
    assert acts(hub.observe("third", "school", ALEX)) == ["linked"]
    assert acts(hub.observe("fourth", "school", wrong)) == ["held"]


def test_i1_twins_swapped_in_a_file_do_not_break_the_file() -> None:
    hub = known()
    assert outcome(hub, {"source_ref": "S1", **BARE, "given_name": "Oliver"}, "school") == "linked"


def test_i8_a_named_provider_where_the_person_is_enrolled() -> None:
    hub = Matching()
    data = {"institution_type": "school_sixth_form", "mode": "full_time", "predicted_end_on": date(2027, 7, 2)}
    data |= {"year_group": 12}
    hub.observe("first", "school", ALEX, "education.enrolment.started", data)
    housing = {"circumstance": "sofa_surfing", "education_provider": "school", "authority": "northshire"}
    subject = {"given_name": "Benjamin", "family_name": "KHAN REID"}
    rows = hub.observe("second", "housing", subject, "housing.homelessness.approached", housing)
    assert acts(rows) == ["held", "review_opened"]
    assert rows[0]["safeguarding"]
    assert hub.facts("reviews")[0]["reason"] == "dob_missing"


def test_a_clash_with_any_record_of_the_person_turns_auto_into_review() -> None:
    hub = known(nhs_number=None)
    hub.observe("uln", "college", {"source_ref": "C9", **BARE, "postcode": "NS3 4QT", "uln": ULN})
    assert outcome(hub, {**BARE, "postcode": "NS3 4QT", "uln": OTHER_ULN}, "training") == "review"


def test_two_certain_persons_are_held() -> None:
    hub = known()
    hub.observe("second", "social-care", {"source_ref": "P2", "family_name": "Owusu", "uln": ULN})
    rows = hub.observe("third", "college", {"source_ref": "C1", **BARE, **UPN, "uln": ULN})
    assert acts(rows) == ["held", "review_opened"]
    (review,) = hub.facts("reviews")
    assert review["reason"] == "two_persons"
    assert len(review["candidates"]) == 2


def test_one_certain_person_is_linked_whatever_may_be_asked_of_others() -> None:
    hub = known(upn=None, nhs_number=None, postcode="NS9 9ZZ", phone=None)
    hub.observe("second", "social-care", {"source_ref": "P1", "family_name": "Owusu", "uln": ULN})
    rows = hub.observe("third", "college", {"source_ref": "C1", **BARE, "uln": ULN})
    assert acts(rows) == ["linked"]
    assert rows[0]["person_id"] == hub.whose()["second"]


def test_after_an_adoption_nothing_new_is_linked_to_the_old_file() -> None:
    hub = known()
    ended = {"reason": "adopted"}
    hub.observe("carer", "social-care", {**ALEX, "source_ref": "P1"})
    hub.observe("end", "social-care", {**ALEX, "source_ref": "P1"}, "care.episode.ended", ended)
    assert outcome(hub, {**BARE, "postcode": "NS3 4QT", "upn": ALEX["upn"]}) == "new"
    renamed = {**ALEX, "family_name": "Newhome"}
    rows = hub.observe("later", "school", renamed, effective_on=date(2026, 10, 1))
    assert acts(rows) == ["linked"]
    assert rows[0]["person_id"] != hub.whose()["first"]
    # A late statement about the time before belongs to the old file.
    assert hub.observe("late", "school", ALEX)[0]["person_id"] == hub.whose()["first"]


def test_a_temporary_number_neither_agrees_nor_clashes() -> None:
    assert outcome(known(), {**BARE, "postcode": "NS3 4QT", "upn": "L20190011301A", "uln": "9999999999"}) == "linked"


def test_test_observations_meet_only_test_observations() -> None:
    hub = known()
    assert outcome(hub, {**BARE, "upn": ALEX["upn"]}, test=True) == "new"
    assert (
        hub.observe("third", "training", {"source_ref": "T", **BARE, "upn": ALEX["upn"]}, test=True)[0]["person_id"]
        == hub.whose()["second"]
    )


def test_authorities_in_one_partition_do_not_meet() -> None:
    assert outcome(known(), {**BARE, "upn": ALEX["upn"]}, authority="eastmarsh") == "new"


def test_a_feed_is_nobody_and_goes_on_under_its_own_name() -> None:
    told = {"feed_source": "northvale-college", "shape": "delta", "rows": 412, "leaver_rows": 6}
    (act,) = Matching().observe("feed", "steward", None, "feed.extract_received", told)
    assert (act["person_id"], act["act"]) == (feed_id("northvale-college"), "linked")
