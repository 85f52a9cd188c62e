"""``hub matching evaluate``: a file with the truth beside it in, figures and a picture out."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.__main__ import app

BEN = {"given_name": "Benjamin", "family_name": "O'Connor", "date_of_birth": "2009-03-14", "postcode": "NS1 7HB"}
TOM = BEN | {"given_name": "Thomas"}
ZOE = {"given_name": "Zoë", "family_name": "Łuczak", "date_of_birth": "2008-01-30", "postcode": "NS2 9TF"}
TRUTH = [
    BEN | {"source": "school", "cluster": "ben", "name_origin": "Irish", "household": "h1", "twins": "t1"},
    BEN | {"given_name": "Ben", "source": "college", "cluster": "ben", "name_origin": "Irish", "household": "h1"},
    TOM | {"source": "college", "cluster": "tom", "name_origin": "Irish", "household": "h1", "twins": "t1"},
    ZOE | {"source": "school", "cluster": "zoe", "name_origin": "Polish"},
    {"given_name": "Zoë", "family_name": "Łuczak", "source": "housing", "cluster": "zoe", "name_origin": "Polish"}
    | {"postcode": "NS2 9TF"},
]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    rows = [{"event_id": str(n), "source_ref": f"R{n}", **row} for n, row in enumerate(rows)]
    if path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
        return path
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    return path


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["matching", "evaluate", *(str(a) for a in arguments)])
    return result.exit_code, result.output


@pytest.mark.parametrize("name", ["truth.csv", "truth.jsonl"])
def test_a_file_with_the_truth_is_measured(tmp_path: Path, name: str) -> None:
    code, said = run(write(tmp_path / name, TRUTH), "--json")
    assert code == 0, said
    told = json.loads(said)
    waits = told["unanswered"]
    assert (waits["records"], waits["people"], waits["false_merges"]) == (5, 3, 0)
    # Ben's two records are together; Zoë's second, without a birth date, waits for a reader.
    assert (waits["pairs"]["right"], waits["pairs"]["joined"], waits["pairs"]["wanted"]) == (1, 1, 2)
    assert waits["twins"] == {"merged": 0, "pairs": 1}
    assert told["answered"]["pairs"]["recall"] == 1
    assert told["reviews_with_the_person_among_the_candidates"] == waits["reviews"] == 1
    groups = {group["value"]: group for group in waits["groups"]}
    assert (groups["Irish"]["people"], groups["Irish"]["pairs"]["recall"], groups["Irish"]["few"]) == (2, 1, True)
    assert (groups["Polish"]["pairs"]["recall"], groups["Polish"]["review_share"]) == (0, 0.5)


def test_other_columns_are_named_on_the_command_line(tmp_path: Path) -> None:
    rows = [{("who" if k == "cluster" else k): v for k, v in row.items()} for row in TRUTH]
    path = write(tmp_path / "t.csv", rows)
    code, said = run(path, "--json", "--truth", "who", "--group", "source", "--twins", "none", "--household", "none")
    assert code == 0
    waits = json.loads(said)["unanswered"]
    assert [group["value"] for group in waits["groups"]] == ["college", "housing", "school"]
    assert waits["twins"]["pairs"] == 0


@pytest.mark.parametrize("name", ["out.svg", "out.html"])
def test_the_picture_stands_alone_and_names_nobody(tmp_path: Path, name: str) -> None:
    rows = [row | {"name_origin": "<script>" if row["name_origin"] == "Irish" else "Polish"} for row in TRUTH]
    code, said = run(write(tmp_path / "t.csv", rows), "--picture", tmp_path / name)
    assert code == 0
    text = (tmp_path / name).read_text("utf-8")
    svg = text[text.index("<svg") : text.index("</svg>") + 6]
    assert ET.fromstring(svg).find("{http://www.w3.org/2000/svg}polyline") is not None
    assert "<script" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    for value in ("Benjamin", "Connor", "NS1", "2009"):
        assert value not in text
        assert value not in said
    assert not list(tmp_path.glob("*.part"))


def test_rows_without_truth_are_refused_by_line_and_the_others_measured(tmp_path: Path) -> None:
    bad = [*TRUTH, ZOE | {"source": "school", "cluster": ""}, ZOE | {"source": "", "cluster": "zoe"}]
    code, said = run(write(tmp_path / "t.csv", bad), "--json")
    assert code == 1
    told = json.loads(said)
    assert [(r["line"], r["reason"]) for r in told["refusals"]] == [
        (7, "cluster must be there"),
        (8, "event_id and source must be there"),
    ]
    assert told["unanswered"]["records"] == 5


@pytest.mark.parametrize(
    ("rows", "arguments", "why"),
    [
        (TRUTH, ["--truth", "person", "--group", "care"], "no column person, care;"),
        ([], [], "the first line must name the columns"),
        (TRUTH, ["--picture", "out.png"], "end it with .svg"),
        ([ZOE | {"source": "s", "cluster": str(n), "sex": f"v{n}"} for n in range(61)], [], "it is no group"),
    ],
)
def test_an_unusable_file_is_refused_with_what_to_mend(
    tmp_path: Path, rows: list[dict[str, str]], arguments: list[str], why: str
) -> None:
    code, said = run(write(tmp_path / "t.csv", rows), *arguments)
    assert code == 2
    assert why in said
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
