"""Texts of partners in the hands of whoever runs a command: in a terminal, and in a file that a spreadsheet opens."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from hub.output import fail, show_table
from hub.resolve import app

#: Colours, a moved cursor, a title of the window, a link, text that is turned, the same in one byte, and rich's own.
ESCAPES = (
    "\x1b[31mred\x1b[0m",
    "\x1b[2J\x1b[1;1H0 refused",
    "\x1b]0;title\x07",
    "\x1b]8;;http://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "\u202egnp.exe",
    "\x9b31mred",
    "first\r0 refused",
    "\x08\x08\x08gone",
)
MARKUP = ("[red]red[/red]", "[link=http://evil.example]here[/link]", "[/]", "[bold")


@pytest.mark.parametrize("text", ESCAPES)
def test_nothing_of_a_partner_s_moves_the_cursor_or_hides_a_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_table(f"Refusals {text}", ["party", "faults"], [("a", text), ("b", f"before {text} after")])
    with pytest.raises(typer.Exit):
        fail(f"no {text}")
    out, err = capsys.readouterr()
    for said in (out, err):
        assert not set(said) & {"\x1b", "\x07", "\x08", "\r", "\x9b", "\u202e"}
    assert "\ufffd" in out and "\ufffd" in err


@pytest.mark.parametrize("text", MARKUP)
def test_brackets_in_a_table_are_brackets(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_table(text, ["party"], [(text,)])
    assert capsys.readouterr().out.count(text) == 2


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝"])
def test_no_id_runs_as_a_formula_in_what_resolve_writes(tmp_path: Path, start: str) -> None:
    source = tmp_path / "people.csv"
    with source.open("w", encoding="utf-8", newline="") as handle:
        rows = csv.writer(handle)
        rows.writerow(["event_id", "source", "given_name", "family_name", "date_of_birth"])
        rows.writerows([name, "northvale-college", "Ada", "Testcase", "2009-05-04"] for name in (f"{start}1+1", "good"))
    ran = CliRunner().invoke(app, [str(source), "--out", str(tmp_path / "matched.csv"), "--json"])
    assert ran.exit_code == 1 and json.loads(ran.output)["refused"] == 1
    with (tmp_path / "matched.csv").open(encoding="utf-8") as handle:
        assert [row["event_id"] for row in csv.DictReader(handle)] == ["good"]
    whole = CliRunner().invoke(app, [str(source), "--out", str(tmp_path / "matched.jsonl"), "--json"])
    assert whole.exit_code == 0, "in JSON lines it is only a text"
