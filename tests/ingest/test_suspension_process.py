"""Suspending on a running hub takes effect within seconds; resuming, by two people, redrives what waited."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import httpx2
import pytest

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
    hub(machine, "contracts", "resume", "isa-2024-011", "--by", "R. Osei", "--and", "r. osei", code=2)
    resumed = hub(machine, "contracts", "resume", "isa-2024-011", "--by", "R. Osei", "--and", "M. Pereira")
    assert resumed["agreements"] == [] and resumed["redriven"] == sum(row["count"] for row in waiting)
    machine.wait_for(lambda: accepted(machine, {"nvc-500"}))
    assert client.get("/v1/receipts/nvc-500").json()["state"] == "accepted"
    machine.wait_for(lambda: {row["state"] for row in hub(machine, "quarantine", "list")} == {"settled"})
