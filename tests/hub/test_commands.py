"""What every command of ``hub`` promises: help, ``--json``, exit codes that its help names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer
from typer.testing import CliRunner

from hub.__main__ import app
from hub.up.record import ProcessRecord, RunRecord


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, by its words."""
    if hasattr(command, "list_commands"):
        context = click.Context(command)
        for name in sorted(command.list_commands(context)):
            yield from leaves(command.get_command(context, name), (*path, name))
    else:
        yield path, command


LEAVES = dict(leaves(typer.main.get_command(app)))
EXPECTED = {"up", "down", "status", "demo", "sample", "resolve", "tick", "topics plan", "story run", "bench pipeline"}


def test_the_commands_that_the_readme_names_are_there() -> None:
    assert {" ".join(path) for path in LEAVES} >= EXPECTED


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_a_command_has_help_json_and_documented_exit_codes(path: tuple[str, ...]) -> None:
    command = LEAVES[path]
    assert any("--json" in parameter.opts for parameter in command.params)
    assert command.help
    assert "exit" in command.help.lower(), "the help says what its exit codes mean"
    assert CliRunner().invoke(app, [*path, "--help"]).exit_code == 0


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_an_unknown_option_is_wrong_usage(path: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, [*path, "--no-such-option"]).exit_code == 2


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUB_HOME", str(tmp_path))
    return tmp_path


def test_where_nothing_runs_status_and_tick_say_so_and_down_is_content(empty_home: Path) -> None:
    status = CliRunner().invoke(app, ["status", "--json"])
    assert status.exit_code == 1
    assert "error" in json.loads(status.output)
    assert CliRunner().invoke(app, ["tick", "--on", "2025-09-01"]).exit_code == 1
    down = CliRunner().invoke(app, ["down", "--json"])
    assert (down.exit_code, json.loads(down.output)["stopped"]) == (0, [])


def test_a_demo_refuses_to_delete_a_hub_that_is_none(empty_home: Path) -> None:
    (empty_home / "kafka").mkdir()
    result = CliRunner().invoke(app, ["demo", "--people", "10", "--days", "20", "--json"])
    assert result.exit_code == 1
    assert "no demo" in json.loads(result.output)["error"]
    assert (empty_home / "kafka").exists()


def test_a_date_that_is_none_is_wrong_usage(empty_home: Path) -> None:
    assert CliRunner().invoke(app, ["tick", "--on", "1 September"]).exit_code == 2


def test_down_clears_the_record_of_a_supervisor_that_was_killed(empty_home: Path) -> None:
    gone = ProcessRecord("supervisor", 2**22 + 1, 1.0)
    RunRecord(gone, True, (ProcessRecord("status", 2**22 + 2, 1.0),), {}).write(empty_home / "run.json")
    assert CliRunner().invoke(app, ["status"]).exit_code == 1
    assert CliRunner().invoke(app, ["down"]).exit_code == 0
    assert not (empty_home / "run.json").exists()
