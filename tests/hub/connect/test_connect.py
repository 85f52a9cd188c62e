"""The agent beside a case system: what is new or changed is told once, through crashes, and nothing else is."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy

from hub.connect import run
from hub.connect.mapping import MappingWrong, read_mapping
from hub.connect.rows import Mapped, Unmapped, mapped
from tests.hub.connect.conftest import MAPPING, ROOT, Cases


def test_what_is_new_or_changed_is_told_and_what_is_not_is_not(cases: Cases) -> None:
    cases.leaver("P1")
    cases.leaver("P2", "2")
    (first,) = cases.agent()
    assert (first["rows"], first["due"], first["taken"]) == (2, 2, 2)
    (second,) = cases.agent()
    assert (second["rows"], second["unchanged"], second["due"]) == (2, 2, 0)
    cases.sql("UPDATE leavers SET why = '2' WHERE ref = 'P1'")
    cases.leaver("P3")
    assert cases.agent()[0]["taken"] == 2
    assert sorted(cases.observed()) == ["changed_mind", "changed_mind", "work", "work"]
    assert not cases.door.facts("refusals")


def test_a_row_that_goes_back_to_what_it_said_is_told_again(one: Cases) -> None:
    one.leaver("P1")
    for why in ("2", "W1", "2"):
        one.agent()
        one.sql(f"UPDATE leavers SET why = '{why}'")
    one.agent()
    assert sorted(one.observed()) == ["changed_mind", "changed_mind", "work", "work"]


def test_a_row_that_is_gone_says_nothing(one: Cases) -> None:
    one.leaver("P1")
    one.agent()
    one.sql("DELETE FROM leavers")
    assert one.agent()[0]["due"] == 0
    assert len(one.observed()) == 1


CRASH = """
import os, sys
from hub.__main__ import app
from hub.connect.state import State
kept, calls = State.mark, []
def mark(self, feed, rows):
    calls.append(1)
    if len(calls) == 2:
        os._exit(9)
    kept(self, feed, rows)
