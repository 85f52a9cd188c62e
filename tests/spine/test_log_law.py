"""One law for every log: memory and Kafka."""

from __future__ import annotations

import gc
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from hub.topics import ensure_topics
from spine.errors import Retry
from spine.kafka import KafkaLog
from spine.log import Log, MemoryLog, Place, partition_of
from spine.record import Outgoing, Record

CONTRACT = """
topics:
  things:  {key: thing, partitions: 3, retention_days: 2, input_of: toy}
  effects: {key: thing, partitions: 1, retention_days: 5}
partner_topics: {pattern: "partner.{party}", partitions: 1, retention_days: 3}
"""


def frame(kind: str, body: bytes) -> bytes:
    return b"\x00\x00\x00\x00\x07" + body


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Log, str]]:
    """A log and a topic of three partitions on it."""
    if request.param == "memory":
        yield MemoryLog({"things": 3}, frame), "things"
        return
    bootstrap = request.getfixturevalue("kafka_bootstrap")
    prefix = f"law-{uuid.uuid4().hex[:8]}-"
    (tmp_path / "topics.yaml").write_text(CONTRACT)
    ensure_topics(bootstrap, tmp_path / "topics.yaml", prefix=prefix)
    log = KafkaLog(bootstrap, frame)
    yield log, f"{prefix}things"
    log.close()


def out(topic: str, key: str, n: int, partition: int | None = None) -> Outgoing:
    return Outgoing(0, f"id-{n}", topic, key, "toy.v1", b"%d" % n, (), partition)


def everything(log: Log, topic: str, positions: Mapping[Place, int] | None = None, limit: int = 7) -> list[Record]:
    """All records, by reads of at most ``limit``."""
    at = dict(positions or {(topic, n): 0 for n in range(log.partitions(topic))})
    found: list[Record] = []
    deadline = time.monotonic() + 20
    while any(at[place] < log.end(place) for place in at):
        assert time.monotonic() < deadline
        for record in log.read(at, limit, 100):
            assert record.offset == at[record.place]
            at[record.place] += 1
            found.append(record)
    return found


def test_records_of_one_key_come_back_in_order_from_one_partition(held: tuple[Log, str]) -> None:
    log, topic = held
    log.append([out(topic, f"key-{n % 5}", n) for n in range(100)])
    records = everything(log, topic)
    assert len(records) == 100
    for key in {r.key for r in records}:
        mine = [r for r in records if r.key == key]
        assert {r.partition for r in mine} == {partition_of(key, 3)}
        numbers = [int(r.value[5:]) for r in mine]
        assert numbers == sorted(numbers)


def test_offsets_are_contiguous_and_reading_from_one_skips_none(held: tuple[Log, str]) -> None:
    log, topic = held
    place = (topic, 1)
    log.append([out(topic, "", n, 1) for n in range(20)])
    assert (log.start(place), log.end(place), log.end((topic, 0))) == (0, 20, 0)
    assert [r.offset for r in everything(log, topic, {place: 13}, limit=3)] == list(range(13, 20))
    assert [r.offset for r in everything(log, topic, {place: 2}, limit=50)] == list(range(2, 20))


def test_an_append_that_returned_is_read_by_another_reader(held: tuple[Log, str]) -> None:
    log, topic = held
    for n in range(3):
        log.append([out(topic, "k", n)])
        assert len(everything(log, topic)) == n + 1


def test_a_topic_that_does_not_exist_is_named(held: tuple[Log, str]) -> None:
    with pytest.raises(KeyError):
        held[0].partitions("no-such-topic")


def test_values_are_framed(held: tuple[Log, str]) -> None:
    log, topic = held
    log.append([out(topic, "k", 5)])
    assert [r.value for r in everything(log, topic)] == [frame("", b"5")]


@pytest.mark.kafka
def test_the_envelope_stands_in_cloudevents_headers(kafka_bootstrap: str, tmp_path: Path) -> None:
    prefix = f"ce-{uuid.uuid4().hex[:8]}-"
    (tmp_path / "topics.yaml").write_text(CONTRACT)
    ensure_topics(kafka_bootstrap, tmp_path / "topics.yaml", prefix=prefix)
    log = KafkaLog(kafka_bootstrap, frame, source="toy")
    log.append([out(f"{prefix}effects", "k", 1)])
    (record,) = everything(log, f"{prefix}effects")
    headers = dict(record.headers)
    assert headers["ce_id"] == b"id-1" and headers["ce_type"] == b"toy.v1" and headers["ce_source"] == b"/toy"
    log.close()


def test_no_broker_means_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spine.kafka.APPEND_SECONDS_MAX", 0.5)
    log = KafkaLog("127.0.0.1:1", frame)
    with pytest.raises(Retry):
        log.append([out("things", "k", 1)])


def test_a_closed_log_leaves_no_client_behind_that_goes_on_connecting() -> None:
    gc.collect()
    gc.disable()
    try:
        before = psutil.Process().num_threads()
        log = KafkaLog("127.0.0.1:1", frame)
        log._reader(), log._writer()
        assert psutil.Process().num_threads() > before
        log.close()
        del log
        assert psutil.Process().num_threads() <= before
    finally:
        gc.enable()
