"""``hub up`` on a broker with an authorizer, every process under its own user, there and in the database: everything
answers, the rights that the contract and `hub deploy roles` give are enough, what is killed comes back, all of it ends.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import asyncssh
import pytest
from confluent_kafka import Producer

from hub.backlog import backlogs
from hub.demo.drain import drain
from hub.demo.summary import facts
from hub.deploy.processes import BY_NAME
from hub.deploy.roles import OFFICER, READER, as_role, role_of
from hub.feed import Feed
from hub.layout import Home
from hub.machine import kafka, postgres
from hub.machine.ports import wait_until
from hub.sample.county import county
from hub.topics import read_topics
from hub.up.record import RunRecord, read_run
from spine.kafka import KafkaLog
from spine.keystore.kek import LocalKek
from spine.keystore.postgres import PostgresKeys
from spine.registry import use_registry
from spine.schema import Catalogue
from tests.ingest.files.conftest import COLLEGE, ENROLLED, csv_text

ROOT = Path(__file__).parents[2]
PARTNER, TYPE = "northvale-college", "education.enrolment.completed.v1"
pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(400)]


class Hub:
    """``hub up --secure-kafka`` in a folder of the test's own, worked through the command."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self._env = {**os.environ, "HUB_HOME": str(folder), "HUB_KAFKA_HEAP": "512m", "HUB_GUARD": str(os.getpid())}
        self._env.setdefault("HUB_CACHE", str(ROOT / ".hub" / "cache"))

    def run(self, *words: str, role: str = "") -> tuple[int, Any]:
        """``role``: with this role of the database, as a Job of the command has it."""
        command, environment = [sys.executable, "-m", "hub", *words, "--json"], self._env
        if role:
            password = (self.home.database_users / f"{role}.password").read_text()
            environment = {**environment, "HUB_POSTGRES": as_role(self.record().addresses["postgres"], role, password)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else done.stderr

    def record(self) -> RunRecord:
        run = read_run(self.home.run)
        assert run is not None
        return run

    def catalogue(self) -> Catalogue:
        catalogue = Catalogue([ROOT / "schemas" / "avro"])
        use_registry(catalogue, self.record().addresses["registry"])
        return catalogue

    def drained(self) -> None:
        run, topics = self.record(), read_topics(ROOT / "contracts")
        drain(lambda: backlogs(run.broker(), run.addresses["postgres"], topics), lambda: self.record().halted(), 150)

    def facts(self, topic: str) -> list[Any]:
        kek, catalogue = LocalKek(base64.b64decode(self.home.kek.read_text())), self.catalogue()
        with closing(PostgresKeys(self.record().addresses["postgres"], kek)) as keys:
            catalogue.keys = keys
            with closing(KafkaLog(self.record().administered(), catalogue.frame, source="test")) as log:
                return list(facts(log, catalogue, topic))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    for reason in (kafka.missing(), postgres.missing()):
        if reason:
            pytest.skip(reason)
    hub = Hub(tmp_path_factory.mktemp("hub"))
    code, answer = hub.run("up", "--demo", "--secure-kafka", "--database-roles", "--detach")
    try:
        assert code == 0, answer
        yield hub
    finally:
        hub.run("down")
        postgres.remove(hub.home.postgres)


def tell(hub: Hub, number: int) -> str:
    """One event on the partner's own topic, as the partner; the broker's error, or empty."""
    catalogue = hub.catalogue()
    subject = {"source_ref": f"P{number}", "family_name": "Khan-Reid", "date_of_birth": date(2008, 4, 1)}
    fields = {"effective_on": date(2025, 9, 1), "subject": subject, "data": {"achieved": True}}
    value = catalogue.frame(TYPE, catalogue.encode(TYPE, fields))
    headers = {"ce_id": f"nvc-{number}", "ce_source": PARTNER, "ce_type": TYPE.removesuffix(".v1")}
    told: list[str] = []
    producer = hub.record().broker(f"partner-{PARTNER}").connect(Producer, {"log_level": 0})
    producer.produce(
        f"partner.{PARTNER}", value, headers=headers, on_delivery=lambda e, _: told.append(e.name() if e else "")
    )
    producer.flush(30)
    return told[0] if told else "no answer"


def test_everything_answers(hub: Hub) -> None:
    code, answer = hub.run("status")
    assert code == 0
    names = {process["name"] for process in answer["processes"] if process["running"]}
    assert {"postgres", "kafka", "registry", "ingest", "matching", "status", "alerts", "delivery", "console"} <= names
    assert "answers" in names
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{hub.record().addresses['answers']}/v1/people/person", b'{"ref": "anybody"}', timeout=10)
    assert refused.value.code == 401 and refused.value.headers["Content-Type"] == "application/problem+json"
    assert answer["addresses"]["console"].startswith("http://127.0.0.1:")
    assert hub.run("up", "--detach")[0] == 1, "a second one on the same folder is refused"


def test_the_doctor_finds_no_fault_in_a_hub_that_has_just_started(hub: Hub) -> None:
    code, answer = hub.run("doctor")
    found = {verdict: [f for f in answer["findings"] if f["verdict"] == verdict] for verdict in ("fault", "warning")}
    assert not found["fault"], found["fault"]
    # The demo has no ticker, and takes its time from the sample.
    assert code == 4 and {one["check"] for one in found["warning"]} <= {"migrations", "ticks", "disk"}, found


def test_the_pipeline_flows_from_both_doors_to_the_alerts(hub: Hub) -> None:
    run = hub.record()
    assert hub.run("tick", "--on", "2025-09-01")[0] == 0
    with Feed(run.addresses["door"], json.loads(hub.home.keys.read_text()), simulate=True) as feed:
        feed.send(county(people=40, days=30, seed=5))
    assert tell(hub, 1) == ""
    assert hub.run("tick", "--on", "2025-10-15")[0] == 0
    hub.drained()
    code, answer = hub.run("status")
    assert code == 0 and feed.answers["taken"] > 30
    records = answer["records"]
    assert records["attributions"] > 30 and records["statuses"] > 30 and records["quarantine"] == 0
    assert hub.facts("alerts") and hub.facts("deliveries")
    doors = [fact.fields["door"] for fact in hub.facts("submissions") if fact.kind == "submission.v1"]
    assert doors.count("kafka") == 1

    def behind() -> set[int]:
        return {service["behind"] for service in hub.run("status")[1]["services"]}

    # What is sent meanwhile is news again, for a moment.
    assert wait_until(lambda: behind() == {0}, 60), "what came in is decided, and the date reached every service"
    assert {process.restarts for process in hub.record().processes} == {0}


def test_each_process_runs_under_its_own_user_and_none_under_the_administrator_s(hub: Hub) -> None:
    administrator = hub.record().administered().password
    users = {}
    for process in hub.record().processes:
        environment = Path(f"/proc/{process.pid}/environ").read_text()
        held = dict(pair.split("=", 1) for pair in environment.split("\0") if "=" in pair)
        users[process.name] = held.get("HUB_KAFKA_USER", "")
        assert administrator not in environment
        assert held.get("HUB_KAFKA_PASSWORD", "") == ""
    assert users["matching"] == "hub-matching" and users["kafka-door"] == users["door"] == "hub-ingest-door"


def test_each_process_has_a_database_role_of_its_own_and_none_is_the_owner(hub: Hub) -> None:
    administrator = urlsplit(hub.record().addresses["postgres"]).password
    assert administrator
    for process in hub.record().processes:
        environment = Path(f"/proc/{process.pid}/environ").read_text()
        held = dict(pair.split("=", 1) for pair in environment.split("\0") if "=" in pair)
        if process.name not in BY_NAME:
            continue
        assert administrator not in environment, process.name
        schema = BY_NAME[process.name].schema
        assert urlsplit(held["HUB_POSTGRES"]).username == (role_of(schema) if schema else None), process.name


def test_a_killed_service_comes_back(hub: Hub) -> None:
    (before,) = [p for p in hub.record().processes if p.name == "matching"]
    os.kill(before.pid, signal.SIGKILL)

    def back() -> bool:
        (now,) = [p for p in hub.record().processes if p.name == "matching"]
        return now.pid != before.pid and now.running()

    assert wait_until(back, 30)


def test_a_file_that_a_partner_uploads_is_read_and_a_test_key_s_file_is_a_test(hub: Hub) -> None:
    _, answer = hub.run("status")
    address = urlsplit(answer["addresses"]["sftp"])
    mine, trial = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    (hub.home.sftp_keys / f"{COLLEGE}.pub").write_bytes(mine.export_public_key())
    (hub.home.sftp_keys / f"{COLLEGE}.test.pub").write_bytes(trial.export_public_key())
    host_key = asyncssh.read_private_key(hub.home.sftp_host_key)

    async def upload(key: asyncssh.SSHKey) -> None:
        async with (
            asyncssh.connect(
                str(address.hostname),
                int(address.port or 0),
                username=COLLEGE,
                client_keys=[key],
                known_hosts=([host_key.convert_to_public()], [], []),
                config=None,
            ) as connection,
            connection.start_sftp_client() as client,
            client.open("in/NVC_ENROL_9.csv", "wb") as file,
        ):
            await file.write(csv_text([ENROLLED]).encode())

    for key in (mine, trial):
        asyncio.run(upload(key))

    def said(folder: Path) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in (folder / "out").glob("NVC_ENROL_9*.summary.json")]

    live = hub.home.files / COLLEGE
    assert wait_until(lambda: bool(said(live) and said(live / "test")), 30)
    assert [one["state"] for one in said(live) + said(live / "test")] == ["taken", "taken"]
    assert "test" not in said(live)[0] and said(live / "test")[0]["test"] is True
    hub.drained()
    filed = [fact for fact in hub.facts("submissions") if fact.fields.get("door") == "file"]
    received = {str(fact.fields["message_id"]) for fact in filed if not fact.fields["test"]}
    observed = [fact for fact in hub.facts("observations") if fact.kind == "observation.v1"]
    types = {str(fact.fields["type"]) for fact in observed if fact.fields["message_id"] in received}
    assert types == {"education.enrolment.started", "feed.extract_received"}


