"""``hub resolve``: a file of identity rows in, people out."""

from __future__ import annotations

import csv
import gc
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hub_of_matching import CONTRACTS, ROOT
from typer.testing import CliRunner

from hub.resolve import app
from services.matching.agent import matcher_of
from services.matching.bulk import COLUMNS, Bulk, RowRefused

ROWS = [
    {"event_id": "1", "source": "school", "source_ref": "S1", "given_name": "Benjamin", "family_name": "O'Connor"}
    | {"date_of_birth": "2009-03-14", "postcode": "NS1 7HB"},
    {"event_id": "2", "source": "college", "source_ref": "C1", "given_name": "Ben", "family_name": "OConnor"}
    | {"date_of_birth": "14/03/2009", "postcode": "ns17hb"},
    {"event_id": "3", "source": "housing", "source_ref": "H1", "given_name": "Ben", "family_name": "OConnor"}
    | {"postcode": "NS1 7HB"},
    {"event_id": "4", "source": "housing", "source_ref": "H2", "given_name": "Zoë", "family_name": "Łuczak"},
]


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    return result.exit_code, result.output


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_rows_are_linked_asked_about_or_new(tmp_path: Path) -> None:
    source, out = write_csv(tmp_path / "in.csv", ROWS), tmp_path / "out.csv"
    code, said = run(source, "--out", out, "--json")
    assert code == 0
    told = json.loads(said)
    assert (told["rows"], told["link"], told["new"], told["review"], told["refused"]) == (4, 1, 2, 1, 0)
    rows = read(out)
    assert list(rows[0]) == ["event_id", "person_id", "decision", "weight", "candidate"]
    assert [row["decision"] for row in rows] == ["new", "link", "review", "new"]
    assert rows[0]["person_id"] == rows[1]["person_id"] == rows[2]["candidate"] != rows[2]["person_id"]
    float(rows[1]["weight"])


def test_lines_of_json_work_as_csv_does(tmp_path: Path) -> None:
    lines = tmp_path / "in.jsonl"
    lines.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS), encoding="utf-8")
    assert run(lines, "--out", tmp_path / "out.jsonl")[0] == 0
    assert run(write_csv(tmp_path / "in.csv", ROWS), "--out", tmp_path / "out.csv")[0] == 0
    told = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(t["event_id"], t["person_id"], t["decision"]) for t in told] == [
        (row["event_id"], row["person_id"], row["decision"]) for row in read(tmp_path / "out.csv")
    ]


def test_wrong_rows_are_named_without_their_values_and_the_others_are_written(tmp_path: Path) -> None:
    wrong_date = {**ROWS[3], "event_id": "7", "date_of_birth": "2009-13-01"}
    bad = [*ROWS, {**ROWS[0]}, {"event_id": "6", "source": "x"}, wrong_date]
    code, said = run(write_csv(tmp_path / "in.csv", bad), "--out", tmp_path / "out.csv", "--json")
    assert code == 1
    told = json.loads(said)
    assert [row["line"] for row in told["refusals"]] == [6, 7, 8]
    assert "2009-13-01" not in said
    assert len(read(tmp_path / "out.csv")) == 4


@pytest.mark.parametrize(
    "content",
    [b"", b"event_id,given_name\n1,Ben\n", b"event_id,source\n", b"event_id,source,family_name\n1,a,\xff\xfe\n"],
    ids=["empty", "no source column", "no rows", "not UTF-8"],
)
def test_an_unusable_file_is_refused_and_leaves_no_result(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "in.csv").write_bytes(content)
    code, said = run(tmp_path / "in.csv", "--out", tmp_path / "out.csv")
    assert code == 2
    assert "hub resolve: in.csv" in said
    assert [p.name for p in tmp_path.iterdir()] == ["in.csv"]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert run(tmp_path / "none.csv", "--out", tmp_path / "out.csv")[0] == 2


def test_no_half_result_replaces_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("before")
    (tmp_path / "in.csv").write_bytes(b"event_id,source,family_name\n1,a,Smith\n2,a,\xff\n")
    assert run(tmp_path / "in.csv", "--out", tmp_path / "out.csv")[0] == 2
    assert (tmp_path / "out.csv").read_text() == "before"


def test_the_command_says_how_it_is_used() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "hub", "resolve", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--out" in ran.stdout


def test_a_file_and_the_hub_decide_alike() -> None:
    bulk = Bulk(matcher_of(CONTRACTS)[0])
    decisions = [bulk.resolve(row).decision for row in ROWS]
    assert decisions == ["new", "link", "review", "new"]
    assert bulk.ledger.stored == {}


def test_deciding_leaves_no_garbage_for_a_collector() -> None:
    """A run of ``hub resolve`` has no collector: what it left behind would stay until its end."""
    bulk = Bulk(matcher_of(CONTRACTS)[0])
    wrong = {**ROWS[3], "date_of_birth": "2009-13-01"}
    gc.collect()
    gc.disable()
    try:
        for row in [*ROWS, *(wrong for _ in range(100))]:
            with suppress(RowRefused):
                bulk.resolve(row)
        assert gc.collect() < 20
    finally:
        gc.enable()
