"""Races, full disks, torn and lying files: what a drop folder meets on a bad day."""

from __future__ import annotations

import errno
import os
import random
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from services.ingest.channels.files import feedback as feedback_module
from services.ingest.channels.files import folder as folder_module
from services.ingest.channels.files.batch import READERS, FilesDoor
from services.ingest.channels.files.convert import events_of
from services.ingest.channels.files.feedback import Feedback, safe_cell
from services.ingest.channels.files.folder import CLAIMS, Folder
from services.ingest.channels.files.said import FileFault, row_fault
from services.ingest.gate import Gate
from spine.errors import Retry
from tests.adversary.test_files_and_sftp import repacked
from tests.ingest.files.conftest import (
    ACADEMY,
    COLLEGE,
    ENROLLED,
    HOUSING,
    HOUSING_HEADINGS,
    INCLUSION,
    LEFT,
    Drop,
    as_excel_writes,
    catalogue,
    csv_text,
    drop,
    gate,
    mappings,
    nccis,
    registered,
    workbook,
)
from tests.ingest.files.test_repeats_and_snapshots import CASE

__all__ = ["catalogue", "drop", "gate", "mappings"]
ONE, TWO = csv_text([ENROLLED]), csv_text([LEFT])


def disturb(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """``act`` once, while a file is being taken."""
    real, acted = FilesDoor.take, []

    def taking(*given: Any, **named: Any) -> Any:
        if not acted:
            acted.append(True)
            act()
        return real(*given, **named)

    monkeypatch.setattr(FilesDoor, "take", taking)


# Races


def test_a_file_that_comes_under_the_same_name_while_the_first_is_read_is_not_thrown_away(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop.put(COLLEGE, "NVC_ENROL_1.csv", ONE)

    def replaced() -> None:
        path.with_name("x.part").write_text(TWO, encoding="utf-8")
        path.with_name("x.part").rename(path)

    disturb(monkeypatch, replaced)
    drop.look(COLLEGE)
    assert path.read_text(encoding="utf-8").split() == TWO.split() and len(drop.said()) == 1
    drop.look(COLLEGE)
    assert not path.exists() and len(drop.said()) == 2


def test_a_file_that_its_sender_takes_back_while_it_is_read_is_no_fault(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop.put(COLLEGE, "NVC_ENROL_1.csv", ONE)
    disturb(monkeypatch, path.unlink)
    assert drop.look(COLLEGE) == 1 and drop.summary(COLLEGE)["state"] == "taken"


def test_a_file_that_goes_between_being_seen_and_being_read_is_no_fault(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop.put(COLLEGE, "NVC_ENROL_1.csv", ONE)
    real = folder_module.copy

    def gone(*given: Any) -> str:
        path.unlink()
        return real(*given)

    monkeypatch.setattr(folder_module, "copy", gone)
    assert drop.look(COLLEGE) == 0 and list(drop.out(COLLEGE).iterdir()) == []


def test_the_marker_of_an_earlier_upload_does_not_make_the_next_one_whole(drop: Drop) -> None:
    rows = csv_text([CASE, {**CASE, "Stage": "Relief"}], HOUSING_HEADINGS, ";")
    path = drop.put(HOUSING, "HOUSING-1.csv", rows, done=True)
    time.sleep(0.02)
    path.write_text(rows[:-20], encoding="cp1252")
    assert drop.folders[HOUSING].round() == 0, "half of the second upload, with the first one's marker"
    path.write_text(rows, encoding="cp1252")
    path.with_name("HOUSING-1.csv.done").unlink()
    path.with_name("HOUSING-1.csv.done").touch()
    assert drop.folders[HOUSING].round() == 1 and len(drop.said()) == 2


def test_an_old_marker_is_never_believed_however_long_the_file_behind_it_lies(drop: Drop) -> None:
    rows = csv_text([CASE, {**CASE, "Stage": "Relief"}], HOUSING_HEADINGS, ";")
    path = drop.put(HOUSING, "HOUSING-1.csv", rows, done=True)
    time.sleep(0.02)
    path.write_text(rows[:-20], encoding="cp1252")
    assert drop.look(HOUSING, 61) == 0 and drop.look(HOUSING, 3_601) == 0 and drop.said() == []
    assert drop.codes(HOUSING) == [("", "", "old_marker")] and path.exists()
    assert "HOUSING-1.csv.done" in drop.feedback(HOUSING)[0]["What is wrong"]
    path.write_text(rows, encoding="cp1252")
    path.with_name("HOUSING-1.csv.done").unlink()
    path.with_name("HOUSING-1.csv.done").touch()
    assert drop.folders[HOUSING].round() == 1 and len(drop.said()) == 2


def test_writing_with_the_old_time_and_size_is_seen(drop: Drop) -> None:
    path = drop.put(COLLEGE, "NVC_ENROL_1.csv", ONE)
    folder, before = drop.folders[COLLEGE], path.stat()
    folder.round()
    drop.ticking[0] += 59
    time.sleep(0.02)
    with path.open("r+b") as stream:
        stream.write(b"L")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    folder.round()
    drop.ticking[0] += 59
    assert folder.round() == 0


def test_what_a_killed_door_had_set_aside_unread_is_given_back(drop: Drop) -> None:
    claims = drop.root / COLLEGE / "in" / CLAIMS
    claims.mkdir()
    (claims / "NVC_ENROL_1.csv").write_text(ONE, encoding="utf-8")
    old = drop.folders[COLLEGE]
    again = Folder(drop.root, old.mapping, old.door, old.monotonic)
    again.round()
    drop.ticking[0] += 61
    assert again.round() == 1 and len(drop.said()) == 1


# Disks and handles


@pytest.mark.parametrize("where", ["copy", "feedback", "summary"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.EIO])
def test_a_full_disk_keeps_files_waiting_and_refuses_none(
    drop: Drop, monkeypatch: pytest.MonkeyPatch, where: str, code: int
) -> None:
    path = drop.put(COLLEGE, "NVC_ENROL_1.csv", ONE)

    def full(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    target, name = {
        "copy": (folder_module, "copy"),
        "feedback": (feedback_module.os, "fsync"),
        "summary": (folder_module, "write_summary"),
    }[where]
    monkeypatch.setattr(target, name, full)
    with pytest.raises(Retry, match="disk"):
        drop.look(COLLEGE)
    monkeypatch.undo()
    assert path.exists() and [p.name for p in drop.out(COLLEGE).iterdir() if p.name.startswith(".")] == []
    assert drop.folders[COLLEGE].round() == 1 and not path.exists()
    assert len({e["id"] for e in drop.said()}) == 1
    answer = drop.summary(COLLEGE)
    assert (answer["state"], answer["rows"], answer.get("seen_before", False)) == ("taken", 1, False)


def test_a_file_of_which_no_row_is_judged_waits_too_while_no_policy_is_in_force(drop: Drop) -> None:
    path = drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text([{**ENROLLED, "Record Type": "???"}]))
    folder, held = drop.folders[COLLEGE], drop.folders[COLLEGE].door
    folder.door = replace(held, gate=replace(cast(Gate, held.gate), policy=None))
    with pytest.raises(Retry, match="policy"):
        drop.look(COLLEGE)
    assert path.exists()
    folder.door = held
    assert folder.round() == 1


def test_answers_are_not_written_through_a_link(drop: Drop, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("CANARY")
    beside = drop.out(COLLEGE) / ".x.feedback.csv.new"
    beside.symlink_to(victim)
    with Feedback(drop.out(COLLEGE), "x") as feedback:
        feedback.tell([row_fault(1, "", "empty")])
    assert victim.read_text() == "CANARY" and not (drop.out(COLLEGE) / "x.feedback.csv").is_symlink()


def test_a_link_in_the_folder_is_refused_and_its_target_stays(drop: Drop, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text(ONE, encoding="utf-8")
    (drop.root / COLLEGE / "in" / "NVC_ENROL_1.csv").symlink_to(secret)
    os.mkfifo(drop.root / COLLEGE / "in" / "NVC_ENROL_2.csv")
    drop.look(COLLEGE)
    assert drop.events() == [] and secret.exists()
    assert list((drop.root / COLLEGE / "in").iterdir()) == []


# Names


def test_a_name_that_is_no_text_is_reported_like_any_other(drop: Drop) -> None:
    folder = os.fsencode(drop.root / HOUSING / "in")
    with open(folder + b"/HOUSING-\xff\n=x.csv", "wb") as stream:
        stream.write(b"x")
    drop.look(HOUSING, 3_601)
    assert [found[2] for found in drop.codes(HOUSING)] == ["no_marker"]


# Lying files


def test_a_workbook_of_torn_parts_is_refused_and_the_next_file_is_read(drop: Drop, tmp_path: Path) -> None:
    good = tmp_path / "good.xlsx"
    workbook(good, [["004711", "Ada", "Testcase"]] * 200)
    with zipfile.ZipFile(good) as package:
        at = package.getinfo("xl/worksheets/sheet1.xml").header_offset
    content = bytearray(good.read_bytes())
    for n in range(at + 60, at + 160):
        content[n] ^= 0x5A
    drop.put(ACADEMY, "Destinations 1.xlsx", bytes(content))
    drop.put(ACADEMY, "Destinations 2.xlsx", b"PK\x03\x04 torn")
    assert drop.look(ACADEMY) == 2
    assert drop.events() == [] and list((drop.root / ACADEMY / "in").iterdir()) == []


@pytest.mark.parametrize("lie", ["rows", "columns"])
def test_a_small_workbook_that_claims_rows_or_columns_without_end_is_a_bomb(
    drop: Drop, tmp_path: Path, lie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.ingest.channels.files import read_xlsx

    monkeypatch.setattr(read_xlsx, "SHEET_ROWS_MAX", 50_000)
    monkeypatch.setattr(read_xlsx, "CELLS_MAX", 100_000)
    good, target = tmp_path / "good.xlsx", tmp_path / "bad.xlsx"
    workbook(good, [["004711", "Ada", "Testcase"]])
    far = b'<row r="2000000000"><c r="A2000000000"><v>1</v></c></row></sheetData>'
    wide = b"".join(b'<row r="%d"><c r="XFD%d"/></row>' % (n, n) for n in range(3, 40)) + b"</sheetData>"
    line = far if lie == "rows" else wide
    content = repacked(good, target, lambda n, b: b.replace(b"</sheetData>", line) if "sheet1" in n else b)
    begun = time.monotonic()
    drop.put(ACADEMY, "Destinations.xlsx", content)
    drop.look(ACADEMY)
    assert [found[2] for found in drop.codes(ACADEMY)] == ["bomb"] and time.monotonic() - begun < 30


@pytest.mark.parametrize("name", ["shift_jis", "no-such-thing", "utf-7"])
def test_xml_in_an_encoding_that_nobody_agreed_is_refused_and_answered(drop: Drop, name: str) -> None:
    content = nccis([registered(1)]).replace(b"UTF-8", name.encode())
    drop.put(INCLUSION, "NCCIS_1.xml", content, done=True)
    drop.look(INCLUSION)
    assert [found[2] for found in drop.codes(INCLUSION)] == ["xml_broken"] and drop.events() == []


@pytest.mark.parametrize("size", [4_001, 5_000, 9_000, 70_000])
def test_too_long_an_element_is_a_fault_and_not_an_empty_one(drop: Drop, size: int) -> None:
    drop.put(INCLUSION, "NCCIS_1.xml", nccis([registered(1, Postcode="x" * size)]), done=True)
    drop.look(INCLUSION)
    assert drop.codes(INCLUSION) == [("1", "Postcode", "long_cell")] and drop.said() == []


def test_a_huge_cell_of_csv_is_refused_without_an_event(drop: Drop) -> None:
    drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text([{**ENROLLED, "Surname": "x" * 5_000}]))
    drop.look(COLLEGE)
    assert drop.codes(COLLEGE) == [("2", "Surname", "long_cell")] and drop.said() == []
    drop.put(COLLEGE, "NVC_ENROL_2.csv", csv_text([{**ENROLLED, "Surname": "x\n" * 100_000}]))
    drop.look(COLLEGE)
    assert drop.codes(COLLEGE) == [("2", "", "quotes")] and drop.said() == []


def test_every_cell_of_an_answer_is_quoted_and_none_runs(drop: Drop) -> None:
    drop.put(COLLEGE, "NVC_ENROL_1.csv", csv_text([{**ENROLLED, "ULN": "7E+09"}, LEFT]))
    drop.look(COLLEGE)
    lines = [line for p in drop.out(COLLEGE).glob("*.csv") for line in p.read_text(encoding="utf-8-sig").splitlines()]
    assert len(lines) > 3 and all(line.startswith('"') and line.endswith('"') for line in lines)
    for start in ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＠", " ="):
        assert safe_cell(start + "cmd").startswith("'")


@pytest.mark.parametrize("seed", range(60))
def test_whatever_becomes_of_the_bytes_a_reader_gives_rows_or_says_why_not(
    drop: Drop, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    workbook(tmp_path / "x", [["004711", "Ada", "Testcase"]] * 5)
    given = {
        ACADEMY: as_excel_writes(tmp_path / "x"),
        COLLEGE: csv_text([ENROLLED, LEFT]).encode(),
        INCLUSION: nccis([registered(1), registered(2)]),
    }
    for party, whole in given.items():
        torn = bytearray(whole[: chance.choice([len(whole), chance.randrange(len(whole))])])
        for _ in range(chance.randint(0, 6)):
            torn.insert(chance.randrange(len(torn) + 1), chance.randrange(256))
        path = tmp_path / "torn"
        path.write_bytes(torn)
        rule = drop.folders[party].mapping.files[0]
        try:
            for row in READERS[rule.format](path, rule):
                events_of(row, rule)
        except FileFault as fault:
            assert fault.shown().wrong
