"""Both doors and the gate as processes, on a broker and a database of their own. Suspending takes effect within
seconds; resuming, by two people, redrives what waited."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from hub import key_file
from hub.__main__ import app
from hub.machine import kafka
from hub.machine.ports import free_ports
from hub.sharing import ensure_built
from hub.topics import ensure_topics
from spine.kafka import KafkaLog
from spine.record import Fact
from spine.schema import Catalogue

ROOT = Path(__file__).resolve().parents[2]
PARTIES = sorted(p.name.partition(".")[0].split("-", 3)[3] for p in (ROOT / "contracts" / "agreements").glob("*.yaml"))
WAIT_SECONDS_MAX = 60
EFFECT_SECONDS_MAX = 5.0
KEY = "process-test-key"

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


@dataclass(slots=True)
class Machine:
    """The processes, the log to look at, and the HTTP door's address."""

    environment: dict[str, str]
    log: KafkaLog
    catalogue: Catalogue
    door: str

    def facts(self, topic: str) -> list[Fact]:
        places = {(topic, n): self.log.start((topic, n)) for n in range(self.log.partitions(topic))}
        wanted, found = sum(self.log.end(p) - at for p, at in places.items()), []
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while len(found) < wanted and time.monotonic() < deadline:
            for record in self.log.read(places, 1_000, 200):
                found.append(self.catalogue.fact(record))
                places[record.place] = record.offset + 1
        return found

    def wait_for(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while not what():
            assert time.monotonic() < deadline, "it did not come"
            time.sleep(0.2)

    def hub(self, *command: str, code: int = 0) -> Any:
        """What the command answers, in this process: starting one takes longer than most of them."""
        environment = {**self.environment, "HUB_REGISTRY": ""}
        ran = CliRunner(env=environment).invoke(app, [*command, "--json"])
        assert ran.exit_code == code, ran.output
        return json.loads(ran.stdout)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "services.ingest", *command], cwd=ROOT, env=self.environment)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, module_database: str) -> Iterator[Machine]:
    with running(tmp_path_factory.mktemp("machine"), module_database) as held:
        yield held


@contextmanager
def running(tmp_path: Path, database: str) -> Iterator[Machine]:
    """Gate, HTTP door and Kafka door, until they have ended in order."""
    os.environ.setdefault("HUB_CACHE", str(ROOT / ".hub" / "cache"))
    reason = kafka.missing()
    if reason:
        pytest.skip(reason)
    ensure_built(ROOT / "contracts")
    server = kafka.start(tmp_path / "kafka", heap="384m", guard=os.getpid())
    ensure_topics(server.address, ROOT / "contracts" / "topics.yaml", PARTIES)
    (port,) = free_ports(1)
    keys = tmp_path / "keys.yaml"
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    may = '["events:write", "receipts:read", "refusals:redrive"]'
    keys.write_text(f"- {{party: northvale-college, key_id: nvc-1, sha256: {digest}, mode: live, scopes: {may}}}\n")
    environment = {
        **os.environ,
        "HUB_KAFKA": server.address,
        "HUB_POSTGRES": database,
        "HUB_KEK": base64.b64encode(bytes(range(1, 33))).decode(),
        "HUB_SEAL_KEY": base64.b64encode(bytes(range(32))).decode(),
        "HUB_API_KEYS": str(keys),
        "HUB_HTTP_PORT": str(port),
    }
    environment.pop("HUB_METRICS_PORT", None)
    catalogue = Catalogue([ROOT / "schemas" / "avro"])
    held = Machine(environment, KafkaLog(server.address, catalogue.frame), catalogue, f"http://127.0.0.1:{port}")
    processes = [held.start(name) for name in ("run", "http", "kafka")]
    try:
        held.wait_for(lambda: _up(held.door))
        yield held
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(timeout=60) for process in processes]
        held.log.close()
        kafka.stop(server)
    assert codes == [0, 0, 0]


def _up(door: str) -> bool:
    try:
        return httpx2.get(f"{door}/health", timeout=2).status_code == 200
    except httpx2.HTTPError:
        return False


def event(number: int) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"nvc-{number}",
        "source": "northvale-college",
        "type": "education.enrolment.completed",
        "data": {
            "effective_on": "2026-07-01",
            "subject": {"source_ref": f"P{number}", "family_name": "Khan-Reid"},
            "data": {"achieved": True},
        },
    }


