"""The canaries through a whole hub of real processes: what each of them logs and counts, and the mails it sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import httpx2
import pytest
from confluent_kafka import Producer

from hub.layout import Home
from hub.machine import kafka
from hub.machine.ports import wait_until
from hub.sample.mess import Line
from hub.up.plan import SERVICES
from tests.adversary.canaries import Flock, Generator, found_in
from tests.adversary.doors_of_canaries import broken
from tests.adversary.files_of_canaries import college_file
from tests.adversary.world_of_canaries import CONTRACTS
from tests.faults.whole_hub import WholeHub, stream
from tests.ingest.files.conftest import COLLEGE

pytestmark = [
    *(pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(400)),
    pytest.mark.long,
    pytest.mark.xdist_group("canaries-of-processes"),
]
PEOPLE, WAIT_SECONDS_MAX = 6, 90
MADE = "hub_file_rows_total"


@dataclass(frozen=True, slots=True)
class Left:
    """What the run left: log files by name, metrics by process, mails."""

    flock: Flock
    logs: dict[str, bytes]
    metrics: dict[str, bytes]
    mails: list[bytes]


def lines(flock: Flock) -> list[Line]:
    """Every event of some people, and each once more with values in wrong places, in order of receipt."""
    found = []
    for person in flock.people[:PEOPLE]:
        for n, event in enumerate(person.events):
            said = {name: value for name, value in event.items() if name != "received_at"}
            for one in (said, broken(said, n + person.number)):
                found.append(Line(event["received_at"], event["source"], one))
    return sorted(found, key=lambda line: line.received_at)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory, module_database: str) -> Iterator[Left]:
    reason = kafka.missing()
    if reason:
        pytest.skip(reason)
    flock = Generator(CONTRACTS).build()
    hub = WholeHub(Home(tmp_path_factory.mktemp("canaries")), module_database)
    try:
        hub.up()
        told(hub, flock)
        ports = json.loads((hub.home.folder / "ports.json").read_text())
        metrics = {
            name: httpx2.get(f"http://127.0.0.1:{ports[f'metrics-{name}']}/metrics", timeout=10).content
            for name in SERVICES
        }
        mails = [path.read_bytes() for path in hub.home.mail.glob("*.eml")]
    finally:
        hub.command("down")
    logs = {path.name: path.read_bytes() for path in hub.home.logs.rglob("*") if path.is_file()}
    yield Left(flock, logs, metrics, mails)


def told(hub: WholeHub, flock: Flock) -> None:
    """By HTTP day by day, by a partner's topic, by file, and by strangers."""
    ticker = hub.ticker()
    for day, group in groupby(lines(flock), key=lambda line: line.received_at.date()):
        ticker.write(day)
        stream(hub, list(group), 50, lambda count: None)
    hub.drained()
    ticker.close()
    door, name = hub.run().addresses["door"], flock.people[0].values["family_name"]
    for path in (f"/v1/receipts/{name}", f"/{name}"):
        assert httpx2.get(f"{door}{path}", headers={"Authorization": f"Bearer {name}"}, timeout=10).status_code >= 400
    partner = Producer({"bootstrap.servers": hub.run().addresses["kafka"]})
    for value in (b"\xff" + name.encode(), json.dumps(flock.people[1].events[0]["data"]).encode()):
        partner.produce(f"partner.{COLLEGE}", value, headers={"ce_id": f"{name} {name}", "ce_type": name})
    assert partner.flush(30) == 0
    inbox, out = hub.home.files / COLLEGE / "in", hub.home.files / COLLEGE / "out"
    for file, content in ((f"NVC_ENROL_{name}.csv", college_file(flock)), (f"{name}.csv", name)):
        part = inbox / f"{file}.part"
        part.write_text(content, encoding="utf-8")
        part.rename(inbox / file)
    assert wait_until(lambda: len(list(out.glob("*.summary.json"))) == 2, WAIT_SECONDS_MAX)
    hub.drained()
    assert wait_until(lambda: any(hub.home.mail.glob("*.eml")), WAIT_SECONDS_MAX)


def leaks(flock: Flock, blob: bytes) -> list[str]:
    return sorted({min(f"{o.path} of {o.party}" for o in flock.origins[key]) for key in found_in(flock, blob)})


def test_no_process_logs_a_value(left: Left) -> None:
    assert {f"{name}.log" for name in SERVICES} <= left.logs.keys()
    assert {name: found for name, blob in left.logs.items() if (found := leaks(left.flock, blob))} == {}
    assert all(event in left.logs["files.log"] for event in (b"file_taken", b"file_refused"))


def test_no_process_counts_under_a_value(left: Left) -> None:
    assert {name: found for name, blob in left.metrics.items() if (found := leaks(left.flock, blob))} == {}
    assert all(b"# TYPE" in blob for blob in left.metrics.values()) and MADE.encode() in left.metrics["files"]


def test_no_mail_that_was_sent_holds_a_value(left: Left) -> None:
    assert len(left.mails) > 5 and not [found for mail in left.mails if (found := leaks(left.flock, mail))]


def test_a_value_in_a_log_would_be_found(left: Left, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(left.logs["ingest.log"] + left.flock.people[3].values["postcode"].encode())
    assert leaks(left.flock, (tmp_path / "a.log").read_bytes())
