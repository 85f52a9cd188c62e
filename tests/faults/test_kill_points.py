"""Kill -9 at each point of the loop, in a real process on real PostgreSQL and Kafka: nothing lost, nothing doubled."""

from __future__ import annotations

import signal

import pytest

from spine import faults
from tests.spine.conftest import Toy, toy
from tests.spine.toy import check_exact

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

__all__ = ["toy"]


@pytest.mark.parametrize("point", faults.POINTS)
def test_a_service_killed_at_any_point_decides_each_record_once(toy: Toy, point: str) -> None:
    toy.feed(range(300))
    first = toy.start(HUB_CRASH_AT=point, HUB_CRASH_AFTER="1", HUB_RECORDS_MAX="50", HUB_INSTANCE="one")
    toy.feed(range(300, 600))
    assert first.wait(30) == -signal.SIGKILL
    toy.feed(range(600, 650))
    # The same instance: it takes its partitions again at once, without waiting for the dead one's session.
    second = toy.start(HUB_INSTANCE="one")
    toy.settled(650)
    second.send_signal(signal.SIGTERM)
    assert second.wait(20) == 0
    check_exact(toy.rows(), toy.echoes(), range(650))
