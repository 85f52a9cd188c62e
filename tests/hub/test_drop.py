"""The sample's college sends files: written by its mapping, read by its mapping, and answered."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.__main__ import app
from hub.demo.drop import COLLEGE, Drop
from hub.feed import FeedError
from hub.layout import contracts_folder, schemas_folder
from hub.sample.as_file import as_csv, carries
from hub.sample.county import county
from hub.sample.mess import Line
from services.ingest.channels.files.convert import events_of
from services.ingest.channels.files.read_csv import read_csv
from spine.schema import Catalogue

RUN = CliRunner()


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return county(people=400, days=60, seed=7)


@pytest.fixture
def college(tmp_path: Path) -> Drop:
    return Drop.of_college(tmp_path, contracts_folder(), Catalogue([schemas_folder()]))


def test_what_a_right_event_says_is_what_its_row_is_read_as(college: Drop, lines: list[Line], tmp_path: Path) -> None:
    right = [line for line in lines if college.takes(line) and not line.mistake]
    path = tmp_path / "x.csv"
    path.write_bytes(as_csv(college.rule, right))
    rows = list(read_csv(path, college.rule))
    assert len(rows) == len(right) > 30
    for row, line in zip(rows, right, strict=True):
        made, faults = events_of(row, college.rule)
        assert not faults and [one.rule.type for one in made] == [line.event["type"]]
        said = line.event["data"]
        assert made[0].body["effective_on"] == said["effective_on"]
        for part in ("subject", "data"):
            told = {name: value for name, value in made[0].body[part].items() if name in said[part]}
            assert told == {name: said[part][name] for name in told}, line.event["id"]


def test_only_its_own_kind_of_event_goes_by_file(college: Drop, lines: list[Line]) -> None:
    by_file = [line for line in lines if carries(college.rule, line)]
    assert {line.door_party for line in by_file} == {COLLEGE}
    attendance = [line for line in lines if line.event["type"] == "education.attendance.summary"]
    assert attendance and not any(college.takes(line) for line in attendance)


def test_what_is_wrong_in_the_sample_is_wrong_in_the_file(college: Drop, lines: list[Line]) -> None:
    line = next(line for line in lines if college.takes(line) and not line.mistake)
    wrong = Line(line.received_at, COLLEGE, {**line.event, "type": "education_enrolment_started"}, "wrong")
    (row,) = csv.DictReader(io.StringIO(as_csv(college.rule, [wrong]).decode()))
    assert college.takes(wrong) and row["Record Type"] == "???"


def test_a_file_lies_there_whole_and_is_waited_for(college: Drop, lines: list[Line]) -> None:
    filed = [line for line in lines if college.takes(line)][:3]
    college.put([])
    college.put(filed, simulate=True)
    (path,) = (college.root / COLLEGE / "in").iterdir()
    assert (
        date.fromisoformat((college.root / ".hub" / "simulated_time").read_text()[:10]) == filed[-1].received_at.date()
    )
    with pytest.raises(FeedError, match="NVC_ENROL"):
        college.wait(lambda: ["files"])
    assert college.came_of_it()[0] == {"unanswered": 1} and college.feedback() is None
    path.unlink()
    out = college.root / COLLEGE / "out"
    out.mkdir()
    (out / "a.summary.json").write_text(
        json.dumps({"state": "taken", "rows": 3, "rows_accepted": 2, "rows_refused": 1})
    )
    (out / "a.feedback.csv").write_text("Row")
    college.wait(lambda: ["files"])
    assert college.came_of_it() == (
        {"taken": 1},
        {"rows": 3, "rows_accepted": 2, "rows_refused": 1, "events_repeated": 0},
    )
    assert college.feedback() == out / "a.feedback.csv"


def test_the_sample_can_lay_the_college_s_part_into_drop_folders(tmp_path: Path) -> None:
    out = tmp_path / "lines"
    ran = RUN.invoke(
        app, ["sample", "--people", "200", "--days", "30", "--files", str(tmp_path / "f"), "--out", str(out), "--json"]
    )
    assert ran.exit_code == 0, ran.output
    said = json.loads(ran.stdout)
    files = list((tmp_path / "f" / COLLEGE / "in").glob("NVC_ENROL_*.csv"))
    assert len(files) == said["files"] > 0
    rows = sum(len(path.read_text().splitlines()) - 1 for path in files)
    assert rows == said["rows_in_files"] and len(out.read_text().splitlines()) + rows == said["events"]
