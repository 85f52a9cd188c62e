"""The log on Apache Kafka, who speaks on it, and the topics that ``contracts/topics.yaml`` names.

An append that returned stands on the log (``acks=all``, idempotent producer). When the deadline passes, what is not
acknowledged is purged and the producer replaced, so that what was delivered is a beginning of what was given, per
partition: a later try repeats ids, and never puts a record in front of an earlier one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from ruamel.yaml import YAML

from spine.errors import Halt, Retry
from spine.journal import Position
from spine.log import Frame, Log, Place
from spine.record import Outgoing, Record

T = TypeVar("T")

APPEND_SECONDS_MAX = 30
METADATA_SECONDS_MAX = 10
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISM = "SCRAM-SHA-512"

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


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the brokers answer, and as whom a client speaks there. The password stands in no repr and no error.

    ``user``: of SASL; with a client certificate the name in it, of use for the name of a reader's group only. Without
    ``ca_file`` the system's authorities are trusted. The broker's certificate must always be for its host's name.
    """

    address: str
    protocol: str = "PLAINTEXT"
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""

    def faults(self) -> list[str]:
        """Everything that is wrong with these settings, by the names of their environment variables."""
        tls, sasl = self.protocol.endswith("SSL"), self.protocol.startswith("SASL")
        files = {"CA": self.ca_file, "CERTIFICATE": self.certificate_file, "KEY": self.key_file}
        checks = [
            (self.protocol not in PROTOCOLS, f"HUB_KAFKA_PROTOCOL is one of {', '.join(PROTOCOLS)}"),
            (sasl and not self.user, f"{self.protocol} needs HUB_KAFKA_USER"),
            (sasl and not self.password, f"{self.protocol} needs HUB_KAFKA_PASSWORD_FILE or HUB_KAFKA_PASSWORD"),
            (not sasl and bool(self.password), f"a password is given, but {self.protocol} sends none: use SASL_SSL"),
            (not tls and any(files.values()), f"TLS files are given, but {self.protocol} uses none: use SASL_SSL, SSL"),
            (
                bool(self.certificate_file) != bool(self.key_file),
                "HUB_KAFKA_CERTIFICATE_FILE, _KEY_FILE: both or none",
            ),
        ]
        missing = [f"HUB_KAFKA_{n}_FILE names no file: {path}" for n, path in files.items() if path and not _is(path)]
        return [text for wrong, text in checks if wrong] + missing

    def client(self, *settings: Mapping[str, Any]) -> dict[str, Any]:
        """Settings of a librdkafka client: these, then ``settings`` in order. Raises Halt with every fault."""
        if faults := self.faults():
            raise Halt(f"settings for Kafka: {'; '.join(faults)}")
        mine: dict[str, Any] = {"bootstrap.servers": self.address, "security.protocol": self.protocol}
        if self.protocol.startswith("SASL"):
            mine |= {"sasl.mechanism": MECHANISM, "sasl.username": self.user, "sasl.password": self.password}
        if self.protocol.endswith("SSL"):
            mine["ssl.endpoint.identification.algorithm"] = "https"
            names = ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location")
            files = (self.ca_file, self.certificate_file, self.key_file)
            mine |= {name: path for name, path in zip(names, files, strict=True) if path}
        for more in settings:
            mine |= more
        return mine

    def connect(self, kind: Callable[[dict[str, Any]], T], *settings: Mapping[str, Any]) -> T:
        """A Consumer, Producer or AdminClient here. Raises Halt where the client takes the settings for wrong."""
        try:
            return kind(self.client(*settings))
        except KafkaException as error:
            raise Halt(f"settings for Kafka: {error.args[0].str()}") from error

    def reader(self, source: str) -> str:
        """Group of a reader that commits nothing: the user's own, whose access list has it."""
        return f"{self.user or f'hub-{source}'}.reader"


def _is(path: str) -> bool:
    return Path(path).is_file()


