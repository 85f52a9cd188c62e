"""The gate: who may send what, about whom, when."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.ingest.gate import Gate, No, Said, age_on
from services.ingest.parse import from_event
from services.ingest.policy import Agreement, SharingPolicy

RECEIVED = datetime(2025, 11, 24, 8, 5, tzinfo=UTC)


def verdict(gate: Gate, event: Any, party: str = "northvale-college", at: datetime = RECEIVED) -> Said | No:
    return gate.examine(party, at, from_event(event))


def codes(answer: Said | No) -> set[str]:
    assert isinstance(answer, No)
    return {found.code for found in answer.faults}


def test_what_an_agreement_covers_passes_typed(gate: Gate, withdrawal: Any) -> None:
    said = verdict(gate, withdrawal)
    assert isinstance(said, Said)
    assert said.effective_on == date(2025, 11, 21)
    assert said.subject["date_of_birth"] == date(2009, 3, 14)
    assert said.data == {"reason": "changed_mind", "destination": "unknown", "destination_confirmed": False}
    assert (said.source_kind, said.agreement, said.dropped) == ("college", "isa-2024-011@1.0.0", ())


def test_a_party_can_t_speak_for_another_and_nothing_is_kept(gate: Gate, withdrawal: Any) -> None:
    no = verdict(gate, withdrawal, party="southmere-college")
    assert isinstance(no, No) and no.reason == "wrong_principal" and not no.keep


def test_a_party_that_no_agreement_knows_is_refused_and_nothing_is_kept(gate: Gate, withdrawal: Any) -> None:
    withdrawal["source"] = "unknown-college"
    no = verdict(gate, withdrawal, party="unknown-college")
    assert isinstance(no, No) and no.reason == "wrong_principal" and not no.keep


def test_a_kind_of_party_publishes_its_own_types_only(gate: Gate, withdrawal: Any) -> None:
    withdrawal["type"] = "uc.claim_started"
    no = verdict(gate, withdrawal)
    assert isinstance(no, No) and no.reason == "no_agreement" and codes(no) == {"publisher_kind"} and not no.keep


def test_a_type_outside_the_catalogue_is_malformed(gate: Gate, withdrawal: Any) -> None:
    withdrawal["type"] = "education.enrolment.exploded"
    no = verdict(gate, withdrawal)
    assert isinstance(no, No) and no.reason == "malformed" and no.keep


@pytest.mark.parametrize(
    ("at", "passes"),
    [
        (datetime(2024, 8, 31, 22, 59, tzinfo=UTC), False),
        (datetime(2024, 8, 31, 23, 0, tzinfo=UTC), True),  # midnight of 1 September in London
        (datetime(2027, 8, 31, 22, 59, tzinfo=UTC), True),
        (datetime(2027, 8, 31, 23, 0, tzinfo=UTC), False),
    ],
)
def test_an_agreement_is_in_force_by_the_london_date_of_receipt(
    gate: Gate, withdrawal: Any, at: datetime, passes: bool
) -> None:
    withdrawal["data"]["effective_on"] = "2024-08-30"
    answer = verdict(gate, withdrawal, at=at)
    assert isinstance(answer, Said) == passes
    if isinstance(answer, No):
        assert answer.reason == "no_agreement" and not answer.keep


def altered(gate: Gate, **change: Any) -> Gate:
    """The gate with every agreement changed."""
    policy = gate.policy
    assert policy is not None
    grants = {
        key: tuple(replace(g, agreement=replace(g.agreement, **change)) for g in held)
        for key, held in policy.grants.items()
    }
    return Gate(replace(policy, grants=grants), gate.types)


def test_under_a_suspended_agreement_the_original_waits(gate: Gate, withdrawal: Any) -> None:
    no = verdict(altered(gate, suspended=True), withdrawal)
    assert isinstance(no, No) and no.reason == "suspended" and no.keep


def test_without_a_policy_everything_is_refused(gate: Gate, withdrawal: Any) -> None:
    no = verdict(Gate(None, gate.types), withdrawal)
    assert isinstance(no, No) and no.reason == "policy_missing" and no.keep


def test_over_sharing_refuses_the_whole_submission(gate: Gate, withdrawal: Any) -> None:
    withdrawal["data"]["subject"]["nhs_number"] = "9990000018"
    no = verdict(gate, withdrawal)
    assert isinstance(no, No) and no.reason == "not_in_agreement" and no.keep
    assert [(f.pointer, f.code) for f in no.faults] == [("/data/subject/nhs_number", "field_not_in_agreement")]


def test_a_minimising_agreement_drops_the_field_and_records_its_name(gate: Gate, withdrawal: Any) -> None:
    withdrawal["source"] = "southmere-college"
    withdrawal["data"]["subject"]["nhs_number"] = "not even valid"
    withdrawal["data"]["subject"]["shoe_size"] = 42
    said = verdict(gate, withdrawal, party="southmere-college")
    assert isinstance(said, Said)
    assert said.dropped == ("subject.(unknown)", "subject.nhs_number")
    assert "nhs_number" not in said.subject and "shoe_size" not in said.subject


def test_an_unknown_field_is_over_sharing_and_its_name_is_not_repeated(gate: Gate, withdrawal: Any) -> None:
    withdrawal["data"]["data"]["Zebedee Canary"] = "x"
    no = verdict(gate, withdrawal)
    assert isinstance(no, No) and no.reason == "not_in_agreement"
    assert "Canary" not in repr(no)


@pytest.mark.parametrize(
    ("born", "code"),
    [
        ("2012-01-01", "age_outside_agreement"),
        ("1998-11-24", "age_outside_agreement"),
        ("2026-01-01", "date_range"),
        ("1999-11-25", ""),
        ("2011-11-24", ""),
    ],
)
def test_the_age_on_the_day_of_receipt_must_be_covered(gate: Gate, withdrawal: Any, born: str, code: str) -> None:
    withdrawal["data"]["subject"]["date_of_birth"] = born
    answer = verdict(gate, withdrawal)
    assert codes(answer) == {code} if code else isinstance(answer, Said)


def test_a_missing_birth_date_passes_the_age_limits(gate: Gate, withdrawal: Any) -> None:
    del withdrawal["data"]["subject"]["date_of_birth"]
    assert isinstance(verdict(gate, withdrawal), Said)


@pytest.mark.parametrize(
    ("day", "code"),
    [
        ("2025-12-25", ""),
        ("2025-12-26", "date_range"),
        ("1989-12-31", "date_range"),
        ("1990-01-01", ""),
        ("2025-02-30", "date_form"),
        ("20251121", "date_form"),
        ("2025-W47-5", "date_form"),
        (20251121, "wrong_type"),
        (None, "missing"),
        (True, "wrong_type"),
    ],
)
def test_the_day_of_the_fact_lies_between_1990_and_31_days_ahead(
    gate: Gate, withdrawal: Any, day: Any, code: str
) -> None:
    withdrawal["data"]["effective_on"] = day
    answer = verdict(gate, withdrawal)
    assert codes(answer) == {code} if code else isinstance(answer, Said)


def test_somebody_must_be_meant(gate: Gate, withdrawal: Any) -> None:
    withdrawal["data"]["subject"] = {"given_name": "Aaliyah"}
    assert codes(verdict(gate, withdrawal)) == {"who"}
    withdrawal["data"]["subject"] = {"source_ref": "P1"}
    assert isinstance(verdict(gate, withdrawal), Said)


def test_a_feed_report_is_about_nobody(gate: Gate) -> None:
    event = {
        "specversion": "1.0",
        "id": "f1",
        "source": "northshire-data-steward",
        "type": "feed.extract_received",
        "data": {
            "effective_on": "2025-11-24",
            "subject": {},
            "data": {"feed_source": "northvale-college", "shape": "delta", "rows": 5, "leaver_rows": 0},
        },
    }
    assert isinstance(verdict(gate, event, party="northshire-data-steward"), Said)


@pytest.mark.parametrize(
    ("part", "field", "value", "code"),
    [
        ("data", "reason", "unlisted", "not_in_list"),
        ("data", "reason", 5, "wrong_type"),
        ("data", "destination_confirmed", "yes", "wrong_type"),
        ("data", "destination_confirmed", 1, "wrong_type"),
        ("data", "destination_starts_on", "1/9/2025", "date_form"),
        ("subject", "given_name", "x" * 201, "too_long"),
        ("subject", "given_name", "a\0b", "control_character"),
        ("subject", "given_name", ["A"], "wrong_type"),
        ("subject", "other_names", "A B", "wrong_type"),
        ("subject", "other_names", ["A B"] * 51, "too_many"),
        ("subject", "other_names", ["A B", 3], "wrong_type"),
        ("subject", "other_refs", {"x": 1}, "wrong_type"),
        ("subject", "other_refs", {str(n): "r" for n in range(51)}, "too_many"),
        ("subject", "uln", "7000000015", "check_digit"),
        ("subject", "upn", "M201900113011", "check_digit"),
        ("subject", "sex", "f", "not_in_list"),
    ],
)
def test_each_value_is_checked(gate: Gate, withdrawal: Any, part: str, field: str, value: Any, code: str) -> None:
    withdrawal["data"][part][field] = value
    no = verdict(gate, withdrawal)
    assert isinstance(no, No) and codes(no) == {code}
    assert no.faults[0].pointer.startswith(f"/data/{part}/{field}")


@pytest.mark.parametrize("value", [-1, 10**10, float("inf"), float("nan"), "17", True, 10**400])
def test_hours_are_a_number_from_0(gate: Gate, withdrawal: Any, value: Any) -> None:
    withdrawal["type"] = "education.enrolment.changed"
    withdrawal["data"]["data"] = {"mode": "full_time", "hours_per_week": value}
    assert isinstance(verdict(gate, withdrawal), No)


def test_a_blank_text_says_nothing(gate: Gate, withdrawal: Any) -> None:
    withdrawal["data"]["subject"]["postcode"] = "  "
    withdrawal["data"]["subject"]["uln"] = ""
    said = verdict(gate, withdrawal)
    assert isinstance(said, Said) and "postcode" not in said.subject and "uln" not in said.subject


def test_withheld_names_fields_of_the_type(gate: Gate, withdrawal: Any) -> None:
    withdrawal["data"]["withheld"] = ["data.destination_kind", "subject.postcode", "data.destination_kind"]
    said = verdict(gate, withdrawal)
    assert isinstance(said, Said) and said.withheld == ("data.destination_kind", "subject.postcode")
    withdrawal["data"]["withheld"] = ["data.secret"]
    assert codes(verdict(gate, withdrawal)) == {"withheld_name"}


def test_a_neet_finding_needs_its_reason(gate: Gate) -> None:
    event = {
        "specversion": "1.0",
        "id": "c1",
        "source": "northshire-inclusion",
        "type": "contact.verified",
        "data": {
            "effective_on": "2025-11-21",
            "subject": {"source_ref": "X"},
            "data": {"contact_role": "inclusion-team", "method": "phone", "activity": "not_in_eet"},
        },
    }
    assert codes(verdict(gate, event, party="northshire-inclusion")) == {"missing"}
    event["data"]["data"]["neet_reason"] = "seeking"  # type: ignore[index]
    assert isinstance(verdict(gate, event, party="northshire-inclusion"), Said)


@pytest.mark.parametrize(
    ("attribute", "value", "code"),
    [
        ("specversion", "0.3", "specversion"),
        ("id", "", "id_form"),
        ("id", "a b", "id_form"),
        ("id", "x" * 129, "id_form"),
        ("id", "a\r\nb", "id_form"),
        ("id", 7, "id_form"),
        ("time", "yesterday", "time_form"),
        ("time", "2025-11-24T07:55:00", "time_form"),
        ("sequence", "1.5", "sequence_form"),
        ("sequence", -1, "sequence_form"),
        ("My-Ext", "x", "unknown_attribute"),
        ("ext", {"a": 1}, "unknown_attribute"),
    ],
)
def test_the_envelope_is_checked(gate: Gate, withdrawal: Any, attribute: str, value: Any, code: str) -> None:
    withdrawal[attribute] = value
    assert codes(verdict(gate, withdrawal)) == {code}


@pytest.mark.parametrize("sequence", ["12", 12, None])
def test_a_sequence_may_be_text_as_cloudevents_has_it(gate: Gate, withdrawal: Any, sequence: Any) -> None:
    withdrawal["sequence"] = sequence
    said = verdict(gate, withdrawal)
    assert isinstance(said, Said) and said.sequence == (12 if sequence else None)


@pytest.mark.parametrize("part", ["data", "subject"])
@pytest.mark.parametrize("value", ["text", 5, [], [1]])
def test_parts_are_objects(gate: Gate, withdrawal: Any, part: str, value: Any) -> None:
    withdrawal["data"][part] = value
    assert isinstance(verdict(gate, withdrawal), No)


def test_a_hundred_faults_are_enough(gate: Gate, withdrawal: Any) -> None:
    withdrawal["data"]["withheld"] = ["x"] * 60
    wide = copy.deepcopy(withdrawal)
    no = verdict(gate, wide)
    assert isinstance(no, No) and len(no.faults) == 60


def test_who_was_born_on_29_february_is_a_year_older_on_1_march() -> None:
    assert age_on(date(2008, 2, 29), date(2026, 2, 28)) == 17
    assert age_on(date(2008, 2, 29), date(2026, 3, 1)) == 18


def test_the_agreement_that_began_last_counts(gate: Gate) -> None:
    policy = gate.policy
    assert isinstance(policy, SharingPolicy)
    (grant,) = policy.grants[("education.enrolment.withdrawn", "northvale-college")]
    newer = replace(grant, agreement=Agreement("isa-2030-001@1.0.0", False, False, date(2025, 1, 1), date(2030, 1, 1)))
    both = replace(policy, grants={("education.enrolment.withdrawn", "northvale-college"): (newer, grant)})
    found = both.grant("education.enrolment.withdrawn", "northvale-college", date(2026, 1, 1))
    assert found is newer
