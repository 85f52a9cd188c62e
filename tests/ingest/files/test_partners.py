"""Each partner's own file becomes events; each row goes through the one gate and gets a receipt."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from services.ingest.agent import processor
from services.ingest.channels.files.mapping import MappingWrong, load_mappings, parse_mapping
from services.ingest.fields import TypeSpec
from tests.ingest.files.conftest import (
    ACADEMY,
    COLLEGE,
    CONTRACTS,
    ENROLLED,
    HOUSING,
    HOUSING_HEADINGS,
    INCLUSION,
    LEFT,
    Drop,
    as_excel_writes,
    csv_text,
    nccis,
    registered,
    workbook,
)


def test_a_college_s_delta_says_who_enrolled_and_who_left(drop: Drop) -> None:
    drop.put(COLLEGE, "NVC_ENROL_20251124.csv", csv_text([ENROLLED, LEFT]))
    assert drop.look(COLLEGE) == 1
    started, left = sorted(drop.said(), key=lambda e: str(e["type"]))
    assert (started["party"], started["door"], started["type"]) == (COLLEGE, "file", "education.enrolment.started")
    assert started["data"]["effective_on"] == "2025-09-08"
    assert started["data"]["subject"] == {
        "source_ref": "P100881",
        "given_name": "Zoë",
        "family_name": "O’Brien",
        "date_of_birth": "2009-03-14",
        "sex": "female",
        "postcode": "NS3 4QT",
        "uln": "7000000014",
    }
    assert started["data"]["data"] == {
        "institution_type": "further_education",
        "mode": "full_time",
        "hours_per_week": 17,
        "predicted_end_on": "2027-07-02",
    }
    assert left["data"]["data"] == {"reason": "changed_mind", "destination": "unknown", "destination_confirmed": False}
    assert drop.summary(COLLEGE)["events_accepted"] == 2 and drop.feedback(COLLEGE) == []


def test_a_batch_is_a_fact_of_its_own_with_its_rows_and_leavers(drop: Drop) -> None:
    drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text([ENROLLED, LEFT]))
    drop.look(COLLEGE)
    (extract,) = [e for e in drop.events() if e["type"] == "feed.extract_received"]
    assert extract["party"] == "northshire-data-steward"
    assert extract["data"]["data"] == {"feed_source": COLLEGE, "shape": "delta", "rows": 2, "leaver_rows": 1}


def test_every_row_has_a_receipt_that_is_its_submission(drop: Drop) -> None:
    drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text([ENROLLED, LEFT]))
    drop.look(COLLEGE)
    (path,) = drop.out(COLLEGE).glob("*.receipts.csv")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [(line["Row"], line["Outcome"]) for line in lines] == [("2", "accepted"), ("3", "accepted")]
    assert {line["Receipt"] for line in lines} == {event["id"] for event in drop.said()}


def test_an_academy_s_workbook_with_real_dates_and_text_numbers(drop: Drop, tmp_path: Path) -> None:
    day, born = date(2025, 11, 20), date(2009, 5, 4)
    rows = [
        ["004711", "Ada", "Testcase", born, "NS1 1AA", None, day, "Intended", "Sixth form", "Yes", 11, None],
        ["004712", "Bo", "Testcase", "05/05/2009", None, None, "20/11/2025", "Guarantee", None, None, 11, "No offer"],
    ]
    drop.put(ACADEMY, "Year 11 Destinations.xlsx", workbook(tmp_path / "w.xlsx", rows))
    drop.look(ACADEMY)
    assert drop.codes(ACADEMY) == []
    intended, guarantee = sorted(drop.said(), key=lambda e: str(e["type"]))
    assert intended["data"]["subject"]["source_ref"] == "004711"
    assert intended["data"]["subject"]["date_of_birth"] == "2009-05-04"
    assert intended["data"]["data"] == {"destination": "school_or_college", "application_made": True, "year_group": 11}
    assert guarantee["data"]["data"] == {"status": "no_offer", "year_group": 11}


def test_a_workbook_as_excel_itself_writes_it(drop: Drop, tmp_path: Path) -> None:
    row = ["004711", "Ada", "Testcase", "04/05/2009", None, None, "20/11/2025", "Guarantee", None, None, 11, "No offer"]
    workbook(tmp_path / "w.xlsx", [row])
    drop.put(ACADEMY, "Destinations.xlsx", as_excel_writes(tmp_path / "w.xlsx"))
    drop.look(ACADEMY)
    (event,) = drop.said()
    assert drop.codes(ACADEMY) == [] and event["data"]["subject"]["source_ref"] == "004711"


def test_a_record_of_the_careers_database_is_a_registration_and_may_be_a_guarantee(drop: Drop) -> None:
    offer = {"SeptemberGuarantee/GuaranteeStatus": "OM", "SeptemberGuarantee/YearGroup": "11"}
    people = [registered(1), registered(2, GuaranteeStatusIndicator="Y", **offer)]
    drop.put(INCLUSION, "NCCIS_202511.xml", nccis(people), done=True)
    drop.look(INCLUSION)
    assert drop.codes(INCLUSION) == []
    assert sorted(str(e["type"]) for e in drop.said()) == ["person.registered"] * 2 + ["september_guarantee.status"]
    (status,) = drop.said("september_guarantee")
    assert status["data"]["effective_on"] == "2025-11-20"
    assert status["data"]["data"] == {"status": "offer_made", "year_group": 11}


def test_a_housing_report_in_the_code_page_of_windows(drop: Drop) -> None:
    row = {
        "Case No": "00012345",
        "Given name": "Zoë",
        "Family name": "O’Brien",
        "Born": "14-Mar-2008",
        "Stage": "Approach",
        "Stage date": "20-Nov-2025",
        "Circumstance": "Sofa surfing",
        "Stated age": "17",
        "Last postcode": "NFA",
    }
    text = csv_text([row], HOUSING_HEADINGS, ";")
    drop.put(HOUSING, "HOUSING-20251124.csv", text.encode("cp1252"), done=True)
    drop.look(HOUSING)
    assert drop.codes(HOUSING) == []
    (event,) = drop.said()
    assert event["type"] == "housing.homelessness.approached"
    assert event["data"]["subject"] == {
        "source_ref": "00012345",
        "given_name": "Zoë",
        "family_name": "O’Brien",
        "date_of_birth": "2008-03-14",
    }
    assert event["data"]["data"]["circumstance"] == "sofa_surfing"


def test_ingest_accepts_from_the_log_what_the_door_let_through(drop: Drop, tmp_path: Path) -> None:
    from hub.sharing import compile_policy
    from tests.ingest.conftest import _write_head

    _write_head(tmp_path / "contracts", compile_policy(CONTRACTS))
    ingest = processor(drop.catalogue, tmp_path / "contracts", drop.sealer, 1)
    drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text([ENROLLED, LEFT]))
    drop.look(COLLEGE)
    facts = drop.facts()
    from spine.journal import MemoryJournal

    journal = MemoryJournal()
    with journal.transaction() as transaction:
        ingest.begin(("submissions", 0), facts, transaction)
        kinds = [effect.kind for fact in facts for effect in ingest.apply(fact).effects]
    assert kinds == ["observation.v1"] * 3


# Mappings


def test_every_committed_mapping_holds_under_the_agreements(drop: Drop) -> None:
    """Each field that a mapping fills may be sent, by that party, in that event type."""
    policy = next(iter(drop.folders.values())).door.gate.policy
    assert policy is not None
    for party, folder in drop.folders.items():
        for rule in folder.mapping.files:
            for event in rule.events:
                grant = policy.grant(event.type, party, date(2025, 11, 24))
                assert grant is not None, (party, event.type)
                fields = {f.path for f in event.fields} - {"effective_on", "observed_at"}
                assert fields <= grant.covered, (party, event.type, fields - grant.covered)


def wrong_mapping() -> dict[str, object]:
    return {
        "party": COLLEGE,
        "files": [
            {
                "name": "a",
                "pattern": "*.csv",
                "format": "csv",
                "encoding": "utf-8",
                "delimiter": ",",
                "shape": "delta",
                "message_id": {"from": "content"},
                "ignored": ["Ref"],
                "fields": {"subject.source_ref": {"column": "Ref"}, "subject.shoe_size": {"column": "Shoes"}},
                "events": [
                    {
                        "type": "education.enrolment.withdrawn",
                        "fields": {
                            "effective_on": {"column": "Left"},
                            "data.reason": {"column": "Why", "values": {"B": "bored"}},
                        },
                    },
                    {"type": "education.enrolment.evaporated"},
                ],
            }
        ],
    }


def test_a_mapping_that_can_t_be_right_names_every_fault(drop: Drop) -> None:
    schema, types = _schema_and_types(drop)
    with pytest.raises(MappingWrong) as caught:
        parse_mapping(wrong_mapping(), schema, types)
    text = " | ".join(caught.value.faults)
    for part in (
        "shoe_size is not a field",
        "effective_on needs its form of date",
        "data.reason: the value of 'B': 'bored' does not fit (not_in_list); it takes one of:",
        "needs data.destination",
        "evaporated is not an event type",
        "Ref is read and ignored",
    ):
        assert part in text


@pytest.mark.parametrize("change", [{"shape": "snapshot"}, {"encoding": None}, {"record": "X"}, {"strange": 1}])
def test_the_schema_refuses_a_file_that_lacks_or_has_too_much(drop: Drop, change: dict[str, object]) -> None:
    schema, types = _schema_and_types(drop)
    read = wrong_mapping()
    entry = read["files"][0]  # type: ignore[index]
    entry |= change
    if change.get("encoding", "") is None:
        del entry["encoding"]
    with pytest.raises(MappingWrong):
        parse_mapping(read, schema, types)


@pytest.mark.parametrize(
    ("path", "entry", "told"),
    [
        ("data.destination", {"constant": "the moon"}, "the constant 'the moon' does not fit (not_in_list)"),
        ("data.destination", {"constant": 7}, "the constant 7 does not fit (wrong_type)"),
        ("data.destination_confirmed", {"constant": "no"}, "the constant 'no' does not fit (wrong_type)"),
        ("effective_on", {"constant": "21/11/2025"}, "(date_form); it takes a date as YYYY-MM-DD"),
        ("observed_at", {"constant": "2025-11-21"}, "(time_form)"),
        ("subject.uln", {"constant": "7000000015"}, "(check_digit)"),
        ("data.destination_confirmed", {"column": "X", "values": {"J": "yes"}}, "the value of 'J': 'yes' does not fit"),
        ("data.reason", {"column": "X", "values": {"CM": True}}, "the value of 'CM': True does not fit (wrong_type)"),
        ("data.reason", {"column": "X", "date": "dd/mm/yyyy"}, "date is given, but this is no date"),
        ("data.reason", {"column": "X", "split": ";"}, "split is given, but this is no list"),
        ("subject.source_ref", {"column": "X", "matches": "("}, "matches is no regular expression"),
    ],
)
def test_what_a_mapping_itself_gives_must_pass_the_gate(
    drop: Drop, path: str, entry: dict[str, object], told: str
) -> None:
    """Otherwise every row of the file would be refused, and the partner could do nothing about it."""
    read = YAML(typ="safe").load(CONTRACTS / "mappings" / f"{COLLEGE}.yaml")
    read["files"][0]["events"][1]["fields"][path] = entry
    with pytest.raises(MappingWrong) as caught:
        parse_mapping(read, *_schema_and_types(drop), f"{COLLEGE}.yaml")
    (fault,) = caught.value.faults
    assert fault.startswith(f"{COLLEGE}.yaml: {read['files'][0]['name']}: {path}: ") and told in fault


@pytest.mark.parametrize(
    ("party", "extra"), [(COLLEGE, {"sheet": "Post-16"}), (INCLUSION, {"delimiter": ","}), (ACADEMY, {"record": "Row"})]
)
def test_a_setting_that_has_no_meaning_in_this_format_is_named(drop: Drop, party: str, extra: dict[str, str]) -> None:
    read = YAML(typ="safe").load(CONTRACTS / "mappings" / f"{party}.yaml")
    read["files"][0] |= extra
    with pytest.raises(MappingWrong) as caught:
        parse_mapping(read, *_schema_and_types(drop), f"{party}.yaml")
    assert f"{party}.yaml: files/0/{next(iter(extra))}: this has no meaning" in str(caught.value)


def test_faults_of_all_mappings_are_named_at_once_with_their_file(drop: Drop, tmp_path: Path) -> None:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mapping.schema.json").write_bytes((CONTRACTS / "mapping.schema.json").read_bytes())
    (tmp_path / "mappings" / "a.yaml").write_text("party: a\nparty: a\n")
    (tmp_path / "mappings" / "b.yaml").write_text("party: b\n")
    with pytest.raises(MappingWrong) as caught:
        load_mappings(tmp_path, _schema_and_types(drop)[1])
    assert {fault.partition(":")[0] for fault in caught.value.faults} == {"a.yaml", "b.yaml"}


def _schema_and_types(drop: Drop) -> tuple[dict[str, Any], Mapping[str, TypeSpec]]:
    return json.loads((CONTRACTS / "mapping.schema.json").read_bytes()), drop.folders[COLLEGE].door.gate.types


def test_a_mapping_under_another_party_s_file_name_is_refused(drop: Drop, tmp_path: Path) -> None:
    types = next(iter(drop.folders.values())).door.gate.types
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mapping.schema.json").write_bytes((CONTRACTS / "mapping.schema.json").read_bytes())
    (tmp_path / "mappings" / f"{HOUSING}.yaml").write_bytes((CONTRACTS / "mappings" / f"{COLLEGE}.yaml").read_bytes())
    with pytest.raises(MappingWrong):
        load_mappings(tmp_path, types)


@pytest.mark.parametrize("process", ["files", "sftp"])
def test_no_door_starts_on_a_mapping_that_is_wrong(tmp_path: Path, process: str) -> None:
    contracts = shutil.copytree(CONTRACTS, tmp_path / "contracts", ignore=shutil.ignore_patterns("compiled"))
    path = contracts / "mappings" / f"{COLLEGE}.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("constant: further_education", "constant: the moon"), "utf-8"
    )
    given = {**os.environ, "HUB_CONTRACTS": str(contracts), "HUB_SFTP_KEYS": str(tmp_path), "HUB_HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-m", "services.ingest", process],
        env={**given, "HUB_KAFKA": "127.0.0.1:1", "HUB_POSTGRES": "postgresql://127.0.0.1:1/none"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    told = (ran.stdout + ran.stderr).decode()
    assert ran.returncode == 3 and "Traceback" not in told
    assert f"{COLLEGE}.yaml: enrolments: data.institution_type: the constant 'the moon' does not fit" in told
