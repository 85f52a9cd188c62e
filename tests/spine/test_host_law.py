"""One law for every host, on real servers: whatever is killed or rebalanced, each record is decided once."""

from __future__ import annotations

import random
import signal
import time

import pytest

from tests.spine.conftest import Toy
from tests.spine.toy import check_exact

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

HOSTS = ["confluent", "faust"]


@pytest.mark.parametrize("host", HOSTS)
def test_a_service_decides_what_it_reads_and_stops_in_order(toy: Toy, host: str) -> None:
    toy.feed(range(1000))
    process = toy.start(host)
    toy.settled(1000)
    toy.feed(range(1000, 3000))
    toy.until(lambda: toy.decided() > 1000)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    again = toy.start(host)
    toy.settled(3000)
    again.send_signal(signal.SIGTERM)
    assert again.wait(20) == 0
    check_exact(toy.rows(), toy.echoes(), range(3000))


@pytest.mark.slow
@pytest.mark.parametrize("host", ["confluent", pytest.param("faust", marks=pytest.mark.long)])
def test_in_chaos_nothing_is_lost_and_nothing_decided_twice(toy: Toy, host: str) -> None:
    """Two workers, a steady stream, kill -9 and graceful stops with restarts between."""
    choice = random.Random(5)
    workers = [toy.start(host), toy.start(host)]
    sent, begun = 0, time.monotonic()
    acts = iter(["kill", "stop", "kill", "join"])
    next_act = begun + 3
    while time.monotonic() - begun < 14:
        toy.feed(range(sent, sent + 200))
        sent += 200
        time.sleep(0.1)
        if time.monotonic() > next_act and (act := next(acts, None)):
            next_act = time.monotonic() + 3
            if act == "join":
                workers.append(toy.start(host))
                continue
            victim = workers.pop(choice.randrange(len(workers)))
            victim.send_signal(signal.SIGKILL if act == "kill" else signal.SIGTERM)
            workers.append(toy.start(host))
    toy.settled(sent, 60)
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    assert [worker.wait(30) for worker in workers] == [0] * len(workers)
    check_exact(toy.rows(), toy.echoes(), range(sent))
