"""What the hub leans on goes away, stalls or lies; a real service process on real servers keeps its promises."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from contextlib import AbstractContextManager
from typing import Any, cast

import httpx2
import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from hub.machine.ports import free_ports
from spine.errors import Retry
from spine.host import ConfluentHost, Running, run
from spine.journal import Journal, Position, Transaction
from spine.record import Record
from spine.service import HALTED
from spine.step import Limits
from tests.spine.conftest import Toy, toy
from tests.spine.toy import check_exact, toy_processor

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

__all__ = ["toy"]

HOSTS = ["confluent", "faust"]


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(25) == 0


@pytest.mark.parametrize("host", HOSTS)
def test_a_database_that_goes_away_costs_time_and_nothing_else(toy: Toy, host: str) -> None:
    toy.feed(range(500))
    process = toy.start(host, HUB_RECORDS_MAX="50")
    toy.until(lambda: toy.decided() > 0)
    name, maintenance = toy.url.rpartition("/")[2], toy.url.rpartition("/")[0] + "/postgres"
    with psycopg.connect(maintenance, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        for _ in range(8):
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
            time.sleep(0.2)
        toy.feed(range(500, 1000))
        assert process.poll() is None
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    toy.settled(1000)
    stop(process)
    check_exact(toy.rows(), toy.echoes(), range(1000))


@pytest.mark.parametrize("host", HOSTS)
def test_a_log_that_lost_its_tail_halts_the_service(toy: Toy, host: str) -> None:
    toy.feed(range(20))
    with toy.journal.transaction() as transaction:
        transaction.set_offsets({(toy.topic, 0): Position(1_000)})
    assert toy.start(host).wait(30) == HALTED


@pytest.mark.parametrize("host", HOSTS)
def test_a_log_that_no_longer_holds_the_next_record_halts_the_service(toy: Toy, host: str) -> None:
    toy.feed(range(100))
    with toy.journal.transaction() as transaction:
        transaction.set_offsets({(toy.topic, n): Position(1) for n in range(4)})
    admin = AdminClient({"bootstrap.servers": toy.bootstrap})
    for future in admin.delete_records([TopicPartition(toy.topic, 0, 5)]).values():
        future.result()
    assert toy.start(host).wait(30) == HALTED


def test_a_partition_never_seen_begins_where_the_log_begins(toy: Toy) -> None:
    toy.feed(range(100))
    admin = AdminClient({"bootstrap.servers": toy.bootstrap})
    for future in admin.delete_records([TopicPartition(toy.topic, 0, 5)]).values():
        future.result()
    process = toy.start()
    toy.settled(100)
    stop(process)
    assert len(toy.rows()) == 95


@pytest.mark.parametrize("host", HOSTS)
def test_a_record_that_breaks_decide_is_set_aside_and_the_rest_decided(toy: Toy, host: str) -> None:
    toy.feed(range(300))
    process = toy.start(host, HUB_TOY_POISON="150")
    toy.settled(300)
    stop(process)
    aside = [row for row in toy.rows() if row.note]
    assert [row.note for row in aside] == ["poison:exception:ZeroDivisionError"]
    check_exact(toy.rows(), toy.echoes(), [n for n in range(300) if n != 150])


def test_a_worker_frozen_and_thawed_after_its_partitions_moved_changes_nothing(toy: Toy) -> None:
    toy.feed(range(2000))
    zombie = toy.start(HUB_RECORDS_MAX="20")
    toy.until(lambda: toy.decided() > 100)
    zombie.send_signal(signal.SIGSTOP)
    second = toy.start()
    toy.feed(range(2000, 2500))
    # Where it was frozen inside its transaction, the database ends that session after the idle timeout.
    toy.settled(2500, 45)
    zombie.send_signal(signal.SIGCONT)
    time.sleep(1)
    toy.feed(range(2500, 2700))
    toy.settled(2700)
    stop(second)
    stop(zombie)
    check_exact(toy.rows(), toy.echoes(), range(2700))


def test_health_and_metrics_follow_progress(toy: Toy) -> None:
    (port,) = free_ports(1)
    process = toy.start(HUB_HEALTH_PORT=str(port))
    toy.feed(range(200))
    toy.settled(200)
    base = f"http://127.0.0.1:{port}"
    toy.until(lambda: httpx2.get(f"{base}/health/ready").status_code == 200)
    assert httpx2.get(f"{base}/health/live").text == "ok"
    text = httpx2.get(f"{base}/metrics").text
    assert 'hub_records_total{outcome="decided",service="toy"' in text and "hub_step_seconds_bucket" in text
    assert httpx2.get(f"{base}/else").status_code == 404
    stop(process)


class Forgetful(ConfluentHost):
    """Loses what it read once, as when an error comes with the records."""

    forgets = False

    def _read(self, limits: Limits) -> list[Record]:
        records = super()._read(limits)
        if records and self.forgets:
            self.forgets = False
            return []
        return records


def test_records_lost_at_the_end_of_a_partition_are_read_again(toy: Toy) -> None:
    """No later record shows this hole to the step: the host compares the client's position with the journal's."""
    host = Forgetful(running_of(toy, toy.journal))
    thread = threading.Thread(target=host.run)
    thread.start()
    try:
        toy.feed(range(100))
        toy.settled(100)
        host.forgets = True
        toy.feed(range(100, 101))
        toy.settled(101)
        assert not host.forgets
    finally:
        host.running.stop.set()
        thread.join(20)
    check_exact(toy.rows(), toy.echoes(), range(101))


def test_a_partition_lost_during_a_retry_is_read_again_when_it_comes_back(toy: Toy) -> None:
    """The client keeps a pause through losing a partition and getting it back; nobody else would resume it."""
    journal = Interrupted(toy.journal)
    running = running_of(toy, cast(Journal, journal))
    thread = threading.Thread(target=run, args=(running,))
    thread.start()
    try:
        toy.feed(range(100))
        toy.settled(100)
        journal.away.set()
        toy.feed(range(100, 200))
        toy.until(lambda: running.progress.state.startswith("retrying"))
        other = Consumer(
            {
                "bootstrap.servers": toy.bootstrap,
                "group.id": running.group,
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": 6000,
            }
        )
        other.subscribe([toy.topic])
        toy.until(lambda: other.poll(0.2) is None and len(other.assignment()) == 2)
        journal.away.clear()
        toy.until(lambda: running.progress.state == "running")
        other.close()
        toy.settled(200)
    finally:
        running.stop.set()
        thread.join(20)
    check_exact(toy.rows(), toy.echoes(), range(200))


def running_of(toy: Toy, journal: Journal) -> Running:
    processor = toy_processor(toy.topic, toy.effects)
    topics, group = (toy.topic,), f"{toy.prefix}toy"
    return Running("toy", topics, processor, journal, toy.log, toy.catalogue, toy.bootstrap, group)


class Interrupted:
    """A journal whose database can go away for one worker only."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.away = threading.Event()

    def transaction(self) -> AbstractContextManager[Transaction]:
        if self.away.is_set():
            raise Retry("database: away")
        return self._journal.transaction()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)