def test_a_suspended_partner_is_refused_by_the_broker_from_the_next_apply_on(hub: Hub) -> None:
    assert hub.run("topics", "plan")[0] == 0
    assert hub.run("contracts", "suspend", PARTNER, "--by", "Priya Nair")[0] == 0
    code, answer = hub.run("topics", "plan")
    assert code == 4
    assert {change["name"] for change in answer["changes"]} == {f"User:partner-{PARTNER}"}
    assert tell(hub, 2) == "", "until then the gate keeps what comes, sealed"
    assert hub.run("topics", "apply")[0] == 0
    assert tell(hub, 3) == "TOPIC_AUTHORIZATION_FAILED"
    hub.drained()
    assert hub.run("contracts", "resume", PARTNER, "--by", "Priya Nair")[0] == 0
    code, answer = hub.run("contracts", "resume", PARTNER, "--by", "Stella Roy", "--approve")
    assert code == 0 and answer["redriven"] == 1
    assert hub.run("topics", "apply")[0] == 0
    assert tell(hub, 4) == ""


@pytest.mark.long
@pytest.mark.timeout(600)
def test_who_was_erased_after_a_backup_is_erased_again_when_it_is_restored(hub: Hub, tmp_path: Path) -> None:
    with Feed(hub.record().addresses["door"], json.loads(hub.home.keys.read_text()), simulate=True) as feed:
        feed.send(county(people=12, days=30, seed=11))
    assert hub.run("tick", "--on", "2025-10-15")[0] == 0
    hub.drained()
    people = sorted({fact.fields["person_id"] for fact in hub.facts("alerts")})

    def officer(*words: str) -> tuple[int, Any]:
        return hub.run("erase", *words, role=OFFICER)

    person = next(one for one in people if not officer(one, "--dry-run")[1].get("forbidden", "nobody"))
    assert hub.run("backup", str(tmp_path / "backup"), role=READER)[0] == 0
    assert officer(person, "--reason", "request", "--by", "R. Patel")[0] == 0
    code, done = officer(person, "--approve", "--by", "J. Okafor")
    assert code == 0 and done["went"]["keys"], done
    assert hub.run("down")[0] == 0
    code, told = hub.run("restore", str(tmp_path / "backup"), "--replace")
    assert code == 0 and told["erased_again"]["orders"] == [done["erasure_id"]], told
    assert told["erased_again"]["keys"] == sum(done["went"]["keys"].values())
    assert hub.run("up", "--demo", "--secure-kafka", "--database-roles", "--detach")[0] == 0
    hub.drained()
    # The register is back, the services have read the order once more: it is certified again.
    code, again = officer(person, "--approve", "--by", "J. Okafor")
    assert code == 0, again
    assert [again[name] for name in ("erasure_id", "ordered_at", "ground")] == [
        done[name] for name in ("erasure_id", "ordered_at", "ground")
    ]
    assert again["went"]["keys"] == done["went"]["keys"] and again["to_be_told"] == done["to_be_told"]
    code, replayed = hub.run("replay", "--service", "status", role=READER)
    assert code == 0, replayed
    assert hub.run("person", "show", person, "--reason", "test") == (1, {"error": "person show: nobody has that id"})


def test_down_ends_every_process(hub: Hub) -> None:
    processes = hub.record().processes
    code, answer = hub.run("down")
    assert (code, answer["killed"]) == (0, False)
    assert not [p.name for p in processes if p.running()]
    assert read_run(hub.home.run) is None
