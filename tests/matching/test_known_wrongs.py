"""What has gone wrong elsewhere: one twin's number on the other, shared phones, assigned birthdays, placeholders."""

from __future__ import annotations

from typing import Any

import pytest
from hub_of_matching import Matching, acts

HOME = {"family_name": "Hassan", "date_of_birth": "2009-05-06", "postcode": "NS5 5AB", "phone": "07700 900777"}
AMINA = {"source_ref": "S1", "given_name": "Amina", **HOME, "nhs_number": "9990000018"}
YUSUF = {"source_ref": "S2", "given_name": "Yusuf", **HOME, "uln": "7000000014"}


def twins() -> Matching:
    hub = Matching()
    hub.observe("amina", "school", AMINA)
    hub.observe("yusuf", "school", YUSUF)
    return hub


def test_twins_are_two_people_although_all_but_the_name_agrees() -> None:
    hub = twins()
    assert len(hub.clusters()) == 2
    assert hub.held() == set()


def test_a_twins_number_on_the_other_twin_does_not_join_them() -> None:
    hub = twins()
    (row,) = hub.observe("wrong", "health", {"source_ref": "H1", **YUSUF_AS_SENT, "nhs_number": AMINA["nhs_number"]})
    assert row["person_id"] == hub.whose()["yusuf"] != hub.whose()["amina"]
    (row,) = hub.observe("more", "college", {**AMINA, "source_ref": "C1"})
    assert row["person_id"] == hub.whose()["amina"]


YUSUF_AS_SENT: dict[str, Any] = {"given_name": "Yousuf", **HOME}


@pytest.mark.parametrize(("one", "other"), [("Alexander", "Alexandra"), ("Jack", "Jacey"), ("Amir", "Amira")])
def test_twins_whose_names_sound_or_look_alike_are_two_people(one: str, other: str) -> None:
    hub = Matching()
    hub.observe("one", "school", {"source_ref": "S1", "given_name": one, **HOME})
    (row,) = hub.observe("other", "college", {"source_ref": "C1", "given_name": other, **HOME})
    assert row["how"] == "new"


def test_names_that_sound_alike_are_still_found_when_a_number_agrees() -> None:
    hub = Matching()
    number = {"family_name": "Hassan", "date_of_birth": "2009-05-06", "nhs_number": "9990000018"}
    hub.observe("one", "school", {"source_ref": "S1", "given_name": "Kristofer", **number})
    assert acts(hub.observe("other", "college", {"source_ref": "C1", "given_name": "Krzysztof", **number})) == [
        "linked"
    ]


def test_two_valid_numbers_of_one_kind_forbid_an_automatic_link() -> None:
    hub = twins()
    other = {**AMINA, "source_ref": "C1", "nhs_number": "9990000026"}
    rows = hub.observe("other", "college", other)
    assert rows[0]["person_id"] != hub.whose()["amina"]


def test_a_key_workers_phone_joins_nobody_by_itself() -> None:
    hub = Matching()
    for n, (given, family) in enumerate((("Omar", "Ali"), ("Leo", "Grant"), ("Mia", "Novak"))):
        born = f"2008-0{n + 1}-11"
        subject = {"source_ref": f"H{n}", "given_name": given, "family_name": family, "date_of_birth": born}
        hub.observe(f"h{n}", "housing", {**subject, "phone": "07700 900555"})
    assert len(hub.clusters()) == 3
    assert hub.held() == set()


def test_an_assigned_birthday_is_asked_about_and_never_linked_by_itself() -> None:
    hub = Matching()
    subject = {"given_name": "Abdirahman", "family_name": "Warsame", "phone": "07700 900321"}
    hub.observe("care", "social-care", {"source_ref": "P1", **subject, "date_of_birth": "2009-01-01"})
    rows = hub.observe("college", "college", {"source_ref": "C1", **subject, "date_of_birth": "2009-01-15"})
    assert acts(rows) == ["held", "review_opened"]
    assert hub.facts("reviews")[-1]["reason"] == "dob_near"
    refers = {"source_ref": "E1", **subject, "date_of_birth": "2009-01-01", "other_refs": {"social-care": "P1"}}
    assert acts(hub.observe("est", "est", refers)) == ["linked"]


def test_placeholders_join_nobody() -> None:
    hub = Matching()
    nothing = {"date_of_birth": "1900-01-01", "postcode": "ZZ99 3VZ", "phone": "0000", "email": "none@none.org"}
    nothing |= {"uln": "9999999999", "nino": "TN010203M", "address_line": "c/o Civic Centre", "given_name": "Unknown"}
    hub.observe("a", "housing", {"source_ref": "1", "family_name": "Smith", **nothing})
    (row,) = hub.observe("b", "housing", {"source_ref": "2", "family_name": "Smith", **nothing})
    assert row["how"] == "new"


def test_names_in_each_others_place_are_asked_about() -> None:
    hub = twins()
    swapped = {**HOME, "source_ref": "J1", "given_name": "Hassan", "family_name": "Amina"}
    assert acts(hub.observe("jcp", "jobcentre", swapped)) == ["held", "review_opened"]
    assert hub.facts("reviews")[-1]["reason"] == "names_swapped"


def test_spellings_of_one_name_from_another_script_are_one_name() -> None:
    hub = Matching()
    born = {"date_of_birth": "2008-02-02", "postcode": "NS1 1AA"}
    hub.observe("a", "school", {"source_ref": "1", "given_name": "Mohammed", "family_name": "Al-Hussain", **born})
    for n, (given, family) in enumerate((("Muhammad", "Al Hussain"), ("Mohamed", "Alhussain"), ("MOHD", "AL-HUSSAIN"))):
        (row,) = hub.observe(f"b{n}", f"s{n}", {"source_ref": "1", "given_name": given, "family_name": family, **born})
        assert row["person_id"] == hub.whose()["a"]


def test_the_same_message_three_times_and_the_same_content_under_new_ids_is_one_person() -> None:
    hub = Matching()
    for label in ("m1", "m1", "m1", "m2", "m3"):
        hub.observe(label, "school", AMINA)
    assert acts(hub.facts("attributions")) == ["linked"] * 3
    assert len(hub.clusters()) == 1


def test_no_personal_value_is_in_a_key_or_an_id() -> None:
    hub = twins()
    shared = {"given_name": "Amina", "family_name": "Hassan", "phone": HOME["phone"]}
    assert acts(hub.observe("x", "college", {"source_ref": "C1", **shared})) == ["held", "review_opened"]
    keys = [*hub.journal.store.states, *(out["person_id"] for out in hub.facts("attributions"))]
    for text in ("hassan", "amina", "900777", "9990000018", "7000000014", "NS5"):
        assert not any(text.lower() in key.lower() for key in keys)
