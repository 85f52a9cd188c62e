"""Suspending on a running hub takes effect within seconds; resuming, by two people, redrives what waited."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from hub.heads import Move
from hub.running import RunningHub, running_hub
from spine.clock import now
from spine.errors import Retry
from spine.headed import read_policy
from tests.ingest.files.conftest import ENROLLED, LEFT, csv_text
from tests.ingest.test_processes import KEY, ROOT, Machine, event, machine

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]

__all__ = ["machine"]

EFFECT_SECONDS_MAX = 5.0


def hub(machine: Machine, *command: str, code: int = 0) -> Any:
    run = [sys.executable, "-m", "hub", *command, "--json"]
    environment = {**os.environ, **machine.environment, "HUB_REGISTRY": ""}
    ran = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == code, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def accepted(machine: Machine, ids: set[str]) -> bool:
    return ids <= {fact.fields["message_id"] for fact in machine.facts("observations")}


def rows_of(out: Path, name: str) -> list[tuple[str, str]] | None:
    """(row, code) of the feedback on a file; None until the file is dealt with."""
    if not list(out.glob(f"{name}.*.summary.json")):
        return None
    (path,) = out.glob(f"{name}.*.feedback.csv")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return [(line["Row"], line["Code"]) for line in csv.DictReader(stream)]


@pytest.mark.long
def test_the_files_door_stops_within_five_seconds_and_resuming_leaves_nothing_behind(
    machine: Machine, tmp_path: Path
) -> None:
    machine.environment |= {
        "HUB_FILES": str(tmp_path / "files"),
        "HUB_FILES_QUIET_SECONDS": "0.2",
        "HUB_FILES_ROUND_SECONDS": "0.2",
    }
    hub(machine, "contracts", "release", "--by", "R. Osei")
    door, folder = machine.start("files"), tmp_path / "files" / "northvale-college"
    try:
        machine.wait_for(lambda: (folder / "in").exists())
        (folder / "in" / "NVC_ENROL_1.csv").write_text(csv_text([{**ENROLLED, "ULN": ""}]))
        machine.wait_for(lambda: rows_of(folder / "out", "NVC_ENROL_1.csv") is not None)
        machine.wait_for(lambda: len(machine.facts("observations")) >= 2)
        hub(machine, "contracts", "suspend", "northvale-college", "--by", "R. Osei")
        time.sleep(EFFECT_SECONDS_MAX)
        (folder / "in" / "NVC_ENROL_2.csv").write_text(csv_text([{**LEFT, "ULN": ""}]))
        machine.wait_for(lambda: rows_of(folder / "out", "NVC_ENROL_2.csv") is not None)
        assert "party_suspended" in {code for _, code in rows_of(folder / "out", "NVC_ENROL_2.csv") or []}
        # Many more, and the resumption right behind them: ingest has not judged them when the command begins.
        client = httpx2.Client(base_url=machine.door, headers={"Authorization": f"Bearer {KEY}"}, timeout=60)
        for batch in range(5):
            client.post("/v1/events", json=[event(1_000 * batch + number) for number in range(100)])
        hub(machine, "contracts", "resume", "northvale-college", "--by", "R. Osei")
        hub(machine, "contracts", "resume", "northvale-college", "--by", "M. Pereira", "--approve")
        wanted = {f"nvc-{1_000 * batch + number}" for batch in range(5) for number in range(100)}
        machine.wait_for(lambda: accepted(machine, wanted))
        types = {str(fact.fields["type"]) for fact in machine.facts("observations")}
        assert "education.enrolment.withdrawn" in types
    finally:
        door.send_signal(signal.SIGTERM)
    assert door.wait(timeout=60) == 0


@pytest.mark.long
def test_a_move_that_could_not_be_sent_is_sent_by_the_next_command(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decided in the journal while the broker was away; nobody else would send it."""
    for name, value in {**machine.environment, "HUB_REGISTRY": ""}.items():
        monkeypatch.setenv(name, value)
    hub(machine, "contracts", "release", "--by", "R. Osei")
    with running_hub() as running:
        cut = replace(running.heads, log=cast(Any, Away()))
        with pytest.raises(Retry):
            cut.suspend(Move("suspended", "R. Osei", now(), "northvale-college"), content_of(running))
        assert running.heads.journal.outbox_size() > 0
    hub(machine, "quarantine", "list")
    with running_hub() as running:
        assert running.heads.journal.outbox_size() == 0
    acts = [fact.fields["act"] for fact in machine.facts("submissions") if fact.kind == "policy.v1"]
    assert acts.count("suspended") == running.log.partitions("submissions")


class Away:
    def partitions(self, topic: str) -> int:
        return {"submissions": 4, "statuses": 4}[topic]

    def append(self, records: object) -> None:
        raise Retry("broker: away")


def content_of(running: RunningHub) -> Any:
    head = running.heads.current()
    assert head is not None
    return json.loads(read_policy(running.contracts, head.policy))


def test_suspending_takes_effect_within_five_seconds_and_resuming_redrives(machine: Machine) -> None:
    client = httpx2.Client(base_url=machine.door, headers={"Authorization": f"Bearer {KEY}"}, timeout=60)
    assert hub(machine, "contracts", "release", "--by", "R. Osei")["number"] == 1
    assert client.post("/v1/events", json=event(1)).status_code == 202
    machine.wait_for(lambda: accepted(machine, {"nvc-1"}))

    suspended = hub(
        machine, "contracts", "suspend", "isa-2024-011", "--by", "R. Osei", "--because", "DPIA under review"
    )
    begun = time.monotonic()
    assert suspended["agreements"] == ["isa-2024-011"]
    number = 100
    while client.post("/v1/events", json=event(number)).status_code == 202:
        assert time.monotonic() - begun < EFFECT_SECONDS_MAX, "the door still takes what is suspended"
        number += 1
        time.sleep(0.1)
    refused = client.post("/v1/events", json=event(500))
    assert refused.status_code == 422 and refused.json()["reason"] == "suspended"
    machine.wait_for(lambda: {"nvc-500"} <= {fact.fields["message_id"] for fact in machine.facts("refusals")})
    assert not accepted(machine, {"nvc-500"})
    (item,) = [item for item in client.get("/v1/refusals").json()["items"] if item["id"] == "nvc-500"]
    assert item["reason"] == "suspended" and item["kept"] and item["open"]

    waiting = hub(machine, "quarantine", "list", "--class", "suspended")
    assert {row["state"] for row in waiting} == {"waits"} and sum(row["count"] for row in waiting) >= 1
    would_be = hub(machine, "quarantine", "redrive", "--dry-run")
    assert {row["would be"] for row in would_be} == {"suspended"}
    hub(machine, "contracts", "resume", "isa-2024-011", "--by", "M. Pereira", "--approve", code=2)
    hub(machine, "contracts", "resume", "isa-2024-011", "--by", "R. Osei")
    hub(machine, "contracts", "resume", "isa-2024-011", "--by", "r. osei", "--approve", code=2)
    assert not accepted(machine, {"nvc-500"}), "asked for, and not yet approved"
    resumed = hub(machine, "contracts", "resume", "isa-2024-011", "--by", "M. Pereira", "--approve")
    assert resumed["agreements"] == [] and resumed["redriven"] == sum(row["count"] for row in waiting)
    machine.wait_for(lambda: accepted(machine, {"nvc-500"}))
    assert client.get("/v1/receipts/nvc-500").json()["state"] == "accepted"
    machine.wait_for(lambda: {row["state"] for row in hub(machine, "quarantine", "list")} == {"settled"})
