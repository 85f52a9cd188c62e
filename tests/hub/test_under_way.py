"""A long command says how far it is in a file beside its report, as long as it lives; the console reads it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub import under_way as telling
from hub.under_way import SUFFIX, UnderWay, under_way
from services.console.reports import STOPPED_AFTER, Reports

BEGUN = datetime(2026, 11, 27, 2, 0, tzinfo=UTC)


def test_the_console_reads_what_the_command_wrote_and_a_killed_one_has_stopped(tmp_path: Path) -> None:
    clock = [BEGUN]
    far = UnderWay(tmp_path / f"march.html{SUFFIX}", "replay", lambda: clock[0])
    far.step("status", 2, 8)
    clock[0] += timedelta(seconds=10)
    far.expect(10_000)
    far.advance(4_000)
    clock[0] += timedelta(seconds=20)
    far.write()
    ((name, read),) = Reports(tmp_path).under_way()
    assert (name, read.command, read.step, read.number, read.of) == ("march.html", "replay", "status", 2, 8)
    assert (read.done, read.expected, read.percent, read.a_second) == (4_000, 10_000, 40, 200)
    assert read.step_ends == BEGUN + timedelta(seconds=60)
    assert not read.stopped(read.at + STOPPED_AFTER) and read.stopped(read.at + STOPPED_AFTER + timedelta(seconds=1))
    assert BEGUN + timedelta(seconds=telling.BEAT_SECONDS * 3) < BEGUN + STOPPED_AFTER


def test_nothing_that_only_looks_like_it_is_shown(tmp_path: Path) -> None:
    far = UnderWay(tmp_path / f"march.html{SUFFIX}", "verify")
    good = json.loads((tmp_path / f"march.html{SUFFIX}").read_text())
    for name, body in (
        ("april.html", "{}"),
        ("may.html", json.dumps(good | {"step": "<script>"})),
        ("june.html", json.dumps(good | {"done": -1})),
        ("july.html", json.dumps(good) + " " * 5_000),
        ("august.exe", json.dumps(good)),
    ):
        (tmp_path / f"{name}{SUFFIX}").write_text(body)
    (tmp_path / f"link.html{SUFFIX}").symlink_to(tmp_path / f"march.html{SUFFIX}")
    assert [name for name, _ in Reports(tmp_path).under_way()] == ["march.html"]
    far.end()
    assert Reports(tmp_path).under_way() == Reports().under_way() == []


def test_the_file_goes_when_the_command_ends_and_one_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    report = tmp_path / "verify.json"
    with pytest.raises(ZeroDivisionError), under_way(report, "verify") as far:
        assert [path.name for path in tmp_path.iterdir()] == [f"verify.json{SUFFIX}"]
        far.advance(1 // 0)
    assert not list(tmp_path.iterdir())
    with under_way(tmp_path / "absent" / "verify.json", "verify") as far, under_way(None, "verify") as nowhere:
        far.step("records", 1, 2)
        nowhere.step("records", 1, 2)
    assert not list(tmp_path.iterdir())
