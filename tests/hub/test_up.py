"""``hub up`` here: everything answers, what is killed comes back, what comes in is decided, all of it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import asyncssh
import pytest

from hub.demo.drain import drain
from hub.layout import Home
from hub.machine import kafka, postgres
from hub.machine.ports import wait_until
from hub.up.record import RunRecord, read_run

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(400)]


class Hub:
    """A hub of the test's own, worked through the command."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self._env = {**os.environ, "HUB_HOME": str(folder), "HUB_KAFKA_HEAP": "512m"}
        self._env.setdefault("HUB_CACHE", str(ROOT / ".hub" / "cache"))

    def run(self, *words: str) -> tuple[int, Any]:
        command = [sys.executable, "-m", "hub", *words, "--json"]
        done = subprocess.run(command, env=self._env, capture_output=True, text=True, check=False, cwd=ROOT)
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else done.stderr

    def record(self) -> RunRecord:
        run = read_run(self.home.run)
        assert run is not None
        return run


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    for reason in (kafka.missing(), postgres.missing()):
        if reason:
            pytest.skip(reason)
    hub = Hub(tmp_path_factory.mktemp("hub"))
    code, answer = hub.run("up", "--demo", "--detach")
    try:
        assert code == 0, answer
        yield hub
    finally:
        hub.run("down")
        postgres.remove(hub.home.postgres)


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


def test_a_killed_service_comes_back(hub: Hub) -> None:
    (before,) = [p for p in hub.record().processes if p.name == "matching"]
    os.kill(before.pid, signal.SIGKILL)

    def back() -> bool:
        (now,) = [p for p in hub.record().processes if p.name == "matching"]
        return now.pid != before.pid and now.running()

    assert wait_until(back, 30)


def test_what_comes_in_is_decided_and_the_date_reaches_every_service(hub: Hub) -> None:
    from hub.backlog import backlogs
    from hub.feed import Feed
    from hub.sample.county import county
    from hub.topics import read_topics

    run = hub.record()
    keys = json.loads(hub.home.keys.read_text())
    lines = county(people=30, days=20, seed=5)
    assert hub.run("tick", "--on", "2025-09-01")[0] == 0
    with Feed(run.addresses["door"], keys, simulate=True) as feed:
        feed.send(lines)
    topics = read_topics(ROOT / "contracts")
    drain(lambda: backlogs(run.addresses["kafka"], run.addresses["postgres"], topics), lambda: [], 120)
    _, answer = hub.run("status")
    assert feed.answers["taken"] > 30
    assert answer["records"]["attributions"] > 30
    assert answer["records"]["quarantine"] == 0
    behind = {service["service"]: service["behind"] for service in answer["services"]}
    assert set(behind.values()) == {0}


def test_a_file_that_a_partner_uploads_is_read_and_a_test_key_s_file_is_a_test(hub: Hub) -> None:
    from tests.ingest.files.conftest import COLLEGE, ENROLLED, csv_text

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


def test_down_ends_every_process(hub: Hub) -> None:
    processes = hub.record().processes
    code, answer = hub.run("down")
    assert (code, answer["killed"]) == (0, False)
    assert not [p.name for p in processes if p.running()]
    assert read_run(hub.home.run) is None
