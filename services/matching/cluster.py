"""A person as the hub knows one: source records, and the sets of values that they have shown.

A record keeps the identity blocks ("faces") that it has shown, in order of receipt. A comparison is with the record:
any name and birth date that it has shown, and the numbers that it shows now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

from services.matching.facts import RecordKey
from services.matching.identity import NO_NUMBERS, Identity, Numbers
from services.matching.normalise import Name

T = TypeVar("T")
#: A source that changes its mind more often than this loses its middle versions; the first and the latest stay.
FACES_MAX = 12


@dataclass(frozen=True, slots=True)
class Face:
    """An identity block as it came, sealed or clear, and as read, with the moment of receipt (milliseconds)."""

    subject: bytes
    at_ms: int
    identity: Identity


@dataclass(frozen=True, slots=True)
class Held:
    """An observation that waits on a stub."""

    message_id: str
    type: str
    effective_on: date
    received_at: datetime
    data: bytes
    body: Mapping[str, Any]


@dataclass(slots=True)
class SourceRecord:
    """One source's record of somebody. ``uid`` names its stored observations, ``stored`` counts them."""

    key: RecordKey
    uid: str
    faces: list[Face] = field(default_factory=list)
    stored: int = 0
    held: list[Held] = field(default_factory=list)

    def shows(self, identity: Identity) -> bool:
        return any(face.identity == identity for face in self.faces)

    def show(self, face: Face) -> None:
        self.faces.append(face)
        self.faces.sort(key=lambda f: (f.at_ms, f.subject))
        if len(self.faces) > FACES_MAX:
            del self.faces[1]


@dataclass(frozen=True, slots=True)
class View:
    """A record as a comparison sees it."""

    names: tuple[Name, ...]
    born: tuple[date, ...]
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that a person's records show, each value once, ready for comparison. Derived; rebuilt when a face is
    added. Tuples: most hold one value or none, and a set weighs 216 bytes."""

    views: tuple[View, ...]
    names: tuple[Name, ...]
    postcodes: tuple[str, ...]
    addresses: tuple[str, ...]
    phones: tuple[str, ...]
    emails: tuple[str, ...]
    keys: tuple[RecordKey, ...]
    refs: tuple[RecordKey, ...]
    further: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True, eq=False)
class Person:
    """A person, or a stub while ``review_id`` is set and records are held.

    ``adopted_on``: nothing new is ever linked to the person as known before that day.
    """

    person_id: str
    records: list[SourceRecord] = field(default_factory=list)
    review_id: str | None = None
    adopted_on: date | None = None
    enrolled: set[str] = field(default_factory=set)
    known: Known | None = None

    @property
    def stub(self) -> bool:
        return self.review_id is not None

    def records_of(self, key: RecordKey) -> Iterator[SourceRecord]:
        return (record for record in self.records if record.key == key)

    def faces(self) -> Iterator[Face]:
        return (face for record in self.records for face in record.faces)

    def best_subject(self) -> bytes:
        """The fullest identity block, for a reviewer to read; empty once all have been erased."""
        faces = sorted(self.faces(), key=lambda f: (_fullness(f.identity), f.at_ms, f.subject))
        return faces[-1].subject if faces else b""


def _fullness(identity: Identity) -> int:
    present = (identity.born, identity.postcode, identity.phone, identity.email, identity.address, *identity.numbers)
    return sum(value is not None for value in present) + len(identity.names)


def known_of(records: Sequence[SourceRecord]) -> Known:
    faces = [face.identity for record in records for face in record.faces]
    return Known(
        views=views_of(records),
        names=tuple(dict.fromkeys([name for face in faces for name in face.names])),
        postcodes=tuple(dict.fromkeys([f.postcode for f in faces if f.postcode])),
        addresses=tuple(dict.fromkeys([f.address for f in faces if f.address])),
        phones=tuple(dict.fromkeys([f.phone for f in faces if f.phone])),
        emails=tuple(dict.fromkeys([f.email for f in faces if f.email])),
        keys=tuple(dict.fromkeys([record.key for record in records])),
        refs=tuple(dict.fromkeys([ref for f in faces for ref in f.refs])),
        further=tuple(dict.fromkeys([pair for f in faces for pair in f.further])),
    )


def known_with(known: Known, record: SourceRecord) -> Known:
    """As ``known_of`` with one more record, the last, of one face."""
    face = record.faces[0].identity
    return Known(
        views=_with(known.views, (_view(record),)),
        names=_with(known.names, face.names),
        postcodes=_with(known.postcodes, (face.postcode,) if face.postcode else ()),
        addresses=_with(known.addresses, (face.address,) if face.address else ()),
        phones=_with(known.phones, (face.phone,) if face.phone else ()),
        emails=_with(known.emails, (face.email,) if face.email else ()),
        keys=_with(known.keys, (record.key,)),
        refs=_with(known.refs, face.refs),
        further=_with(known.further, face.further) if face.further else known.further,
    )


def _with(values: tuple[T, ...], more: tuple[T, ...]) -> tuple[T, ...]:
    fresh = [value for value in more if value not in values]
    return (*values, *fresh) if fresh else values


def views_of(records: Iterable[SourceRecord]) -> tuple[View, ...]:
    return tuple(dict.fromkeys([_view(record) for record in records]))


def _view(record: SourceRecord) -> View:
    if len(record.faces) == 1:
        only = record.faces[0].identity
        return View(only.names, (only.born,) if only.born else (), only.numbers)
    names = dict.fromkeys(name for face in record.faces for name in face.identity.names)
    born = dict.fromkeys(face.identity.born for face in record.faces if face.identity.born)
    numbers: list[str | None] = list(NO_NUMBERS)
    for face in record.faces:
        numbers = [new or old for new, old in zip(face.identity.numbers, numbers, strict=True)]
    return View(tuple(names), tuple(born), (numbers[0], numbers[1], numbers[2], numbers[3]))
