"""Files as they really come: spoilt by spreadsheets, encodings, cut-off uploads. Refused clearly, never guessed."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH

from tests.ingest.files.conftest import (
    ACADEMY,
    ACADEMY_HEADINGS,
    COLLEGE,
    COLLEGE_HEADINGS,
    ENROLLED,
    HOUSING,
    HOUSING_HEADINGS,
    INCLUSION,
    LEFT,
    Drop,
    csv_text,
    nccis,
    registered,
    workbook,
)

NAME = "NVC_ENROL_1.csv"


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("ULN", "7.00000E+09", "exponent"),
        ("ULN", "7E+09", "exponent"),
        ("ULN", "700000014", "lost_zeros"),
        ("ULN", "7000000014.0", "decimals"),
        ("ULN", "7000000015", "check_digit"),
        ("ULN", "##########", "hashes"),
        ("ULN", "#N/A", "cell_error"),
        ("Learner Ref", "100881", "form"),
        ("Learner Ref", "", "empty_cell"),
        ("Learner Ref", "1.00881E+05", "exponent"),
        ("Surname", "O’Brien".encode().decode("cp1252"), "mojibake"),
        ("Forename", "Zo\ufffd", "mojibake"),
        ("Forename", "Z" * 5_000, "long_cell"),
        ("Forename", "Z" * 500, "too_long"),
        ("Start Date", "45908", "serial_date"),
        ("Start Date", "2025-09-08", "date_form"),
        ("Start Date", "31/02/2025", "date_form"),
        ("Start Date", "08/09/25", "date_form"),
        ("Start Date", "########", "hashes"),
        ("Start Date", "", "empty_cell"),
        ("Start Date", "08/09/2027", "date_range"),
        ("Date of Birth", "14/03/1970", "age_outside_agreement"),
        ("Hours", "seventeen", "not_a_number"),
        ("Hours", "1.7E+01", "exponent"),
        ("Mode", "Full", "not_a_word"),
        ("Record Type", "LEFT", "no_event"),
    ],
)
def test_a_damaged_cell_refuses_its_row_at_the_partner_s_own_heading(
    drop: Drop, column: str, cell: str, code: str
) -> None:
    drop.put(COLLEGE, NAME, csv_text([{**ENROLLED, column: cell}, LEFT]))
    drop.look(COLLEGE)
    assert drop.codes(COLLEGE) == [("2", column, code)]
    assert drop.summary(COLLEGE)["events_accepted"] == 1 and drop.summary(COLLEGE)["rows_refused"] == 1
    (line,) = drop.feedback(COLLEGE)
    assert line["What is wrong"] and line["How to mend it"]
    if cell:
        assert cell not in str(line), "a feedback repeats no value"


def test_all_faults_of_a_row_are_told_at_once_the_hub_s_and_the_gate_s(drop: Drop) -> None:
    row = {**ENROLLED, "ULN": "7.0E+09", "Start Date": "45908", "Date of Birth": "14/03/1970", "Surname": "N" * 300}
    drop.put(COLLEGE, NAME, csv_text([row]))
    drop.look(COLLEGE)
    assert sorted(drop.codes(COLLEGE)) == sorted(
        [
            ("2", "ULN", "exponent"),
            ("2", "Start Date", "serial_date"),
            ("2", "Date of Birth", "age_outside_agreement"),
            ("2", "Surname", "too_long"),
        ]
    )


def test_a_row_with_a_damaged_cell_becomes_no_submission_and_one_that_the_gate_refuses_becomes_one(drop: Drop) -> None:
    rows = [{**ENROLLED, "ULN": "7E+09"}, {**ENROLLED, "Date of Birth": "14/03/1970"}]
    drop.put(COLLEGE, NAME, csv_text(rows))
    drop.look(COLLEGE)
    (submitted,) = drop.said()
    assert submitted["data"]["subject"]["date_of_birth"] == "1970-03-14"
    receipts = {line["Row"]: line["Receipt"] for line in drop.feedback(COLLEGE)}
    assert receipts == {"2": "", "3": submitted["id"]}


def test_placeholders_mean_that_nothing_is_there(drop: Drop) -> None:
    drop.put(
        COLLEGE,
        NAME,
        csv_text([{**ENROLLED, "ULN": "9999999999", "Date of Birth": "01/01/1900", "Postcode": "zz99 9zz"}]),
    )
    drop.look(COLLEGE)
    (event,) = drop.said()
    assert not {"uln", "date_of_birth", "postcode"} & set(event["data"]["subject"])


# Encodings


def test_a_byte_order_mark_is_no_part_of_the_first_heading(drop: Drop) -> None:
    drop.put(COLLEGE, NAME, b"\xef\xbb\xbf" + csv_text([ENROLLED]).encode())
    drop.look(COLLEGE)
    assert drop.summary(COLLEGE)["events_accepted"] == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (csv_text([ENROLLED]).encode("cp1252"), "encoding"),
        (csv_text([ENROLLED]).encode("utf-16"), "utf16"),
        (csv_text([ENROLLED]).encode("utf-16-le"), "binary"),
        (csv_text([ENROLLED]).replace("Zoë", "Z\0").encode(), "binary"),
        (b"", "empty"),
        (csv_text([]).encode(), "empty"),
        (csv_text([ENROLLED]).encode()[:-20], "quotes"),
        (csv_text([ENROLLED]).encode() + b'P1,"x\r\n', "quotes"),
        (csv_text([ENROLLED]).encode() + b"P100882,Ada,Smith\r\n", "row_width"),
        (b'"' + b"x" * 2_000_000, "long_line"),
    ],
)
def test_a_file_that_does_not_read_has_no_effect_at_all(drop: Drop, content: bytes, code: str) -> None:
    drop.put(COLLEGE, NAME, content)
    drop.look(COLLEGE)
    assert [found[2] for found in drop.codes(COLLEGE)] == [code]
    assert drop.summary(COLLEGE)["state"] == "refused" and drop.events() == []


def test_utf_8_where_the_code_page_was_agreed_shows_row_by_row(drop: Drop) -> None:
    row = {
        "Case No": "00012345",
        "Family name": "O’Brien",
        "Stage": "Approach",
        "Stage date": "20-Nov-2025",
        "Circumstance": "Other",
    }
    text = csv_text([row, {**row, "Case No": "00012346", "Family name": "Plain"}], HOUSING_HEADINGS, ";")
    drop.put(HOUSING, "HOUSING-1.csv", text.encode(), done=True)
    drop.look(HOUSING)
    assert drop.codes(HOUSING) == [("2", "Family name", "mojibake")]
    drop.put(HOUSING, "HOUSING-2.csv", b"\xef\xbb\xbf" + text.encode(), done=True)
    drop.look(HOUSING)
    assert drop.codes(HOUSING) == [("1", "", "encoding")]


def test_a_line_break_within_quotes_belongs_to_the_cell_and_rows_count_as_in_a_spreadsheet(drop: Drop) -> None:
    rows = [{**ENROLLED, "Postcode": "NS3\r\n4QT"}, {**LEFT, "ULN": "7E+9"}]
    drop.put(COLLEGE, NAME, csv_text(rows))
    drop.look(COLLEGE)
    assert drop.codes(COLLEGE) == [("3", "ULN", "exponent")]


# Headings


def test_a_missing_column_is_named(drop: Drop) -> None:
    drop.put(COLLEGE, NAME, csv_text([ENROLLED], [h for h in COLLEGE_HEADINGS if h not in ("ULN", "Sex")]))
    drop.look(COLLEGE)
    (line,) = drop.feedback(COLLEGE)
    assert (line["Code"], "Sex, ULN" in line["What is wrong"]) == ("missing_column", True)


def test_a_column_that_nobody_agreed_is_named_by_its_place_and_ignored_only_where_the_mapping_says_so(
    drop: Drop,
) -> None:
    drop.put(COLLEGE, "NVC_ENROL_a.csv", csv_text([ENROLLED], [*COLLEGE_HEADINGS, "Safeguarding note CANARY"]))
    drop.look(COLLEGE)
    (line,) = drop.feedback(COLLEGE)
    assert line["Code"] == "unknown_column" and "17" in line["What is wrong"] and "CANARY" not in str(line)
    drop.put(
        COLLEGE, "NVC_ENROL_b.csv", csv_text([{**ENROLLED, "Tutor Group": "7B"}], [*COLLEGE_HEADINGS, "Tutor Group"])
    )
    drop.look(COLLEGE)
    assert drop.summary(COLLEGE)["events_accepted"] == 1 and "7B" not in str(drop.said())


def test_a_file_without_headings_does_not_have_its_first_row_repeated(drop: Drop) -> None:
    text = csv_text([ENROLLED]).split("\r\n", 1)[1]
    drop.put(COLLEGE, NAME, text)
    drop.look(COLLEGE)
    assert [found[2] for found in drop.codes(COLLEGE)] == ["missing_column"]
    assert "Brien" not in str(drop.feedback(COLLEGE))


# Workbooks


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("Admission No", 4711, "lost_zeros"),
        ("Admission No", 4711.5, "decimals"),
        ("Admission No", "4.711E+03", "exponent"),
        ("Admission No", 4711e20, "exponent"),
        ("Admission No", "######", "hashes"),
        ("Admission No", '=CONCATENATE("00","4711")', "formula"),
        ("DOB", 39937, "serial_date"),
        ("DOB", datetime(2009, 5, 4, 12, 30), "date_form"),  # noqa: DTZ001
        ("DOB", True, "date_form"),
        ("Last name", "=1+1", "formula"),
        ("Year", 11.5, "decimals"),
    ],
)
def test_a_cell_that_a_spreadsheet_has_worked_on(drop: Drop, tmp_path: Path, column: str, cell: Any, code: str) -> None:
    good = [
        "004711",
        "Ada",
        "Testcase",
        date(2009, 5, 4),
        None,
        None,
        date(2025, 11, 20),
        "Intended",
        "Job",
        "No",
        11,
        None,
    ]
    bad = list(good)
    bad[ACADEMY_HEADINGS.index(column)] = cell
    drop.put(ACADEMY, "Destinations.xlsx", workbook(tmp_path / "w.xlsx", [good, [], bad]))
    drop.look(ACADEMY)
    assert drop.codes(ACADEMY) == [("4", column, code)]
    assert drop.summary(ACADEMY)["events_accepted"] == 1


@pytest.mark.parametrize("epoch", [WINDOWS_EPOCH, MAC_EPOCH])
def test_a_real_date_is_the_day_that_was_meant_whichever_day_the_workbook_counts_from(
    drop: Drop, tmp_path: Path, epoch: datetime
) -> None:
    """Four years and a day lie between the two: a serial number without its workbook means nothing."""
    row = ["004711", "Ada", "T", date(2009, 5, 4), None, None, datetime(2025, 11, 20), "Intended", "Job", "No", 11]  # noqa: DTZ001
    drop.put(ACADEMY, "Destinations.xlsx", workbook(tmp_path / "w.xlsx", [row], epoch=epoch))
    drop.look(ACADEMY)
    (event,) = drop.said()
    assert event["data"]["subject"]["date_of_birth"] == "2009-05-04"
    assert event["data"]["effective_on"] == "2025-11-20" and drop.codes(ACADEMY) == []


def test_xml_is_read_in_the_encoding_that_it_says_itself(drop: Drop) -> None:
    text = nccis([registered(1, FamilyName="O’Brien-Ĉu")]).decode()
    for n, encoding in enumerate(("utf-8", "utf-8-sig", "utf-16")):
        said = text.replace("UTF-8", encoding.removesuffix("-sig").upper()).replace("00001", f"0000{n}")
        drop.put(INCLUSION, f"NCCIS_{n}.xml", said.encode(encoding), done=True)
        drop.look(INCLUSION)
    assert [e["data"]["subject"]["family_name"] for e in drop.said()] == ["O’Brien-Ĉu"] * 3


def test_a_workbook_without_the_agreed_sheet_or_that_is_none(drop: Drop, tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.save(tmp_path / "w.xlsx")
    drop.put(ACADEMY, "Destinations a.xlsx", (tmp_path / "w.xlsx").read_bytes())
    drop.look(ACADEMY)
    assert [c[2] for c in drop.codes(ACADEMY)] == ["no_sheet"]
    whole = workbook(tmp_path / "w.xlsx", [["004711"]])
    for name, content, code in (("b", whole[: len(whole) // 2], "not_xlsx"), ("c", b"Name,DOB\r\n", "not_xlsx")):
        drop.put(ACADEMY, f"Destinations {name}.xlsx", content)
        drop.look(ACADEMY)
        assert [c[2] for c in drop.codes(ACADEMY)] == [code]
    assert drop.events() == []
