"""The log port: ordered partitions of records. Two implementations, memory (here) and Kafka (``spine.kafka``), one law.

The law (tests/spine/test_log_law.py):
* what is appended under one key is read back in that order, from one partition;
* offsets of a partition are contiguous from ``start``;
* ``read`` from an offset gives the records at and after it, and never skips one;
* an append that returned is durable.
Callers must not assume that appending twice is recognised by the log: ids do that, in the reader.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from spine.record import Outgoing, Record

Place = tuple[str, int]


class Log(Protocol):
    """Where facts stand."""

    def partitions(self, topic: str) -> int:
        """Number of partitions of ``topic``; KeyError if the topic does not exist."""
        ...

    def start(self, place: Place) -> int:
        """First offset still held."""
        ...

    def end(self, place: Place) -> int:
        """Offset that the next record will get."""
        ...

    def read(self, positions: Mapping[Place, int], limit: int, wait_ms: int) -> Sequence[Record]:
        """Up to ``limit`` records at or after the given positions, each partition in order."""
        ...

    def append(self, records: Iterable[Outgoing]) -> None:
        """Append all, in order per key, and return when they are durable. Raises Retry if not all were."""
        ...


def murmur2(data: bytes) -> int:
    """Kafka's Java-style key hash, so that every client puts one key in one partition."""
    length = len(data)
    m, r, mask = 0x5BD1E995, 24, 0xFFFFFFFF
    h = (0x9747B28C ^ length) & mask
    body = length & ~3
    for (k,) in struct.iter_unpack("<I", data[:body]):
        k = (k * m) & mask
        k ^= k >> r
        h = ((h * m) & mask) ^ ((k * m) & mask)
    tail = data[body:]
    if len(tail) >= 3:
        h ^= tail[2] << 16
    if len(tail) >= 2:
        h ^= tail[1] << 8
    if tail:
        h = ((h ^ tail[0]) * m) & mask
    h ^= h >> 13
    h = (h * m) & mask
    return h ^ (h >> 15)


def partition_of(key: str, partitions: int) -> int:
    """The partition that Kafka's murmur2 partitioner gives ``key``."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions


class MemoryLog:
    """A log in one process. ``frame`` is applied to each body, as the Kafka log frames with a schema id."""

    def __init__(self, topics: Mapping[str, int], frame: Frame) -> None:
        self._records: dict[Place, list[Record]] = {
            (topic, n): [] for topic, count in topics.items() for n in range(count)
        }
        self._counts = dict(topics)
        self._frame = frame

    def partitions(self, topic: str) -> int:
        return self._counts[topic]

    def start(self, place: Place) -> int:
        del place
        return 0

    def end(self, place: Place) -> int:
        return len(self._records[place])

    def read(self, positions: Mapping[Place, int], limit: int, wait_ms: int = 0) -> Sequence[Record]:
        del wait_ms
        found: list[Record] = []
        for place in sorted(positions):
            if len(found) >= limit:
                break
            start = positions[place]
            found += self._records[place][start : start + limit - len(found)]
        return found

    def append(self, records: Iterable[Outgoing]) -> None:
        for out in records:
            n = out.partition if out.partition is not None else partition_of(out.key, self._counts[out.topic])
            held = self._records[(out.topic, n)]
            value = self._frame(out.kind, out.body)
            held.append(Record(out.topic, n, len(held), out.key, value, out.headers))


class Frame(Protocol):
    """Puts the registry's framing before an Avro body."""

    def __call__(self, kind: str, body: bytes) -> bytes: ...