def test_what_enters_through_either_door_is_judged_once(machine: Machine) -> None:
    authorised = {"Authorization": f"Bearer {KEY}"}
    client = httpx2.Client(base_url=machine.door, headers=authorised, timeout=60)
    keys_follow_the_file(machine, client)
    assert client.post("/v1/events", json=[event(n) for n in range(200)]).status_code == 202
    assert client.post("/v1/events", json=[event(n) for n in range(200)]).status_code == 202
    assert client.post("/v1/events", json={**event(900), "type": "uc.claim_started"}).status_code == 422
    kind = "education.enrolment.completed.v1"
    body = machine.catalogue.encode(
        kind,
        {
            "effective_on": date(2026, 7, 1),
            "subject": {"source_ref": "P500", "family_name": "Khan-Reid"},
            "data": {"achieved": True},
        },
    )
    partner = Producer({"bootstrap.servers": machine.environment["HUB_KAFKA"]})
    headers = {"ce_id": "nvc-500", "ce_source": "northvale-college", "ce_type": kind[:-3]}
    partner.produce("partner.northvale-college", machine.catalogue.frame(kind, body), headers=headers)
    assert partner.flush(30) == 0
    machine.wait_for(lambda: len(machine.facts("observations")) >= 201)
    machine.wait_for(lambda: len(machine.facts("refusals")) >= 1)
    observed = [fact.fields["message_id"] for fact in machine.facts("observations")]
    assert sorted(observed) == sorted([f"nvc-{n}" for n in range(200)] + ["nvc-500"])
    assert [fact.fields["reason"] for fact in machine.facts("refusals")] == ["no_agreement"]
    receipt = client.get("/v1/receipts/nvc-7").json()
    assert receipt["state"] == "accepted" and receipt["type"] == "education.enrolment.completed"
    assert client.get("/v1/receipts/nvc-500").json()["state"] == "accepted"
    assert json.loads(client.get("/v1/receipts/nvc-900").text)["state"] == "refused"


def keys_follow_the_file(machine: Machine, client: httpx2.Client) -> None:
    """By command, while the door runs; the key that the test goes on with stays."""
    file = Path(machine.environment["HUB_API_KEYS"])
    made = key_file.rotate(file, "nvc-1", date.max, None, date(2025, 1, 1))
    new = {"Authorization": f"Bearer {made.key}"}
    machine.wait_for(lambda: client.get("/v1/me", headers=new).status_code == 200)
    assert client.get("/v1/me").json()["principal"] == "key:nvc-1"
    key_file.revoke(file, made.entry.key_id, date(2025, 1, 1))
    machine.wait_for(lambda: client.get("/v1/me", headers=new).status_code == 401)


def accepted(machine: Machine, ids: set[str]) -> bool:
    return ids <= {fact.fields["message_id"] for fact in machine.facts("observations")}


def test_suspending_takes_effect_within_five_seconds_and_resuming_redrives(machine: Machine) -> None:
    client = httpx2.Client(base_url=machine.door, headers={"Authorization": f"Bearer {KEY}"}, timeout=60)
    assert machine.hub("contracts", "release", "--by", "R. Osei")["number"] == 1
    assert client.post("/v1/events", json=event(901)).status_code == 202
    machine.wait_for(lambda: accepted(machine, {"nvc-901"}))

    why = ("--because", "DPIA under review")
    suspended = machine.hub("contracts", "suspend", "isa-2024-011", "--by", "R. Osei", *why)
    begun = time.monotonic()
    assert suspended["agreements"] == ["isa-2024-011"]
    number = 1_000
    while client.post("/v1/events", json=event(number)).status_code == 202:
        assert time.monotonic() - begun < EFFECT_SECONDS_MAX, "the door still takes what is suspended"
        number += 1
        time.sleep(0.1)
    refused = client.post("/v1/events", json=event(1_500))
    assert refused.status_code == 422 and refused.json()["reason"] == "suspended"
    machine.wait_for(lambda: {"nvc-1500"} <= {fact.fields["message_id"] for fact in machine.facts("refusals")})
    assert not accepted(machine, {"nvc-1500"})
    (item,) = [item for item in client.get("/v1/refusals").json()["items"] if item["id"] == "nvc-1500"]
    assert item["reason"] == "suspended" and item["kept"] and item["open"]

    listed = ("quarantine", "list", "--class", "suspended")
    waiting = machine.hub(*listed)
    assert {row["state"] for row in waiting} == {"waits"} and sum(row["count"] for row in waiting) >= 1
    would_be = machine.hub("quarantine", "redrive", "--class", "suspended", "--dry-run")
    assert {row["would be"] for row in would_be} == {"suspended"}
    told = client.post("/v1/refusals:redrive", json={"dry_run": True, "ids": ["nvc-1500"]}).json()
    assert told["waiting"] == 1 and [item["outcome"] for item in told["items"]] == ["suspended"]
    machine.hub("contracts", "resume", "isa-2024-011", "--by", "M. Pereira", "--approve", code=2)
    machine.hub("contracts", "resume", "isa-2024-011", "--by", "R. Osei")
    machine.hub("contracts", "resume", "isa-2024-011", "--by", "r. osei", "--approve", code=2)
    assert not accepted(machine, {"nvc-1500"}), "asked for, and not yet approved"
    resumed = machine.hub("contracts", "resume", "isa-2024-011", "--by", "M. Pereira", "--approve")
    assert resumed["agreements"] == [] and resumed["redriven"] == sum(row["count"] for row in waiting)
    machine.wait_for(lambda: accepted(machine, {"nvc-1500"}))
    assert client.get("/v1/receipts/nvc-1500").json()["state"] == "accepted"
    machine.wait_for(
        lambda: {row["state"] for row in machine.hub("quarantine", "list", "--class", "suspended")} == {"settled"}
    )
