"""The log on Apache Kafka, and the topics that ``contracts/topics.yaml`` names.

An append that returned stands on the log (``acks=all``, idempotent producer). When the deadline passes, what is not
acknowledged is purged and the producer replaced, so that what was delivered is a beginning of what was given, per
partition: a later try repeats ids, and never puts a record in front of an earlier one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic
from ruamel.yaml import YAML

from spine.errors import Halt, Retry
from spine.journal import Position
from spine.log import Frame, Log, Place
from spine.record import Outgoing, Record

APPEND_SECONDS_MAX = 30
METADATA_SECONDS_MAX = 10
DAY_MS = 86_400_000

PRODUCER = {
    "enable.idempotence": True,
    "acks": "all",
    "partitioner": "murmur2_random",
    # None: bodies are small and partly sealed, and not every client reads lz4 (aiokafka, so the Faust host).
    "compression.type": "none",
    "linger.ms": 2,
    # Ours is the deadline: a message must not fail alone while later ones are delivered.
    "message.timeout.ms": 0,
    "queue.buffering.max.messages": 500_000,
    "statistics.interval.ms": 0,
}
CONSUMER = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    "isolation.level": "read_uncommitted",
    "fetch.wait.max.ms": 100,
    "fetch.queue.backoff.ms": 50,
    "queued.min.messages": 5_000,
    "queued.max.messages.kbytes": 16_384,
    "allow.auto.create.topics": False,
}


def record_of(message: Any) -> Record:
    """A consumed message as a record; a missing key or value is empty."""
    key, headers = message.key(), message.headers()
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        key.decode("utf-8", "replace") if key else "",
        message.value() or b"",
        tuple(headers) if headers else (),
    )


def records_of(messages: Iterable[Any]) -> list[Record]:
    """Records of consumed messages. Raises Retry for an error reported among them, Halt if it is fatal."""
    records = []
    for message in messages:
        error = message.error()
        if error is None:
            records.append(record_of(message))
        elif error.fatal():
            raise Halt(f"broker: {error.name()}")
        elif error.code() != KafkaError._PARTITION_EOF and not error.retriable():
            raise Retry(f"broker: {error.name()}")
    return records


class KafkaLog:
    """``spine.log.Log`` on a broker. Safe for one appender and one reader at a time."""

    def __init__(self, bootstrap: str, frame: Frame, *, source: str = "hub") -> None:
        self._common = {"bootstrap.servers": bootstrap, "client.id": f"hub-{source}", "log.connection.close": False}
        self._frame = frame
        self._source = f"/{source}".encode()
        self._producer: Producer | None = None
        self._consumer: Consumer | None = None
        self._reading: dict[Place, int] = {}
        self._counts: dict[str, int] = {}

    def partitions(self, topic: str) -> int:
        if topic not in self._counts:
            with _retrying():
                found = self._reader().list_topics(topic, timeout=METADATA_SECONDS_MAX).topics[topic]
            if found.error is not None or not found.partitions:
                raise KeyError(topic)
            self._counts[topic] = len(found.partitions)
        return self._counts[topic]

    def start(self, place: Place) -> int:
        return self._watermarks(place)[0]

    def end(self, place: Place) -> int:
        return self._watermarks(place)[1]

    def read(self, positions: Mapping[Place, int], limit: int, wait_ms: int) -> Sequence[Record]:
        consumer = self._reader()
        with _retrying():
            if dict(positions) != self._reading:
                consumer.assign([TopicPartition(*place, offset) for place, offset in positions.items()])
                self._reading = dict(positions)
            found = records_of(consume(consumer, limit, wait_ms))
        for record in found:
            self._reading[record.place] = record.offset + 1
        return sorted(found, key=lambda r: (r.topic, r.partition, r.offset))

    def append(self, records: Iterable[Outgoing]) -> None:
        producer = self._writer()
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: Any) -> None:
            del message
            if error is not None:
                failed.append(error)

        deadline = time.monotonic() + APPEND_SECONDS_MAX
        try:
            for out in records:
                self._produce(producer, out, delivered, deadline)
            left = producer.flush(max(0.1, deadline - time.monotonic()))
        except (KafkaException, BufferError) as error:
            self._replace(producer)
            raise Retry(f"broker: {type(error).__name__}") from error
        if left or failed:
            self._replace(producer)
            raise Retry(f"broker: {failed[0].name() if failed else 'no acknowledgement in time'}")

    def lag(self, topic: str, held: Mapping[Place, Position]) -> Mapping[Place, int]:
        return lag(self, topic, held)

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
        if self._producer is not None:
            self._producer.flush(METADATA_SECONDS_MAX)

    def _produce(self, producer: Producer, out: Outgoing, delivered: Any, deadline: float) -> None:
        place = {} if out.partition is None else {"partition": out.partition}
        message = {
            "key": out.key.encode() if out.key else None,
            "value": self._frame(out.kind, out.body),
            "headers": [*cloud_event(out, self._source), *out.headers],
            "on_delivery": delivered,
            **place,
        }
        while True:
            try:
                producer.produce(out.topic, **message)
                return
            except BufferError:
                if time.monotonic() > deadline:
                    raise
                producer.poll(0.05)

    def _watermarks(self, place: Place) -> tuple[int, int]:
        self.partitions(place[0])
        with _retrying():
            low, high = self._reader().get_watermark_offsets(TopicPartition(*place), timeout=METADATA_SECONDS_MAX)
        return low, high

    def _reader(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer({**self._common, **CONSUMER, "group.id": "hub-reader"})
        return self._consumer

    def _writer(self) -> Producer:
        if self._producer is None:
            self._producer = Producer({**self._common, **PRODUCER})
        return self._producer

    def _replace(self, producer: Producer) -> None:
        """In-flight messages are a beginning of the queue: drop the rest, and start with a new producer id."""
        producer.purge()
        producer.flush(1)
        self._producer = None


def consume(consumer: Consumer, limit: int, wait_ms: int) -> list[Any]:
    """Up to ``limit`` messages: waits for the first, then takes what is here. Full batches form under load."""
    first = consumer.consume(1, wait_ms / 1000)
    if not first or limit <= 1:
        return list(first)
    return [*first, *consumer.consume(limit - 1, 0.005)]


def cloud_event(out: Outgoing, source: bytes) -> list[tuple[str, bytes]]:
    """The envelope as CloudEvents headers (binary mode)."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", out.event_id.encode()),
        ("ce_type", out.kind.encode()),
        ("ce_source", source),
        ("content-type", b"application/avro"),
    ]


