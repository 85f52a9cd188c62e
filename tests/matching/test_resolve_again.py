"""``hub resolve`` that was killed: the next run ends its work, and nobody can tell from the result."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hub_of_matching import ROOT
from test_resolve import run, write_csv

sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))

from matching_records import population

from hub import resolve as command
from services.matching.agent import MODEL
from services.matching.bulk import COLUMNS, Bulk


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """Rows of agencies, one of them refused, and one whose id has a line break in it."""
    made = [{name: row.get(name, "") for name in COLUMNS} for row in population(7, 60).rows]
    made[40]["event_id"] = 'e"40\nsecond line'
    made[60]["date_of_birth"] = "2009-13-01"
    return made


def half_done(source: Path, out: Path, whole: bytes, at: int) -> None:
    """What a run leaves that is killed when ``at`` bytes have reached the disk."""

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bulk, "resolve", killed)
        run(source, "--out", out)
    part = out.with_name(f"{out.name}.part")
    assert part.exists()
    part.write_bytes(whole[:at])


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_wherever_a_run_was_killed_the_next_gives_the_same_bytes(
    tmp_path: Path, rows: list[dict[str, str]], name: str
) -> None:
    source, out = write_csv(tmp_path / "in.csv", rows), tmp_path / name
    assert run(source, "--out", out)[0] == 1
    whole = out.read_bytes()
    torn = whole.index(b"second line")
    for at in (0, 5, 60, torn, torn + 3, len(whole) // 2, len(whole) - 1, len(whole)):
        out.unlink()
        half_done(source, out, whole, at)
        code, said = run(source, "--out", out, "--json")
        told = json.loads(said)
        assert code == 1
        assert out.read_bytes() == whole
        assert told["rows"] == len(rows)
        assert told["refused"] == 1
        assert (told["repeated"] > 0) == (at > 100)
        assert {p.name for p in tmp_path.iterdir()} == {"in.csv", name}


def test_what_was_decided_is_not_decided_again(
    tmp_path: Path, rows: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = write_csv(tmp_path / "in.csv", rows), tmp_path / "out.csv"
    run(source, "--out", out)
    whole = out.read_bytes()
    half_done(source, out, whole, len(whole))
    monkeypatch.setattr(Bulk, "resolve", None)
    assert run(source, "--out", out)[0] == 1
    assert out.read_bytes() == whole


def test_another_input_or_model_is_refused_and_the_answers_stay(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    source, out, other = write_csv(tmp_path / "in.csv", rows), tmp_path / "out.csv", tmp_path / "model.json"
    run(source, "--out", out)
    whole = out.read_bytes()
    half_done(source, out, whole, 3_000)
    more = write_csv(tmp_path / "more.csv", [*rows, {**rows[0], "event_id": "last"}])
    code, said = run(more, "--out", out)
    assert code == 2
    assert "out.csv.part: begun with another input: run that again to end it, or begin anew with --anew" in said
    other.write_text(MODEL.read_text("utf-8") + "\n", "utf-8")
    code, said = run(source, "--out", out, "--model", other)
    assert code == 2
    assert "another model or other settings" in said
    assert (tmp_path / "out.csv.part").read_bytes() == whole[:3_000]
    assert run(more, "--out", out, "--anew")[0] == 1
    assert len(out.read_bytes()) > len(whole)


def test_answers_that_do_not_fit_the_input_are_refused(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    source, out = write_csv(tmp_path / "in.csv", rows), tmp_path / "out.csv"
    run(source, "--out", out)
    whole = out.read_bytes()
    head, first, second, *_ = whole.splitlines(keepends=True)
    for wrong in (head + second + first, whole.replace(b"link", b"new", 1), whole.replace(b"link,", b"link,x", 1)):
        half_done(source, out, wrong, len(wrong))
        code, said = run(source, "--out", out)
        assert code == 2
        assert "begin anew with --anew" in said


def test_what_are_no_answers_at_all_is_written_over(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    source, out = write_csv(tmp_path / "in.csv", rows), tmp_path / "out.csv"
    run(source, "--out", out)
    whole = out.read_bytes()
    half_done(source, out, b"\0" * 200 + b"\n", 201)
    assert run(source, "--out", out)[0] == 1
    assert out.read_bytes() == whole


def test_two_runs_do_not_write_one_result(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    source, out = write_csv(tmp_path / "in.csv", rows), tmp_path / "out.csv"
    basis = command.Basis.of(source, "s", "b")
    with command.unfinished(out, basis, anew=False) as answers:
        assert list(answers.earlier()) == []
        code, said = run(source, "--out", out)
    assert code == 2
    assert "another run is writing it" in said


@pytest.mark.slow
def test_a_killed_process_is_gone_on_with(tmp_path: Path) -> None:
    many = [{name: row.get(name, "") for name in COLUMNS} for row in population(8, 500).rows]
    source, out, steady = write_csv(tmp_path / "in.csv", many), tmp_path / "out.csv", tmp_path / "steady.csv"
    words = [sys.executable, "-m", "hub", "resolve", str(source), "--json", "--out"]
    first = subprocess.Popen([*words, str(out)], cwd=ROOT, stdout=subprocess.DEVNULL)
    part, until = tmp_path / "out.csv.part", time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 30_000) and time.monotonic() < until:
        assert first.poll() is None
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert not out.exists()
    second = subprocess.run([*words, str(out)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(second.stdout)["repeated"] > 300
    subprocess.run([*words, str(steady)], cwd=ROOT, capture_output=True, check=True)
    assert out.read_bytes() == steady.read_bytes()
