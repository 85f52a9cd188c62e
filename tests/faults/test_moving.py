"""What moves under a running service: its partitions, the log itself, its own version, the clock of its machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvicorn
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from hub.machine.ports import free_ports, wait_until
from hub.topics import ensure_topics
from spine.postgres import PostgresJournal
from spine.registry import use_registry
from spine.registry_service import Registry, application
from spine.service import HALTED
from spine.ticker import last_tick
from tests.faults.resume import seconds_to_resume
from tests.spine.conftest import CONTRACT, Toy, toy
from tests.spine.toy import ROOT, check_exact

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

__all__ = ["toy"]

STORMS = 8


def stop(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        # One that has only just been started does not hear it yet, and would be ended by it.
        assert wait_until(lambda process=process: _hears(process), 30)
        process.send_signal(signal.SIGTERM)
    assert [process.wait(30) for process in processes] == [0] * len(processes)


def _hears(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has set a handler of its own for SIGTERM."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def test_in_a_storm_of_rebalances_every_record_is_decided_once(toy: Toy) -> None:
    """Somebody joins the group and leaves it, again and again; two workers lose and get their partitions.

    A Faust worker's group takes no other kind of member: its rebalances are those of tests/spine/test_host_law.py.
    """
    workers = [toy.start(HUB_RECORDS_MAX="50"), toy.start(HUB_RECORDS_MAX="50")]
    toy.feed(range(100))
    toy.settled(100)
    sent = 100
    for _ in range(STORMS):
        passer_by = Consumer(_member(toy))
        passer_by.subscribe([toy.topic])
        passer_by.poll(0.2)
        toy.feed(range(sent, sent + 50))
        sent += 50
        passer_by.close()
    since, before = time.monotonic(), toy.decided()
    if before < sent:
        seconds_to_resume(toy, "rebalance storm", since, before)
    toy.settled(sent, 60)
    stop(*workers)
    check_exact(toy.rows(), toy.echoes(), range(sent))


def _member(toy: Toy) -> dict[str, str | int]:
    return {
        "bootstrap.servers": toy.bootstrap,
        "group.id": f"{toy.prefix}toy",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": 6000,
    }


def test_a_log_that_was_lost_and_made_anew_halts_the_service(toy: Toy) -> None:
    """The topic is there and shorter: to read on would be to skip what its next records say."""
    toy.feed(range(100))
    first = toy.start()
    toy.settled(100)
    stop(first)
    admin = AdminClient({"bootstrap.servers": toy.bootstrap})
    for future in admin.delete_topics([toy.topic]).values():
        future.result()
    contract = toy.schemas.parent / "again.yaml"
    contract.write_text(CONTRACT)
    toy.until(lambda: _made_again(toy, contract))
    toy.feed(range(100, 110))
    assert toy.start().wait(40) == HALTED
    assert toy.decided() == 100


def _made_again(toy: Toy, contract: Path) -> bool:
    ensure_topics(toy.bootstrap, contract, prefix=toy.prefix)
    found = AdminClient({"bootstrap.servers": toy.bootstrap}).list_topics(toy.topic, timeout=5).topics[toy.topic]
    return found.error is None


@contextmanager
def registry(url: str) -> Iterator[str]:
    (port,) = free_ports(1)
    held = Registry(url)
    server = uvicorn.Server(uvicorn.Config(application(held), port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
        held.engine.dispose()


def test_an_upgrade_worker_by_worker_under_load_decides_each_record_once(toy: Toy, tmp_path: Path) -> None:
    """Two releases at work on one topic: the next knows a schema more, and says in each record who decided."""
    following = tmp_path / "next-schemas"
    shutil.copytree(toy.schemas, following)
    grown = json.loads((following / "echo.v1.avsc").read_text())
    grown["fields"].append({"name": "why", "type": "string", "default": ""})
    (following / "echo.v2.avsc").write_text(json.dumps(grown))
    with registry(toy.url) as address:
        use_registry(toy.catalogue, address)
        old = {"HUB_REGISTRY": address, "HUB_RECORDS_MAX": "20"}
        new = {**old, "HUB_SCHEMAS": str(following), "HUB_TOY_BUILD": "next"}
        running = [toy.start(**old), toy.start(**old)]
        sent = _feed_until(toy, 0, lambda: toy.decided() > 200)
        for n in range(2):
            # One goes in order, the next release takes its place; both kinds work meanwhile.
            stop(running.pop(0))
            running.append(toy.start(**new))
            target = toy.decided() + 300 * (n + 1)
            sent = _feed_until(toy, sent, lambda target=target: toy.decided() > target)
        toy.settled(sent, 60)
        stop(*running)
        rows = toy.rows()
        check_exact(rows, toy.echoes(), range(sent))
    assert {row.build for row in rows} == {"build", "next"}


def _feed_until(toy: Toy, sent: int, done: object) -> int:
    assert callable(done)
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        toy.feed(range(sent, sent + 40))
        sent += 40
        time.sleep(0.1)
    return sent


def ticker(toy: Toy, contracts: Path, clock: Path) -> subprocess.Popen[bytes]:
    settings = {
        "HUB_KAFKA": toy.bootstrap,
        "HUB_POSTGRES": toy.url,
        "HUB_REGISTRY": "",
        "HUB_SCHEMAS": str(toy.schemas),
        "HUB_CONTRACTS": str(contracts),
        "HUB_TEST_CLOCK": str(clock),
    }
    command = [sys.executable, "-m", "tests.faults.jumping_clock"]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **settings})


@pytest.mark.long
def test_a_clock_that_jumps_writes_no_day_twice_and_none_back(toy: Toy, tmp_path: Path) -> None:
    """Two days ahead, four hundred days back, and right again: ticks go on from the last day that was written."""
    contracts, clock = tmp_path / "contracts", tmp_path / "clock"
    contracts.mkdir()
    for name in ("log_events.yaml", "metrics.yaml"):
        shutil.copy(ROOT / "contracts" / name, contracts / name)
    (contracts / "topics.yaml").write_text(f"topics: {{{toy.topic}: {{partitions: 4, input_of: toy}}}}")
    noon = datetime(2026, 9, 1, 12, tzinfo=UTC)
    clock.write_text(noon.isoformat())
    process, service = ticker(toy, contracts, clock), toy.start()
    journal = PostgresJournal(toy.url, "ticker")
    try:
        toy.settled(4)
        for jump in (timedelta(days=2), -timedelta(days=400), timedelta(hours=-2), timedelta(0), timedelta(days=3)):
            clock.write_text((noon + jump).isoformat())
            time.sleep(1.2)
        toy.settled(4 * 4)
        # Each start ticks what is due now: a start under a clock that is behind must write nothing.
        stop(process)
        clock.write_text((noon - timedelta(days=1)).isoformat())
        process = ticker(toy, contracts, clock)
        time.sleep(3)
        days = [row.tick for row in toy.rows() if row.partition == 0]
        assert days == [noon.date() + timedelta(days=n) for n in range(4)]
        assert last_tick(journal) == days[-1]
        stop(process, service)
    finally:
        journal.close()
