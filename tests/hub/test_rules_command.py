"""``hub rules``: every rule is told in its own words and numbers, and a story is tried as the hub would decide it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from hub.layout import ROOT
from hub.rules import app
from hub.rules.command import PAGE
from hub.rules.sheet import document
from services.alerts.settings import load
from services.alerts.sharing import Closed

STORY = next(iter(sorted((ROOT / "tests" / "stories").glob("*.yaml"))))


def run(*arguments: str) -> tuple[int, Any]:
    ran = CliRunner().invoke(app, [*arguments, "--json"])
    return ran.exit_code, json.loads(ran.stdout) if ran.stdout else ran.stderr


def test_every_rule_of_the_policy_is_listed() -> None:
    code, rows = run("list")
    assert code == 0
    assert [row["id"] for row in rows] == ["MR", *(f"A{n:02}" for n in range(1, 41))]
    assert all(row["to"] and row["severity"] in ("P1", "P2", "P3", "P4") for row in rows)


def test_a_rule_is_explained_with_todays_numbers_and_its_examples() -> None:
    code, said = run("explain", "a09")
    assert code == 0
    assert (said["numbers"]["below_percent"], said["to"], said["source"][:10]) == (
        95, ["the owner of the case"], "Lancashire",
    )  # fmt: skip
    assert "for 30 days after one was closed" in said["silent"]
    assert {bool(one["raised"]) for one in said["examples"]} == {True, False}


def test_a_rule_that_is_not_there_is_wrong_usage() -> None:
    ran = CliRunner().invoke(app, ["explain", "A77"])
    assert ran.exit_code == 2 and "A09" in ran.stderr


def test_a_story_is_tried_with_what_is_raised_and_what_stays_silent() -> None:
    code, said = run("try", str(STORY))
    assert code == 0
    assert said["raised"] and all(one["because"] and one["raised_on"] for one in said["raised"])
    assert all(one["why"] for one in said["silent"])
    spoken = {(one["person"], one["rule"]) for one in said["raised"]}
    assert not spoken & {(one["person"], one["rule"]) for one in said["silent"]}


def test_a_file_that_is_no_story_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("events: []\n", "utf-8")
    ran = CliRunner().invoke(app, ["try", str(tmp_path / "x.yaml")])
    assert ran.exit_code == 2 and "id, until" in ran.stderr


def test_the_page_of_the_rules_is_what_the_rules_say() -> None:
    written = document(load(ROOT / "contracts", Closed()).policy)
    assert PAGE.read_text("utf-8") == written, "write it again: hub rules document"
