"""Where the answers about a person are read: states, decision records, and the facts on the log. Read only."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg
from psycopg import sql

from hub.archive.reading import Archive
from hub.held import Held, InProcess, Stored, stored
from hub.inprocess import InProcessHub
from hub.layout import Home
from hub.running import kek_at_hand, where
from hub.subject.inclusion import archived_input
from hub.whole_topic import records_of
from spine.errors import Poison
from spine.journal import DecisionRow
from spine.kafka import KafkaLog
from spine.keystore import Erased
from spine.keystore.postgres import PostgresKeys
from spine.log import Log, partition_of
from spine.record import Fact, Record
from spine.registry import use_registry
from spine.schema import Catalogue


class Decisions(Protocol):
    """Decision records of the services."""

    def on(self, service: str, event_ids: Collection[str]) -> list[DecisionRow]:
        """What a service decided on these inputs, in order of place and offset."""
        ...

    def at(self, service: str, topic: str, partition: int, offset: int) -> DecisionRow | None: ...


@dataclass(frozen=True, slots=True)
class MemoryDecisions:
    """Of a hub that runs in this process."""

    hub: InProcessHub

    def on(self, service: str, event_ids: Collection[str]) -> list[DecisionRow]:
        rows = (row for row in self.hub.journal(service).decisions if row.event_id in event_ids)
        return sorted(rows, key=lambda row: (row.topic, row.partition, row.offset))

    def at(self, service: str, topic: str, partition: int, offset: int) -> DecisionRow | None:
        place = (topic, partition, offset)
        rows = self.hub.journal(service).decisions
        return next((row for row in rows if (row.topic, row.partition, row.offset) == place), None)


_COLUMNS = sql.SQL(
    'topic, partition, "offset", event_id, kind, input_hash, state_before, state_after, effects, build, settings, tick,'
    " note, link"
)


@dataclass(frozen=True, slots=True)
class StoredDecisions:
    """Of the services' journals in PostgreSQL."""

    connection: psycopg.Connection[Any]

    def on(self, service: str, event_ids: Collection[str]) -> list[DecisionRow]:
        return self._rows(service, sql.SQL("event_id = ANY(%s)"), (sorted(event_ids),))

    def at(self, service: str, topic: str, partition: int, offset: int) -> DecisionRow | None:
        chosen = sql.SQL('topic = %s AND partition = %s AND "offset" = %s')
        return next(iter(self._rows(service, chosen, (topic, partition, offset))), None)

    def _rows(self, service: str, chosen: sql.SQL, values: tuple[object, ...]) -> list[DecisionRow]:
        query = sql.SQL('SELECT {} FROM {}.decision WHERE {} ORDER BY topic, partition, "offset"')
        found = self.connection.execute(query.format(_COLUMNS, sql.Identifier(service), chosen), values)
        return [_row(row) for row in found]


def _row(row: tuple[Any, ...]) -> DecisionRow:
    topic, partition, offset, event_id, kind, read, before, after, effects, build, settings, tick, note, link = row
    told = tuple((identity, bytes.fromhex(digest)) for identity, digest in effects)
    hashes = (bytes(read), bytes(before), bytes(after))
    return DecisionRow(
        topic, partition, offset, event_id, kind, *hashes, told, build, settings, tick, note, bytes(link)
    )


@dataclass(frozen=True, slots=True)
class Told:
    """A fact and the record that it stands in. ``erased``: its key is gone, so only what is in clear can be read."""

    record: Record
    fact: Fact
    erased: bool


@dataclass(frozen=True, slots=True)
class Books:
    """All that the commands about a person read from."""

    held: Held
    decisions: Decisions
    log: Log
    catalogue: Catalogue
    archive: Archive | None = None

    def of_key(self, topic: str, key: str) -> Iterator[Told]:
        """Facts of a topic under one key, oldest first, as far as the log holds them."""
        for record in records_of(self.log, topic, partition_of(key, self.log.partitions(topic))):
            if record.key == key and (told := self.read(record)) is not None:
                yield told

    def whole(self, topic: str) -> Iterator[Told]:
        """Every fact of a topic, partition by partition."""
        for n in range(self.log.partitions(topic)):
            for record in records_of(self.log, topic, n):
                if (told := self.read(record)) is not None:
                    yield told

    def read(self, record: Record) -> Told | None:
        """None for a record that nobody can decode: it is in quarantine."""
        try:
            fact = self.catalogue.sealed_fact(record)
        except Poison:
            return None
        try:
            return Told(record, self.catalogue.open_fact(fact), False)
        except Erased:
            return Told(record, fact, True)

    def record_at(self, topic: str, partition: int, offset: int) -> Record | None:
        """From the log, else from the archive; None where neither has it."""
        place = (topic, partition)
        if not self.log.start(place) <= offset < self.log.end(place):
            return archived_input(self.archive, topic, partition, offset) if self.archive else None
        return next((r for r in self.log.read({place: offset}, 1, 2_000) if r.offset == offset), None)


def books_of(hub: InProcessHub) -> Books:
    """Of a hub that runs in this process."""
    return Books(InProcess(hub), MemoryDecisions(hub), hub.log, hub.catalogue)


@contextmanager
def books(catalogue: Catalogue) -> Iterator[Books]:
    """Of the hub that runs here. Raises Retry, psycopg.Error, ValueError or OSError (no key-encryption key)."""
    at = where()
    if at.registry:
        use_registry(catalogue, at.registry)
    keys = PostgresKeys(at.postgres, kek_at_hand())
    catalogue.keys = keys
    log = KafkaLog(at.kafka, catalogue.frame, source="audit")
    try:
        with stored(at.postgres) as held:
            folder = Home.of_environment().archive
            yield stored_books(held, log, catalogue, Archive(folder) if folder.is_dir() else None)
    finally:
        log.close()
        keys.close()


def stored_books(held: Stored, log: Log, catalogue: Catalogue, archive: Archive | None = None) -> Books:
    return Books(held, StoredDecisions(held.connection), log, catalogue, archive)
