"""What has gone wrong elsewhere: one twin's number on the other, shared phones, assigned birthdays, placeholders."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hub_of_matching import CONTRACTS, Matching, acts

from services.matching.agent import matcher_of
from services.matching.bulk import Bulk

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


def test_a_twins_number_on_the_other_twin_is_asked_about_where_no_postcode_tells_them_apart() -> None:
    hub = Matching()
    hub.observe("amina", "school", AMINA)
    moved = {"source_ref": "H1", "given_name": "Yusuf", **HOME, "postcode": None, "nhs_number": AMINA["nhs_number"]}
    assert acts(hub.observe("wrong", "health", moved)) == ["held", "review_opened"]
    assert hub.facts("reviews")[-1]["reason"] == "another_given_name"


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
    hub.observe("one", "school", {"source_ref": "S1", "given_name": "Siobhan", **number})
    assert acts(hub.observe("other", "college", {"source_ref": "C1", "given_name": "Shevaun", **number})) == ["linked"]


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


SHARED = {
    "a hostel": {"address_line": "Room 4, Northport Foyer", "postcode": "NS5 5AB"},
    "an office": {"address_line": "c/o Leaving Care Team, Civic Centre", "postcode": "NS1 1AA"},
    "no home": {"address_line": "NFA", "postcode": "ZZ99 3VZ"},
    "a key worker's phone": {"phone": "07700 900555 (key worker)"},
    "a council's phone": {"phone": "0300 123 4567"},
    "a worker's mailbox": {"email": "key.worker@northshire.gov.uk"},
    "a team's mailbox": {"email": "hostel@homes.example.org"},
}


@pytest.mark.parametrize("shared", SHARED.values(), ids=SHARED)
def test_what_many_share_supports_no_link(shared: dict[str, str]) -> None:
    """Two young men of one common name who were both given the 1st of January, and live behind one door."""
    hub = Matching()
    said = {"given_name": "Mohamed", "family_name": "Ali", "date_of_birth": "2008-01-01", **shared}
    hub.observe("one", "housing", {"source_ref": "H1", **said})
    assert acts(hub.observe("other", "social-care", {"source_ref": "P1", **said})) == ["held", "review_opened"]
    assert hub.facts("reviews")[-1]["reason"] == "no_support"


def test_a_former_postcode_still_supports_a_link() -> None:
    hub = Matching()
    hub.observe("first", "school", {**AMINA, "phone": None})
    hub.observe("moved", "school", {**AMINA, "phone": None, "postcode": "NS9 9ZZ"})
    late = {k: v for k, v in AMINA.items() if k not in ("phone", "nhs_number")}
    assert acts(hub.observe("late", "college", {**late, "source_ref": "C1"})) == ["linked"]
    assert len(hub.clusters()) == 1


DEFAULTS = [{"uln": "9999999999"}, {"nino": "TN060509M"}, {"nino": "AB123456C"}, {"upn": "L20190011301A"}]
DEFAULTS += [{"nhs_number": "0000000000"}, {"nino": "PP999999P"}]


@pytest.mark.parametrize("default", DEFAULTS, ids=lambda d: " ".join(*d.items()))
def test_a_default_number_is_no_number(default: dict[str, str]) -> None:
    """It neither joins two strangers nor parts one child from her own number."""
    hub = Matching()
    born = {"date_of_birth": "2008-02-02"}
    hub.observe("a", "school", {"source_ref": "1", "given_name": "Leo", "family_name": "Grant", **born, **default})
    (row,) = hub.observe("b", "college", {"source_ref": "2", "given_name": "Mia", "family_name": "Novak", **default})
    assert row["how"] == "new"
    own = {"nhs_number": "9990000018", "uln": "7000000014", "upn": "L201900113011", "nino": "QQ123457A"}
    hub.observe("c", "school", {**AMINA, **own, "source_ref": "3"})
    hub.observe("d", "college", {**AMINA, **own, **default, "source_ref": "4"})
    assert hub.whose()["c"] == hub.whose()["d"]


SAME_NAME = [
    (("Aisha Bibi", "Khan"), (None, "KHAN, Aisha Bibi")),
    (("Aisha Bibi", "Khan"), ("Miss A.", "KHAN")),
    (("Mohammed Bilal", "Khan"), ("Bilal", "Khan")),
    (("Harpreet Kaur", "Gill"), ("Harpreet", "Kaur")),
    (("Niamh", "O’Neill"), ("NIAMH", "O NEILL")),
    (("Turner", "Hall-Reid"), ("Turner", "Reid")),
    (("Xasan", "Cabdi"), ("Hassan", "Cabdi")),
    (("Małgorzata", "Nowak"), ("Gosia", "Nowak")),
    (("Ewa", "Nováková"), ("Ewa", "Novak")),
    (("Shareef", "Choudhury"), ("Shareef", "Chaudhry")),
    (("Anne-Marie", "Ward"), ("Ann Marie", "Ward")),
]


@pytest.mark.parametrize(("one", "other"), SAME_NAME, ids=lambda n: " ".join(filter(None, n)))
def test_one_name_as_two_agencies_write_it_is_one_name(
    one: tuple[str | None, str], other: tuple[str | None, str]
) -> None:
    hub = Matching()
    home = {"date_of_birth": "2008-02-02", "postcode": "NS1 1AA"}
    hub.observe("a", "school", {"source_ref": "1", "given_name": one[0], "family_name": one[1], **home})
    (row,) = hub.observe("b", "college", {"source_ref": "2", "given_name": other[0], "family_name": other[1], **home})
    assert row["person_id"] == hub.whose()["a"]


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


def measured() -> Bulk:
    """A population large enough for weights to speak."""
    bulk, letters = Bulk(matcher_of(CONTRACTS)[0]), random.Random(1)
    for n in range(300):
        family = "".join(letters.choices("abcdeilmnorstu", k=9))
        row = {"event_id": f"f{n}", "source": "filler", "source_ref": f"f{n}", "given_name": "Jack"}
        bulk.resolve({**row, "family_name": family, "date_of_birth": f"{2000 + n % 9}-{n % 12 + 1:02d}-10"})
    return bulk


ZORA = {"given_name": "Zora", "family_name": "Quillfeather", "date_of_birth": "2009-05-06"}


@pytest.mark.parametrize(("source", "decision"), [("college", "link"), ("school", "review")])
def test_two_records_that_one_source_keeps_apart_are_no_weights_to_join(source: str, decision: str) -> None:
    bulk = measured()
    bulk.resolve({**ZORA, "event_id": "one", "source": "school", "source_ref": "S1"})
    assert bulk.resolve({**ZORA, "event_id": "two", "source": source, "source_ref": "S2"}).decision == decision


def test_names_alone_are_asked_about_however_rare() -> None:
    bulk = measured()
    bulk.resolve({**ZORA, "event_id": "one", "source": "school", "source_ref": "S1"})
    names = {"given_name": "Zora", "family_name": "Quillfeather"}
    assert bulk.resolve({**names, "event_id": "two", "source": "housing", "source_ref": "H1"}).decision == "review"


FILED = {
    "a brother's, without a birth date": ({"given_name": "Omar"}, "review"),
    "of somebody with another name and a near birth date": (
        {"given_name": "Leo", "family_name": "Grant", "date_of_birth": "2009-05-07"},
        "review",
    ),
    "her own under a new given name, with her number": ({"given_name": "Noor", "nhs_number": "9990000018"}, "link"),
    "her own under a new given name": ({"given_name": "Noor", "date_of_birth": "2009-05-06"}, "link"),
}


@pytest.mark.parametrize(("shown", "decision"), FILED.values(), ids=FILED)
def test_an_event_in_a_known_file_is_compared_with_the_person(shown: dict[str, str], decision: str) -> None:
    bulk = Bulk(matcher_of(CONTRACTS)[0])
    row = {"source": "school", "source_ref": "S1"}
    bulk.resolve({**row, **AMINA, "event_id": "one"})
    assert bulk.resolve({**row, "family_name": "Hassan", "event_id": "two", **shown}).decision == decision


def test_an_event_in_a_wrong_file_goes_to_the_child_whom_it_surely_is_about() -> None:
    bulk = Bulk(matcher_of(CONTRACTS)[0])
    bulk.resolve({**AMINA, "event_id": "amina", "source": "school"})
    leo = {"given_name": "Leo", "family_name": "Grant", "date_of_birth": "2008-02-03", "uln": "7000000022"}
    his = bulk.resolve({**leo, "event_id": "leo", "source": "college", "source_ref": "C7"}).person_id
    wrong = bulk.resolve({**leo, "event_id": "wrong", "source": "school", "source_ref": "S1"})
    assert (wrong.decision, wrong.person_id) == ("link", his)
    hers = bulk.resolve({**AMINA, "event_id": "more", "source": "school", "phone": "07700 900779"})
    assert hers.person_id != his
