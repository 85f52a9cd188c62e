"""Keys, rates and the appender in front of the log."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.ingest.agent import partitions_of
from services.ingest.channels.appender import RECORDS_WAITING_MAX, Appender, Busy
from services.ingest.channels.receipts import Recent
from services.ingest.decide import Heard
from spine.errors import Halt, Retry
from spine.record import Outgoing
from spine.who.keys import KeyRing
from spine.who.principal import READ, SCOPES, Mode, Nobody, Principal
from spine.who.rate import PartyLimits, Rate

ON = date(2026, 11, 25)


def ring(tmp_path: Path, text: str) -> KeyRing:
    path = tmp_path / "api_keys.yaml"
    path.write_text(text)
    return KeyRing.of_file(path)


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def test_a_key_is_known_by_its_hash_until_its_last_day(tmp_path: Path) -> None:
    keys = ring(tmp_path, f"- {{party: p, key_id: p-1, sha256: {digest('k')}, mode: live, expires_on: 2026-11-25}}")
    assert keys.holder("k", ON) == Principal("p", "key:p-1", "live", SCOPES)
    assert keys.holder("k", date(2026, 11, 26)) == Nobody("key", "expired", "key:p-1", "p")
    assert keys.holder("K", ON) == keys.holder("", ON) == Nobody("key", "unknown")


def test_the_file_may_hold_an_object_with_keys_and_scopes(tmp_path: Path) -> None:
    entry = f'{{"party": "p", "key_id": "1", "sha256": "{digest("k")}", "mode": "test", "scopes": ["{READ}"]}}'
    text = f'{{"keys": [{entry}]}}'
    held = ring(tmp_path, text).holder("k", ON)
    assert isinstance(held, Principal) and held.test and held.scopes == {READ}


@pytest.mark.parametrize(
    "text",
    [
        "party: p",
        "- {party: p}",
        "- {party: p, key_id: k, sha256: zz, mode: live}",
        f"- {{party: p, key_id: k, sha256: {'0' * 62}, mode: live}}",
        f"- {{party: p, key_id: k, sha256: {'0' * 64}, mode: prod}}",
        f"- {{party: p, key_id: k, sha256: {'0' * 64}, mode: live, expires_on: soon}}",
        f"- {{party: p, key_id: k, sha256: {'0' * 64}, mode: live, scopes: [everything]}}",
        "- just text",
    ],
)
def test_a_key_file_with_a_fault_stops_the_door(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"key|keys"):
        ring(tmp_path, text)


def speaker(party: str, mode: Mode = "live") -> Principal:
    return Principal(party, f"key:{party}", mode, SCOPES)


def test_a_rate_fills_again_with_time_and_is_each_party_s_own() -> None:
    now = [0.0]
    rate = Rate(PartyLimits(events_per_second=10, burst=20), clock=lambda: now[0])
    a, b = speaker("a"), speaker("b")
    assert rate.take(a, 20) == 0
    assert rate.take(a, 5) == 1
    assert rate.take(b, 20) == 0
    assert rate.take(speaker("a", "test"), 20) == 0, "a rehearsal takes nothing from what counts"
    now[0] = 0.5
    assert rate.take(a, 5) == 0
    assert rate.take(a, 20) == 3


class Slow:
    """A log that appends when told to, and notes what came together."""

    def __init__(self) -> None:
        self.together: list[int] = []
        self.fail: Exception | None = None
        self.open = threading.Event()

    def append(self, records: Iterable[Outgoing]) -> None:
        self.open.wait(5)
        if self.fail:
            raise self.fail
        self.together.append(len(list(records)))


OUT = Outgoing(0, "e", "submissions", "k", "submission.v1", b"")


def test_requests_that_wait_together_are_appended_together() -> None:
    log: Any = Slow()
    appender = Appender(log)
    threads = [threading.Thread(target=appender.append, args=([OUT, OUT],)) for _ in range(10)]
    for thread in threads:
        thread.start()
    log.open.set()
    for thread in threads:
        thread.join(5)
    appender.close()
    assert sum(log.together) == 20 and len(log.together) < 10


@pytest.mark.parametrize("error", [Retry("broker away"), RuntimeError("a bug")])
def test_a_request_whose_append_failed_is_told_to_come_again_and_the_next_one_passes(error: Exception) -> None:
    log: Any = Slow()
    log.open.set()
    appender = Appender(log)
    log.fail = error
    with pytest.raises(Retry):
        appender.append([OUT])
    log.fail = None
    appender.append([OUT])
    appender.close()


def test_too_much_waiting_is_said_at_once() -> None:
    log: Any = Slow()
    appender = Appender(log)
    thread = threading.Thread(target=appender.append, args=([OUT] * RECORDS_WAITING_MAX,))
    thread.start()
    while not appender._records:
        pass
    with pytest.raises(Busy):
        appender.append([OUT])
    log.open.set()
    thread.join(5)
    appender.close()


def test_the_recent_messages_are_bounded() -> None:
    recent = Recent(size=3)
    for n in range(5):
        recent.put(str(n), Heard(outcome="accepted"))
    assert recent.get("1") is None and recent.get("4") is not None


def test_more_partitions_than_the_doors_look_into_are_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "topics.yaml").write_text("topics: {submissions: {partitions: 65, retention_days: 1}}")
    with pytest.raises(Halt, match="65 partitions: the doors would not find what is beyond 64"):
        partitions_of(tmp_path)
    (tmp_path / "topics.yaml").write_text("topics: {submissions: {partitions: 64, retention_days: 1}}")
    assert partitions_of(tmp_path) == 64
