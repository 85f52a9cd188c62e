"""Where a replay takes records, decisions and keys from: the running hub, or the archive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import takewhile
from pathlib import Path
from typing import Protocol

import psycopg

from hub.archive.reading import Archive
from hub.replay.child import KeysOf
from hub.whole_topic import records_of
from services.ingest.days import DAY, ROOT_REF
from spine.journal import DecisionRow
from spine.ledger.rows import places, rows_from
from spine.log import Log, Place
from spine.record import Record

ROWS_AT_ONCE = 2_000


class Source(Protocol):
    """Records and decisions of one service, as they were recorded."""

    def places(self, service: str) -> list[Place]: ...

    def decisions(self, service: str, place: Place) -> Iterator[tuple[DecisionRow, datetime]]:
        """In order of offset."""
        ...

    def records(self, place: Place, last: int) -> Iterator[Record]:
        """From the first one ever up to ``last``. Raises LookupError or Retry where they are not there any more."""
        ...


@dataclass(frozen=True, slots=True)
class FromHub:
    """The topics of a broker and the journals of a database."""

    log: Log
    connection: psycopg.Connection[tuple[object, ...]]

    def places(self, service: str) -> list[Place]:
        return places(self.connection, service)

    def decisions(self, service: str, place: Place) -> Iterator[tuple[DecisionRow, datetime]]:
        following = 0
        while rows := list(rows_from(self.connection, service, place, following, ROWS_AT_ONCE)):
            yield from rows
            following = rows[-1][0].offset + 1

    def records(self, place: Place, last: int) -> Iterator[Record]:
        at = self.log.start(place)
        if at > 0:
            raise LookupError(f"{place[0]}/{place[1]} begins at {at} on the broker: replay from the archive")
        return takewhile(lambda record: record.offset <= last, records_of(self.log, *place))


@dataclass(frozen=True, slots=True)
class FromArchive:
    """The write-once folder."""

    archive: Archive

    @classmethod
    def at(cls, folder: Path) -> FromArchive:
        return cls(Archive(folder))

    def places(self, service: str) -> list[Place]:
        return self.archive.places(service)

    def decisions(self, service: str, place: Place) -> Iterator[tuple[DecisionRow, datetime]]:
        return ((row, at) for _, row, at in self.archive.decisions(service, place))

    def records(self, place: Place, last: int) -> Iterator[Record]:
        return self.archive.records(*place, 0, last)


def no_keys(refs: Iterable[str]) -> Mapping[str, bytes | None]:
    """For a replay without a key store: what is sealed stays so."""
    return dict.fromkeys(refs)


def with_days(people: KeysOf, root: bytes, days: Callable[[Iterable[date]], Mapping[date, bytes | None]]) -> KeysOf:
    """Keys of people, and besides them what a replay of the gate asks for: the root, and keys of days."""

    def keys(refs: Iterable[str]) -> Mapping[str, bytes | None]:
        asked = list(refs)
        of_days = {ref: date.fromisoformat(ref.removeprefix(DAY)) for ref in asked if ref.startswith(DAY)}
        found = dict(people([ref for ref in asked if ref != ROOT_REF and ref not in of_days]))
        held = days(of_days.values()) if of_days else {}
        found |= {ref: held.get(day) for ref, day in of_days.items()}
        return found | ({ROOT_REF: root} if ROOT_REF in asked else {})

    return keys
