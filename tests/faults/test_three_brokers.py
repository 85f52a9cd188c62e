"""Tier K: three brokers, three replicas, two in sync at least. Brokers die under load; nothing is lost or doubled.

Behind ``slow`` and HUB_LONG_SUITE=1: three JVMs and a minute.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.machine import kafka
from hub.machine.ports import wait_until
from spine.errors import Retry
from tests.faults.resume import noted, seconds_to_resume
from tests.faults.three_brokers import COUNT, Cluster
from tests.spine.conftest import Toy, toy_on
from tests.spine.toy import check_exact

pytestmark = [
    *(pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(500)),
    pytest.mark.skipif(os.environ.get("HUB_LONG_SUITE") != "1", reason="three brokers: set HUB_LONG_SUITE=1"),
]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    reason = kafka.missing()
    if reason:
        pytest.skip(reason)
    held = Cluster(tmp_path / "cluster")
    try:
        held.start(*range(COUNT))
        yield held
    finally:
        held.stop()


class Feeder(threading.Thread):
    """A steady partner: what was not acknowledged is sent again under the same ids, as the doors do."""

    def __init__(self, toy: Toy, at_once: int = 40) -> None:
        super().__init__(daemon=True)
        self.toy, self.at_once = toy, at_once
        self.sent, self.again, self.longest = 0, 0, 0.0
        self.leave = threading.Event()

    def run(self) -> None:
        while not self.leave.is_set():
            begun = time.monotonic()
            while True:
                try:
                    self.toy.feed(range(self.sent, self.sent + self.at_once))
                    break
                except Retry:
                    self.again += 1
            self.longest = max(self.longest, time.monotonic() - begun)
            self.sent += self.at_once
            time.sleep(0.1)

    def end(self) -> int:
        self.leave.set()
        self.join(60)
        return self.sent


def stop(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(40) for process in processes] == [0] * len(processes)


def test_brokers_killed_one_after_the_other_under_load_lose_nothing_and_double_no_decision(
    cluster: Cluster, fresh_database: str, tmp_path: Path
) -> None:
    with toy_on(cluster.address, fresh_database, tmp_path) as toy:
        workers = [toy.start(HUB_RECORDS_MAX="100"), toy.start(HUB_RECORDS_MAX="100")]
        feeder = Feeder(toy)
        feeder.start()
        toy.until(lambda: toy.decided() > 300)
        for _ in range(2):
            victim = cluster.leader(toy.topic, 0)
            since = time.monotonic()
            cluster.kill(victim)
            time.sleep(0.5)
            # What was on its way when the leader died is decided; the next is what its successor gave.
            seconds_to_resume(toy, "leader of three brokers killed", since, toy.decided() + 100, 60)
            cluster.start(victim)
            back = time.monotonic()
            assert wait_until(lambda: cluster.in_sync(toy.topic) == COUNT, 60)
            noted("a killed broker in sync again", time.monotonic() - back)
        sent = feeder.end()
        toy.settled(sent, 60)
        assert all(worker.poll() is None for worker in workers)
        noted("longest wait of a sender while brokers died", feeder.longest)
        stop(*workers)
        check_exact(toy.rows(), toy.echoes(), range(sent))
        decided = [row for row in toy.rows() if not row.note]
        print(
            f"{sent} accepted, {len(decided)} decided, sent again {feeder.again} times, {feeder.longest:.1f} s at most"
        )


def test_with_one_broker_of_three_nothing_is_accepted_and_with_two_again_it_goes_on(
    cluster: Cluster, fresh_database: str, tmp_path: Path
) -> None:
    """Fewer than two in sync: a receipt would promise what one disk alone holds. So nobody gets one."""
    with toy_on(cluster.address, fresh_database, tmp_path) as toy:
        toy.feed(range(100))
        worker = toy.start()
        toy.settled(100)
        cluster.kill(0)
        cluster.kill(1)
        with pytest.raises(Retry):
            toy.feed(range(100, 140))
        assert worker.poll() is None and toy.decided() == 100
        cluster.start(0)
        since, before = time.monotonic(), toy.decided()
        while True:
            try:
                toy.feed(range(100, 300))
                break
            except Retry:
                assert time.monotonic() - since < 120
        seconds_to_resume(toy, "two of three brokers killed, one started again", since, before)
        toy.until(lambda: _told(toy) == 300)
        toy.until(lambda: toy.journal.outbox_size() == 0)
        stop(worker)
        check_exact(toy.rows(), toy.echoes(), range(300))


def _told(toy: Toy) -> int:
    return len({row.event_id for row in toy.rows() if not row.note})