def lag(log: Log, topic: str, held: Mapping[Place, Position]) -> Mapping[Place, int]:
    """Records of ``topic`` that the journal has not decided yet, by place."""
    behind = {}
    for n in range(log.partitions(topic)):
        place = (topic, n)
        following = held[place].next if place in held else log.start(place)
        behind[place] = max(0, log.end(place) - following)
    return behind


def topics_of(topics_yaml: Path, parties: Sequence[str] = ()) -> Mapping[str, Mapping[str, Any]]:
    """Every topic of the contract by name, partner topics included."""
    read = YAML(typ="safe").load(topics_yaml)
    topics: dict[str, Mapping[str, Any]] = dict(read["topics"])
    partner = read.get("partner_topics")
    if partner:
        topics |= {partner["pattern"].format(party=party): partner for party in parties}
    return topics


def ensure_topics(
    bootstrap: str, topics_yaml: Path, parties: Sequence[str] = (), *, prefix: str = "", replicas: int = -1
) -> None:
    """Create the contract's topics and nothing else; set their retention. Raises Halt if partitions differ.

    ``prefix`` is for tests that share a broker. ``replicas`` -1 is the broker's default.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap})
    wanted = {f"{prefix}{name}": topic for name, topic in topics_of(topics_yaml, parties).items()}
    with _retrying():
        existing = admin.list_topics(timeout=METADATA_SECONDS_MAX).topics
        new = [
            NewTopic(name, int(topic["partitions"]), replicas, config=_config(topic))
            for name, topic in wanted.items()
            if name not in existing
        ]
        _create(admin, new)
        _retain(admin, {name: topic for name, topic in wanted.items() if name in existing})
        _wait_for(admin, wanted)


def _config(topic: Mapping[str, Any]) -> dict[str, str]:
    retention = str(int(topic["retention_days"]) * DAY_MS)
    return {"retention.ms": retention, "cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime"}


def _create(admin: AdminClient, new: Sequence[NewTopic]) -> None:
    if not new:
        return
    for future in admin.create_topics(list(new)).values():
        try:
            future.result()
        except KafkaException as error:
            # Another process was quicker.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def _retain(admin: AdminClient, topics: Mapping[str, Mapping[str, Any]]) -> None:
    resources = {name: ConfigResource(ConfigResource.Type.TOPIC, name) for name in topics}
    if not resources:
        return
    changed = []
    for resource, future in admin.describe_configs(list(resources.values())).items():
        held, wanted = future.result(), _config(topics[resource.name])
        if any(held[name].value != value for name, value in wanted.items()):
            entries = [
                ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in wanted.items()
            ]
            changed.append(ConfigResource(ConfigResource.Type.TOPIC, resource.name, incremental_configs=entries))
    for future in (admin.incremental_alter_configs(changed) if changed else {}).values():
        future.result()


def _wait_for(admin: AdminClient, wanted: Mapping[str, Mapping[str, Any]]) -> None:
    deadline = time.monotonic() + METADATA_SECONDS_MAX
    while True:
        found = admin.list_topics(timeout=METADATA_SECONDS_MAX).topics
        counts = {name: len(found[name].partitions) for name in wanted if name in found}
        if len(counts) == len(wanted) and all(counts.values()):
            break
        if time.monotonic() > deadline:
            raise Retry(f"topics not there yet: {sorted(set(wanted) - set(counts))}")
        time.sleep(0.1)
    for name, topic in sorted(wanted.items()):
        if counts[name] != int(topic["partitions"]):
            raise Halt(
                f"topic {name} has {counts[name]} partitions, the contract says {topic['partitions']}:"
                " keys would move; migrate the topic or correct the contract"
            )


@contextlib.contextmanager
def _retrying() -> Any:
    try:
        yield
    except KafkaException as error:
        raise Retry(f"broker: {error.args[0].name()}") from error
