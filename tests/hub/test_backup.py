"""A backup is taken while a service works, the database is lost, the backup put back: the end is as if nothing was."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient
from psycopg import sql
from typer.testing import CliRunner

from hub.__main__ import app
from hub.backup.dump import MANIFEST
from spine.journal import Position
from tests.faults.resume import noted
from tests.spine.conftest import Toy, toy
from tests.spine.toy import check_exact

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

__all__ = ["toy"]


@pytest.fixture(autouse=True)
def addresses(toy: Toy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUB_KAFKA", toy.bootstrap)
    monkeypatch.setenv("HUB_POSTGRES", toy.url)
    monkeypatch.setenv("HUB_HOME", str(tmp_path / "home"))


def run(*words: str) -> tuple[int, Any]:
    result = CliRunner().invoke(app, [*words, "--json"])
    return result.exit_code, json.loads(result.stdout)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def lose_the_database(toy: Toy) -> None:
    toy.journal.close()
    with psycopg.connect(toy.url, autocommit=True) as connection:
        for schema in ("toy", "registry", "keystore"):
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def test_after_a_lost_database_the_end_is_that_of_an_undisturbed_run(toy: Toy, tmp_path: Path) -> None:
    toy.feed(range(400))
    process = toy.start(HUB_RECORDS_MAX="20")
    # Each partition has begun: one that had not is none that a restore could put back.
    fed = {(toy.topic, n) for n in range(4) if toy.log.end((toy.topic, n))}
    toy.until(lambda: toy.decided() > 100 and fed <= toy.journal.positions(toy.topic).keys())
    code, made = run("backup", str(tmp_path / "backup"))
    assert code == 0 and sum(made["positions"]["toy"].values()) > 100
    toy.feed(range(400, 700))
    toy.settled(700)
    stop(process)
    undisturbed = toy.rows()
    lose_the_database(toy)
    toy.feed(range(700, 800))
    begun = time.monotonic()
    code, told = run("restore", str(tmp_path / "backup"))
    noted("hub restore of a small database", time.monotonic() - begun)
    assert code == 0 and not told["faults"]
    assert sum(place["again"] for place in told["places"]) == 800 - sum(made["positions"]["toy"].values())
    again = toy.start()
    toy.settled(800)
    noted("restored, and 800 records decided again", time.monotonic() - begun)
    stop(again)
    rows = toy.rows()
    check_exact(rows, toy.echoes(), range(800))
    # Byte for byte: the same decisions, the same chain.
    by_place = {(row.partition, row.offset): row for row in rows}
    assert all(by_place[row.partition, row.offset] == row for row in undisturbed)


@pytest.mark.long
def test_without_any_backup_a_service_is_rebuilt_from_the_log_to_the_same_decisions(toy: Toy) -> None:
    """As long as the log still holds its first record; what it had said it says again under the same ids."""
    toy.feed(range(2_000))
    process = toy.start()
    toy.settled(2_000)
    stop(process)
    undisturbed = toy.rows()
    lose_the_database(toy)
    begun = time.monotonic()
    again = toy.start()
    toy.until(lambda: _rebuilt(toy))
    noted("a service rebuilt from 2,000 records of the log, its start included", time.monotonic() - begun)
    stop(again)
    assert toy.rows() == undisturbed
    check_exact(toy.rows(), toy.echoes(), range(2_000))


def _rebuilt(toy: Toy) -> bool:
    try:
        return toy.decided() >= 2_000 and toy.journal.outbox_size() == 0
    except psycopg.errors.UndefinedTable:
        # Its tables are made anew by its start.
        return False


@pytest.mark.long
def test_groups_are_brought_to_the_journal_and_not_while_a_service_runs(toy: Toy, tmp_path: Path) -> None:
    with toy.journal.transaction() as transaction:
        transaction.set_offsets({(toy.topic, n): Position(5) for n in range(4)})
    toy.feed(range(200))
    assert run("backup", str(tmp_path / "backup"))[0] == 0
    running = toy.start(HUB_GROUP="hub-toy")
    toy.until(lambda: toy.decided() > 100)
    # The test's own sessions are the hub's by their name.
    toy.journal.close()
    code, told = run("restore", str(tmp_path / "backup"), "--replace")
    assert code == 1 and "at work" in told["error"]
    stop(running)
    code, _ = run("restore", str(tmp_path / "backup"), "--replace")
    assert code == 0
    admin = AdminClient({"bootstrap.servers": toy.bootstrap})
    (asked,) = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions("hub-toy")]).values()
    held = {(p.topic, p.partition): p.offset for p in asked.result().topic_partitions if p.topic == toy.topic}
    assert held == {(toy.topic, n): 5 for n in range(4)}


def test_what_a_service_would_halt_at_is_said_before_it_is_started(toy: Toy, tmp_path: Path) -> None:
    toy.feed(range(20))
    with toy.journal.transaction() as transaction:
        transaction.set_offsets({(toy.topic, 0): Position(1_000)})
    assert run("backup", str(tmp_path / "backup"))[0] == 0
    code, told = run("restore", str(tmp_path / "backup"), "--check")
    assert code == 3 and "this is another log" in told["faults"][0]


def test_a_restore_refuses_what_it_can_not_answer_for(toy: Toy, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    assert run("backup", str(folder))[0] == 0
    assert run("backup", str(folder))[0] == 1, "over another backup"
    assert (folder / "hub.dump").stat().st_mode & 0o077 == 0
    code, told = run("restore", str(folder))
    assert code == 1 and "--replace" in told["error"], "over what stands"
    assert run("restore", str(tmp_path / "nothing"))[0] == 1
    dump = bytearray((folder / "hub.dump").read_bytes())
    dump[len(dump) // 2] ^= 1
    (folder / "hub.dump").write_bytes(dump)
    code, told = run("restore", str(folder), "--replace")
    assert code == 1 and "manifest" in told["error"], "altered"
    (folder / MANIFEST).unlink()
    assert run("restore", str(folder), "--replace")[0] == 1, "half a backup"
    assert toy.journal.positions(toy.topic) == {}