State.mark = mark
app(sys.argv[1:])
"""


def crash(cases: Cases) -> None:
    """A round that dies after the door has answered and before the answer is kept."""
    words = ["connect", "run", str(cases.mapping), "--state", str(cases.folder / "state")]
    environment = {**cases.environment, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", CRASH, *words], env=environment, cwd=ROOT, check=False)
    assert ran.returncode == 9


def test_a_crash_between_sending_and_remembering_sends_the_same_ids_again(one: Cases) -> None:
    one.leaver("P1")
    one.leaver("P2")
    crash(one)
    assert len(one.observed()) == 2
    (again,) = one.agent()
    assert (again["due"], again["taken"]) == (2, 2)
    assert len(one.observed()) == 2 and not one.door.facts("refusals")
    assert one.agent()[0]["due"] == 0


def test_a_row_that_went_back_after_a_crash_is_not_forgotten(one: Cases) -> None:
    one.leaver("P1")
    one.agent()
    one.sql("UPDATE leavers SET why = '2'")
    crash(one)
    one.sql("UPDATE leavers SET why = 'W1'")
    one.agent()
    assert sorted(one.observed()) == ["changed_mind", "changed_mind", "work"]


def test_rows_that_cannot_go_are_named_without_a_value_and_the_others_go(one: Cases) -> None:
    one.leaver("P1")
    one.leaver("P2", "W9")
    one.leaver("P3", left_on="1889-01-01")
    one.leaver("P4")
    one.leaver("P4", "2")
    one.sql("UPDATE leavers SET dob = '2009-03-14' WHERE ref = 'P2'")
    (told,) = one.agent(code=1)
    assert (told["rows"], told["taken"], told["refused"], told["doubled"]) == (5, 2, 3, 1)
    faults = [{(f["pointer"], f["code"]) for f in t["faults"]} for t in told["troubles"]]
    assert {("subject.date_of_birth", "date_form"), ("data.reason", "not_in_map")} in faults
    assert {("/data/effective_on", "date_range")} in faults and {("key", "key_twice")} in faults
    assert not [word for word in ("Khan", "2009", "W9", "1889") if word in json.dumps(told)]
    one.sql("UPDATE leavers SET left_on = '2025-11-20' WHERE ref = 'P3'")
    assert one.agent(code=1)[0]["taken"] == 1


def test_a_dry_run_says_what_would_go_and_leaves_no_trace(one: Cases) -> None:
    one.leaver("P1")
    one.leaver("P2", left_on="1889-01-01")
    (told,) = one.agent("dry-run", code=1)
    assert (told["due"], told["refused"], told["taken"]) == (2, 1, 0)
    one.environment["HUB_DOOR"] = ""
    assert one.agent("dry-run")[0]["refused"] == 0, "a schema does not know ranges that count from today"
    assert not one.door.facts("submissions")
    one.environment["HUB_DOOR"] = one.door.url
    assert one.agent(code=1)[0]["due"] == 2


def test_the_doctor_finds_everything_that_is_wrong_at_once(one: Cases) -> None:
    assert all(finding["right"] for finding in one.agent("doctor"))
    one.mapping.write_text(MAPPING.replace("surname, dob", "dob").replace("data.destination:", "data.destiny:"))
    one.environment["HUB_API_KEY"] = "wrong"
    found = one.agent("doctor", code=1)
    assert [finding["right"] for finding in found] == [False, False, True, False]
    advice = " ".join(finding["advice"] for finding in found)
    assert all(word in advice for word in ("data.destiny", "data.destination is required", "surname", "401"))
    one.mapping.write_text(MAPPING.replace("FROM leavers", "FROM nowhere"))
    assert "OperationalError" in one.agent("doctor", code=1)[1]["advice"]


def test_the_source_is_only_read_and_its_state_holds_no_value(cases: Cases) -> None:
    cases.leaver("P-77001")
    cases.agent()
    held = (cases.folder / "state").read_bytes()
    assert not [word for word in (b"P-77001", b"Khan", b"Aaliyah", b"2009") if word in held]
    assert (cases.folder / "state").stat().st_mode & 0o077 == 0
    trick = "WITH a AS (SELECT 1) DELETE FROM leavers"
    cases.mapping.write_text(
        MAPPING.replace("SELECT ref", "@").split("@")[0]
        + trick
        + "\n  key: [ref]\n  effective_on: x\n  fields: {data.reason: x}\n"
    )
    cases.agent(code=3)
    with cases.engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT count(*) FROM leavers")).scalar_one() == 1


def test_after_the_state_was_lost_a_later_change_is_still_told(one: Cases) -> None:
    one.leaver("P1", "W1")
    one.agent()
    for why in ("2", "W1"):
        one.sql(f"UPDATE leavers SET why = '{why}'")
        one.agent()
    (one.folder / "state").unlink()
    one.agent()
    one.sql("UPDATE leavers SET why = '2'")
    assert one.agent()[0]["taken"] == 1
    assert one.observed().count("work") == 2


def test_a_day_in_the_mapping_is_sent_as_a_day(one: Cases) -> None:
    one.mapping.write_text(MAPPING.replace("effective_on: left_on", "effective_on: {value: 2025-11-21}"))
    one.leaver("P1")
    assert one.agent()[0]["taken"] == 1


def test_a_source_or_a_door_that_is_away_is_exit_three_and_a_second_round_exit_two(one: Cases) -> None:
    one.leaver("P1")
    one.door.answers_first += [503] * 3
    one.agent("run", "--patience", "0", code=3)
    assert one.agent()[0]["taken"] == 1
    other = sqlite3.connect(one.folder / "state", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    one.agent(code=2)
    other.close()
    one.environment["CASES_URL"] = "sqlite:////no/such/folder/x.db"
    one.agent(code=3)
    one.environment["CASES_URL"] = "mssql://cases.example/db?driver=x"
    said = one.agent(code=3)
    assert "driver" in said["error"] or "source" in said["error"]


WRONG: list[tuple[Callable[[str], str], str]] = [
    (lambda text: text.replace("party:", "parties:"), "needs party, source and feeds"),
    (lambda text: text.replace("SELECT", "DELETE"), "begins with SELECT"),
    (lambda text: text.replace("data.reason:", "reasons:"), "reasons is no field"),
    (lambda text: text.replace("{value: unknown}", "{value: unknown, column: x}"), "column or value"),
    (lambda text: text.replace("  key: [ref]\n", ""), "needs"),
    (lambda text: text + "}", "cannot be read"),
]


@pytest.mark.parametrize(("change", "told"), WRONG, ids=[told for _, told in WRONG])
def test_a_mapping_that_cannot_be_used_says_why(tmp_path: Path, change: Callable[[str], str], told: str) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(change(MAPPING))
    with pytest.raises(MappingWrong, match=told):
        read_mapping(path)


def test_all_mistakes_of_a_mapping_are_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(MAPPING.replace("SELECT", "DROP").replace("data.reason:", "reasons:").replace("withdrawals", "W x"))
    with pytest.raises(MappingWrong) as wrong:
        read_mapping(path)
    assert all(word in str(wrong.value) for word in ("small letters", "SELECT", "reasons"))


def test_the_same_row_is_the_same_event_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(MAPPING)
    (feed,) = read_mapping(path).feeds
    row = {"ref": "P1 ", "forename": "A", "surname": "K", "dob": "14/03/2009", "left_on": "2025-11-21", "why": "W1"}
    read = mapped(feed, row)
    assert isinstance(read, Mapped)
    # Pinned: another id for the same row would be a second event at every council.
    assert read.event(1, "5f3a9c00").id == "withdrawals-48b5b118522ba77a5400-1-69eca939202d9fe8aa42"
    assert "P1" not in read.event(1, "5f3a9c00").id
    assert isinstance(mapped(feed, {**row, "ref": None}), Unmapped)


def test_a_door_lost_on_the_way_takes_no_refusal_with_it(one: Cases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BATCH_ROWS", 2)
    for number in range(4):
        one.leaver(f"P{number}", left_on="1889-01-01" if number == 1 else "2025-11-21")
    one.door.answers_after(1, [503] * 9)
    said = one.agent("run", "--patience", "0", code=3)
    (told,) = said["rounds"]
    assert "503" in said["error"] and (told["due"], told["taken"], told["refused"]) == (4, 1, 1)
    assert told["troubles"][0]["faults"][0]["code"] == "date_range"
    one.door.answers_first.clear()
    assert one.agent(code=1)[0]["taken"] == 2, "what had its answer is not sent again"
