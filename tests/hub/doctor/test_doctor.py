"""``hub doctor`` names what is broken, says how to mend it, and goes on looking: real servers with faults in them."""

from __future__ import annotations

import base64
import json
import os
import threading
import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psycopg
import pytest
from typer.testing import CliRunner

from hub.backlog import Backlog
from hub.deploy.migrating import migrate_all
from hub.doctor import app
from hub.doctor.archive import Waiting, archived, behind
from hub.doctor.finding import Finding, Verdict, fault, sound
from hub.doctor.flow import judged, moved
from hub.doctor.papers import dated, ending, in_force, room
from hub.doctor.watching import watch
from hub.machine.ports import free_ports, is_free, wait_until
from spine.clock import local_date, now
from spine.headed import Head
from spine.who.keys import KeyEntry

ROOT = Path(__file__).parents[3]
TODAY = date(2026, 11, 26)


def asked(environment: dict[str, str]) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The exit code, and findings by check."""
    done = CliRunner(env=environment).invoke(app, ["--json"])
    found: dict[str, list[dict[str, Any]]] = {}
    for one in json.loads(done.stdout)["findings"]:
        found.setdefault(one["check"], []).append(one)
    return done.exit_code, found


def verdicts(found: dict[str, list[dict[str, Any]]], check: str) -> set[str]:
    return {one["verdict"] for one in found[check]}


@pytest.fixture(scope="module")
def environment(
    module_database: str, kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """A hub whose servers answer and whose schemas are migrated. Topics are as other tests left them."""
    home = tmp_path_factory.mktemp("home")
    (home / "kek.key").write_text(base64.b64encode(os.urandom(32)).decode())
    migrate_all(module_database)
    yield {
        "HUB_HOME": str(home),
        "HUB_KAFKA": kafka_bootstrap,
        "HUB_POSTGRES": module_database,
        "HUB_REGISTRY": "http://127.0.0.1:1",
        "HUB_KEK_FILE": str(home / "kek.key"),
        "HUB_API_KEYS": str(home / "api_keys.yaml"),
        "HUB_CONTRACTS": str(ROOT / "contracts"),
    }


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.slow
def test_faults_are_named_each_with_its_remedy_and_what_is_sound_is_not(
    environment: dict[str, str], module_database: str
) -> None:
    today = local_date(now())
    with psycopg.connect(module_database) as connection:
        connection.execute(
            "INSERT INTO keystore.agency_key (agency, number, wrapped, kek) VALUES ('x', 1, '', 'other')"
        )
        connection.execute("UPDATE status.migration SET version_num = 'status_from_later'")
        connection.execute(
            "INSERT INTO ticker.source_offset (topic, partition, next, tick) VALUES ('ticker', 0, 1, %s)",
            (today - timedelta(days=4),),
        )
        connection.execute(
            "INSERT INTO ingest.day_key (day, wrapped) VALUES (%s, ''), (%s, '')",
            (today - timedelta(days=40), today - timedelta(days=42)),
        )
    code, found = asked(environment)
    assert code == 1
    assert verdicts(found, "postgres") == verdicts(found, "clock") == verdicts(found, "kafka") == {"sound"}
    for check, remedy in (
        ("registry", "hub up"),
        ("keys", "HUB_KEK_FILE"),
        ("migrations", "hub deploy migrate"),
        ("ticks", "ticker"),
        ("agreements", "hub contracts release"),
        ("submissions", "ingest"),
    ):
        assert any(one["verdict"] == "fault" and remedy in one["mend"] for one in found[check]), (check, found[check])
    assert found["submissions"][0]["what"].startswith("the keys of 1 days")
    # Everything on this broker is younger than three hours.
    assert verdicts(found, "archive") == {"sound"}
    assert "status_from_later" in found["migrations"][0]["what"]
    assert all(one["mend"] for ones in found.values() for one in ones if one["verdict"] != "sound")


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.slow
def test_records_that_nobody_decides_are_a_fault_and_so_is_an_outbox_that_nobody_publishes(
    environment: dict[str, str], module_database: str
) -> None:
    with psycopg.connect(module_database) as connection:
        # Nobody runs: what the journal has not decided waits, whatever other tests put on this broker.
        connection.execute(
            "INSERT INTO matching.outbox (event_id, topic, key, kind, body, headers) "
            "VALUES (%s, 'attributions', 'k', 'attribution.v1', '', '')",
            (uuid.uuid4().hex,),
        )
    code, found = asked(environment)
    assert code == 1
    (stuck,) = found["outbox of matching"]
    assert stuck["verdict"] == "fault" and "outbox-stuck.md" in stuck["mend"]


@pytest.mark.parametrize("away", ["HUB_KAFKA", "HUB_POSTGRES"])
@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.slow
def test_a_server_that_is_away_is_a_fault_and_the_others_are_still_looked_at(
    environment: dict[str, str], away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.topics.broker.ASK_SECONDS_MAX", 2)
    nowhere = {"HUB_KAFKA": "127.0.0.1:1", "HUB_POSTGRES": "postgresql://127.0.0.1:1/hub"}
    code, found = asked(environment | {away: nowhere[away]})
    assert code == 1
    check, other = ("kafka", "postgres") if away == "HUB_KAFKA" else ("postgres", "kafka")
    assert verdicts(found, check) == {"fault"} and away in found[check][0]["mend"]
    assert verdicts(found, other) == {"sound"}


def test_without_a_hub_it_says_how_to_start_one(tmp_path: Path) -> None:
    code, found = asked({"HUB_HOME": str(tmp_path), "HUB_KAFKA": "", "HUB_POSTGRES": "", "HUB_REGISTRY": ""})
    assert code == 1 and "hub up" in found["addresses"][0]["mend"]


def only(found: Iterator[Finding]) -> list[tuple[str, Verdict]]:
    return [(one.check, one.verdict) for one in found]


def test_a_backlog_that_shrinks_is_sound_one_that_stands_is_not() -> None:
    standing = Backlog("alerts", "statuses", 100, 40, 60, 0)
    moving = Backlog("alerts", "statuses", 100, 70, 30, 0)
    assert only(moved([standing], [moving])) == [("progress", Verdict.SOUND)]
    assert only(moved([standing], [standing])) == [("progress of alerts", Verdict.FAULT)]
    far = Backlog("alerts", "statuses", 99_000, 41, 9_000, 0)
    assert only(moved([standing], [far])) == [("progress of alerts", Verdict.WARNING)]
    unsent = Backlog("status", "attributions", 5, 5, 0, 4)
    assert only(moved([unsent], [unsent])) == [("outbox of status", Verdict.FAULT)]


def test_a_quarantine_that_doubles_is_told_and_one_that_is_steady_is_not() -> None:
    assert only(judged(0, 900, 0)) == only(judged(0, 5_000, 4_000)) == [("set aside", Verdict.SOUND)]
    assert only(judged(0, 5_000, 900)) == [("quarantine", Verdict.WARNING), ("set aside", Verdict.SOUND)]
    assert only(judged(2, 0, 0)) == [("set aside", Verdict.WARNING)]


def test_agreements_that_ended_or_soon_end_and_suspensions_are_told() -> None:
    def agreement(to: str, status: str = "active") -> dict[str, str]:
        return {"status": status, "effective_to": to}

    held = {"a@1": agreement("2026-11-25"), "b@1": agreement("2027-01-20"), "c@1": agreement("2028-01-01")}
    held["d@1"] = agreement("2020-01-01", "suspended")
    told = list(dated(held, TODAY))
    assert [one.verdict for one in told] == [Verdict.FAULT, Verdict.WARNING, Verdict.SOUND]
    assert "a@1" in told[0].what and "b@1" in told[1].what and "3 active" in told[2].what
    assert only(in_force(None, "p")) == [("agreements", Verdict.FAULT)]
    assert only(in_force(Head(1, "p"), "p")) == []
    assert only(in_force(Head(1, "old", ("isa-1",)), "p")) == [("agreements", Verdict.WARNING)] * 2


def test_a_key_that_ends_without_a_successor_is_told() -> None:
    def key(number: int, ends: date | None, revoked: date | None = None) -> KeyEntry:
        return KeyEntry(
            party="northvale-college",
            key_id=f"northvale-college-{number}",
            sha256="0" * 64,
            mode="live",
            expires_on=ends,
            revoked_on=revoked,
        )

    soon = key(1, TODAY + timedelta(days=3))
    assert only(ending([soon], TODAY)) == [("API keys", Verdict.WARNING)]
    assert only(ending([soon, key(2, None)], TODAY)) == []
    assert only(ending([key(1, TODAY + timedelta(days=3), TODAY)], TODAY)) == []


def test_a_disk_that_fills_is_told_before_it_is_full(tmp_path: Path) -> None:
    assert [room(tmp_path, free, 100).verdict for free in (50, 9, 2)] == [
        Verdict.SOUND,
        Verdict.WARNING,
        Verdict.FAULT,
    ]


def served(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def test_its_rounds_serve_what_is_wrong_and_forget_what_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("HUB_HEALTH_PORT", str(port))
    rounds = [[fault("disk", "full", "make room"), sound("kafka", "answers")], [sound("disk", "half empty")]]
    stop, looks = threading.Event(), iter(rounds)
    thread = threading.Thread(target=watch, args=(lambda: next(looks, rounds[-1]), 0.5, stop))
    thread.start()
    line = 'hub_doctor_findings{check="disk",verdict="fault"} '
    try:
        assert wait_until(lambda: not is_free(port) and f"{line}1.0" in served(port), 10)
        assert wait_until(lambda: f"{line}0.0" in served(port), 10)
        assert 'check="kafka"' not in served(port)
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def test_what_the_archive_lacks_is_late_then_in_peril_then_lost() -> None:
    def found(archived: int | None, *, start: int = 10, old: int = 50, perilous: int = 30) -> list[tuple[str, Verdict]]:
        return only(behind([Waiting(("submissions", 0), start, 90, old, perilous, archived)]))

    assert found(49) == found(89) == [("archive", Verdict.SOUND)]
    assert found(48) == found(29) == [("archive", Verdict.WARNING)]
    assert found(28) == found(9) == [("archive", Verdict.FAULT)]
    # An archive that was never begun has lost nothing, and begins where the log does.
    assert found(None, old=10, perilous=10) == [("archive", Verdict.SOUND)]
    assert found(None, perilous=10) == [("archive", Verdict.WARNING)]
    (lost,) = behind([Waiting(("submissions", 0), 10, 90, 50, 30, 5)])
    assert lost.verdict is Verdict.FAULT and "6 to 9 were removed" in lost.what


def test_where_the_archive_stands_is_read_from_the_names_that_the_ledger_holds() -> None:
    names = ["segments/submissions-0-0-41.avro", "segments/submissions-0-42-99.avro", "segments/a-b-2-0-7.avro"]
    assert archived([*names, "decisions/alerts-0-9.avro", "schemas.json"]) == {("submissions", 0): 99, ("a-b", 2): 7}
