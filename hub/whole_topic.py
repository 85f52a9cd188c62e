"""Every fact of a topic from its start to its end of now, partition by partition."""

from __future__ import annotations

from collections.abc import Iterator

from spine.errors import Retry
from spine.log import Log, Place
from spine.record import Fact, Record
from spine.schema import Catalogue

READ_MAX, READ_MS = 500, 500
EMPTY_READS_MAX = 60


def facts_of(log: Log, catalogue: Catalogue, topic: str) -> Iterator[Fact]:
    """Raises Retry where the broker gives nothing for long: half a topic must not pass for the whole."""
    for n in range(log.partitions(topic)):
        for record in records_of(log, topic, n):
            yield catalogue.fact(record)


def records_of(log: Log, topic: str, n: int, first: int | None = None) -> Iterator[Record]:
    """The records of one partition from offset ``first`` on, sealed as they are. Raises Retry as ``facts_of``."""
    place: Place = (topic, n)
    at, end, empty = log.start(place) if first is None else first, log.end(place), 0
    while at < end:
        records = log.read({place: at}, READ_MAX, READ_MS)
        empty = 0 if records else empty + 1
        if empty >= EMPTY_READS_MAX:
            raise Retry(f"the broker does not give what stands on {topic}: try again")
        for record in records:
            at = record.offset + 1
            yield record
