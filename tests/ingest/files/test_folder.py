"""When an upload has ended, and what lies in the folders afterwards."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from services.ingest.channels.files import feedback
from services.ingest.channels.files.feedback import safe_cell
from spine import telemetry
from tests.ingest.files.conftest import COLLEGE, ENROLLED, HOUSING, HOUSING_HEADINGS, LEFT, Drop, csv_text
from tests.ingest.files.test_repeats_and_snapshots import CASE

WHOLE = csv_text([ENROLLED, LEFT])


def test_a_file_that_still_grows_is_not_read(drop: Drop) -> None:
    folder, path = drop.folders[COLLEGE], drop.put(COLLEGE, "NVC_ENROL_1.csv", WHOLE[:200])
    for end in (300, 400, len(WHOLE)):
        folder.round()
        drop.ticking[0] += 50
        assert folder.round() == 0
        path.write_text(WHOLE[:end], encoding="utf-8")
    assert folder.round() == 0
    drop.ticking[0] += 61
    assert folder.round() == 1 and drop.summary(COLLEGE)["events_accepted"] == 2


def test_an_old_date_does_not_make_an_upload_whole(drop: Drop) -> None:
    path = drop.put(COLLEGE, "NVC_ENROL_1.csv", WHOLE[:200])
    os.utime(path, (0, 0))
    assert drop.folders[COLLEGE].round() == 0


@pytest.mark.parametrize("name", ["NVC_ENROL_1.csv.part", "NVC_ENROL_1.csv.filepart", ".NVC_ENROL_1.csv", "x.tmp"])
def test_a_name_of_an_upload_under_way_is_never_read_and_a_rename_in_place_is(drop: Drop, name: str) -> None:
    path = drop.put(COLLEGE, name, WHOLE)
    assert drop.look(COLLEGE) == 0 and path.exists()
    path.rename(path.with_name("NVC_ENROL_1.csv"))
    assert drop.look(COLLEGE) == 1


def test_where_a_marker_was_agreed_the_file_waits_for_it(drop: Drop) -> None:
    path = drop.put(HOUSING, "HOUSING-1.csv", csv_text([CASE], HOUSING_HEADINGS, ";"))
    assert drop.look(HOUSING, 600) == 0
    path.with_name("HOUSING-1.csv.done").touch()
    assert drop.folders[HOUSING].round() == 1
    assert list((drop.root / HOUSING / "in").iterdir()) == []


@pytest.mark.parametrize(
    ("party", "name", "code"),
    [
        (COLLEGE, "NVC_ENROL_1.csv.part", "incomplete"),
        (HOUSING, "HOUSING-1.csv", "no_marker"),
        (HOUSING, "HOUSING-1.csv.done", "marker_alone"),
    ],
)
def test_an_upload_that_did_not_end_is_reported_once_and_left_to_its_sender(
    drop: Drop, party: str, name: str, code: str
) -> None:
    path = drop.put(party, name, "x")
    drop.look(party, 3_601)
    assert [found[2] for found in drop.codes(party)] == [code]
    for answer in drop.out(party).iterdir():
        answer.unlink()
    drop.look(party, 3_601)
    assert path.exists() and list(drop.out(party).iterdir()) == []


def test_a_name_that_no_mapping_knows_is_answered(drop: Drop) -> None:
    path = drop.put(COLLEGE, "=cmd|' names of people'.csv", "x")
    drop.look(COLLEGE)
    assert [found[2] for found in drop.codes(COLLEGE)] == ["no_mapping"] and not path.exists()
    assert all(not p.name.startswith("=") for p in drop.out(COLLEGE).iterdir())


def test_nothing_of_a_file_is_left_behind(drop: Drop) -> None:
    drop.put(COLLEGE, "NVC_ENROL_1.csv", WHOLE)
    drop.look(COLLEGE)
    left = [p for p in drop.root.rglob("*") if p.is_file()]
    assert left and not any(b"Khan" in p.read_bytes() or b"Brien" in p.read_bytes() for p in left)


def test_a_partner_never_reads_of_another(drop: Drop) -> None:
    drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text([{**ENROLLED, "ULN": "7E+09"}]))
    drop.look(COLLEGE)
    assert list(drop.out(HOUSING).iterdir()) == []


def test_one_file_over_which_the_hub_fails_keeps_no_other_waiting(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.ingest.channels.files import batch

    def failing(*_: object) -> None:
        raise TypeError("CANARY")

    drop.put(COLLEGE, "NVC_ENROL_1.csv", WHOLE)
    monkeypatch.setitem(batch.READERS, "csv", failing)
    drop.look(COLLEGE)
    monkeypatch.undo()
    drop.put(COLLEGE, "NVC_ENROL_2.csv", csv_text([ENROLLED]))
    assert drop.look(COLLEGE) == 1 and drop.summary(COLLEGE)["events_accepted"] == 1


def test_too_large_a_file_is_refused_before_it_is_read(drop: Drop) -> None:
    drop.folders[COLLEGE].bytes_max = 100
    drop.put(COLLEGE, "NVC_ENROL_1.csv", WHOLE)
    drop.look(COLLEGE)
    assert [found[2] for found in drop.codes(COLLEGE)] == ["too_big"] and drop.events() == []


def test_logs_name_the_party_and_counts_and_nothing_of_a_row(drop: Drop) -> None:
    out = io.StringIO()
    telemetry.setup("ingest-files", out=out)
    drop.put(COLLEGE, "NVC_ENROL_OBrien.csv", csv_text([ENROLLED, {**LEFT, "ULN": "7E+09"}]))
    drop.look(COLLEGE)
    (line,) = [json.loads(text) for text in out.getvalue().splitlines()]
    assert (line["event"], line["party"], line["rows"], line["refused"]) == ("file_taken", COLLEGE, 2, 1)
    assert not any(word in out.getvalue() for word in ("Brien", "P100881", "7E+09", "Zo"))


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =HYPERLINK(1)", "=cmd|' /C calc'!A0"]
)
def test_no_cell_of_a_feedback_file_runs_as_a_formula(text: str) -> None:
    shown = safe_cell(text)
    assert shown.startswith("'") and "\t" not in shown and "\r" not in shown


def test_a_feedback_file_has_no_turned_writing_direction() -> None:
    assert safe_cell("a\u202eb\x00c") == "a b c"


def test_two_doors_on_one_root_do_not_work_at_once(tmp_path: Path) -> None:
    import fcntl

    from services.ingest.channels.files.run import alone

    with alone(tmp_path), (tmp_path / ".hub" / "lock").open("w") as second, pytest.raises(BlockingIOError):
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_feedback_that_has_an_end_says_how_much_it_does_not_list(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "FAULTS_MAX", 3)
    drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text([{**ENROLLED, "Mode": "?"} for _ in range(8)]))
    drop.look(COLLEGE)
    assert [code for _, _, code in drop.codes(COLLEGE)] == ["not_a_word"] * 3 + ["more_faults"]
    assert "5 more" in drop.feedback(COLLEGE)[-1]["What is wrong"]