def broker(where: str | Broker) -> Broker:
    """An address alone is a broker in the clear."""
    return where if isinstance(where, Broker) else Broker(where)


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

    def __init__(self, where: str | Broker, frame: Frame, *, source: str = "hub") -> None:
        self._refused = ""
        self._common = {"client.id": f"hub-{source}", "log.connection.close": False, "error_cb": self._failed}
        self._broker, self._group = broker(where), broker(where).reader(source)
        self._frame = frame
        self._source = f"/{source}".encode()
        self._producer: Producer | None = None
        self._consumer: Consumer | None = None
        self._reading: dict[Place, int] = {}
        self._counts: dict[str, int] = {}

    def partitions(self, topic: str) -> int:
        if topic not in self._counts:
            with self._retrying():
                found = self._reader().list_topics(topic, timeout=METADATA_SECONDS_MAX).topics[topic]
            if found.error is not None and found.error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise Retry(f"broker: {found.error.name()}: {topic}")
            if found.error is not None or not found.partitions:
                raise KeyError(topic)
            self._counts[topic] = len(found.partitions)
        return self._counts[topic]

    def start(self, place: Place) -> int:
        return self._watermarks(place)[0]

    def end(self, place: Place) -> int:
        return self._watermarks(place)[1]

    def read(self, positions: Mapping[Place, int], limit: int, wait_ms: int) -> Sequence[Record]:
        return [record for record, _ in self.read_stamped(positions, limit, wait_ms)]

    def read_stamped(self, positions: Mapping[Place, int], limit: int, wait_ms: int) -> Sequence[tuple[Record, int]]:
        """As ``read``, each with the broker's time stamp, in milliseconds since 1970."""
        consumer = self._reader()
        with self._retrying():
            if dict(positions) != self._reading:
                consumer.assign([TopicPartition(*place, offset) for place, offset in positions.items()])
                self._reading = dict(positions)
            messages = consume(consumer, limit, wait_ms)
            found = records_of(messages)
        stamps = {(m.topic(), m.partition(), m.offset()): m.timestamp()[1] for m in messages if m.error() is None}
        for record in found:
            self._reading[record.place] = record.offset + 1
        stamped = [(record, stamps[*record.place, record.offset]) for record in found]
        return sorted(stamped, key=lambda one: (one[0].topic, one[0].partition, one[0].offset))

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
            reason = failed[0].name() if failed else self._refused or "no acknowledgement in time"
            raise Retry(f"broker: {reason}")

    def lag(self, topic: str, held: Mapping[Place, Position]) -> Mapping[Place, int]:
        return lag(self, topic, held)

    def close(self) -> None:
        # Let go of, not only closed: their callback refers to this log, and they would go on connecting until the
        # collector sees the circle.
        consumer, self._consumer = self._consumer, None
        producer, self._producer = self._producer, None
        if consumer is not None:
            consumer.close()
        if producer is not None:
            producer.flush(METADATA_SECONDS_MAX)

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
        with self._retrying():
            low, high = self._reader().get_watermark_offsets(TopicPartition(*place), timeout=METADATA_SECONDS_MAX)
        return low, high

    def _reader(self) -> Consumer:
        if self._consumer is None:
            self._consumer = self._broker.connect(Consumer, self._common, CONSUMER, {"group.id": self._group})
        return self._consumer

    def _writer(self) -> Producer:
        if self._producer is None:
            self._producer = self._broker.connect(Producer, self._common, PRODUCER)
        return self._producer

    def _failed(self, error: KafkaError) -> None:
        """A client that is refused is told so here alone; its calls only time out."""
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            self._refused = f"{error.name()}, the broker does not take this user or certificate"

    @contextlib.contextmanager
    def _retrying(self) -> Iterator[None]:
        try:
            yield
            self._refused = ""
        except KafkaException as error:
            # Why a connection was refused is told to the callback, in a poll. It may take a record: read anew after it.
            self._reader().poll(0)
            self._reading = {}
            raise Retry(f"broker: {self._refused or error.args[0].name()}") from error

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
