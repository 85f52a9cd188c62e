"""Everything known about one population: people by reference and by blocking key, frequencies, human decisions.

The index is the state on which ``decide`` works, in memory. Its truth is rows, one per person, review and decision:
``touch`` notes a row's bytes before its first change, so that a batch that was not committed can be taken back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from services.matching import blocking
from services.matching.cluster import FACES_MAX, Face, Held, Known, Person, SourceRecord, known_of, known_with
from services.matching.facts import RecordKey
from services.matching.identity import Identity
from services.matching.weigh import Frequencies, counted, learned

K = TypeVar("K")
#: A person whom a review asks about, the weight, and the rule and reason.
Candidate = tuple[str, int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Review:
    """A match that a person must decide. Events wait on ``person_id`` if it is a stub."""

    review_id: str
    person_id: str
    record: RecordKey
    opened_at: datetime
    reason: str
    safeguarding: bool
    candidates: tuple[Candidate, ...]

    def asks_about(self, person_id: str) -> bool:
        return any(candidate == person_id for candidate, _, _ in self.candidates)


@dataclass(slots=True)
class Index:
    """One population: an authority, real or test. People never meet across populations."""

    population: str
    people: dict[str, Person] = field(default_factory=dict)
    reviews: dict[str, Review] = field(default_factory=dict)
    links: dict[RecordKey, RecordKey] = field(default_factory=dict)
    apart: dict[RecordKey, set[RecordKey]] = field(default_factory=dict)
    frequencies: Frequencies = field(default_factory=Frequencies)
    _by_key: dict[str, Person | list[Person]] = field(default_factory=dict)
    _by_record: dict[RecordKey, list[Person]] = field(default_factory=dict)
    _waiting: dict[tuple[str, str], Person] = field(default_factory=dict)
    _asking: dict[str, set[str]] = field(default_factory=dict)

    # People

    def add(self, person: Person) -> None:
        """Put a person into the index. Stubs are found by record and by waiting message only."""
        self.people[person.person_id] = person
        for record_key in {record.key for record in person.records}:
            self._by_record.setdefault(record_key, []).append(person)
        if person.stub:
            for source, held in _held(person):
                self._waiting[source, held.message_id] = person
            return
        person.known = known_of(person.records)
        self._count(person.known, 1)
        for key in _blocking_keys(_identities(person), sorted(person.enrolled)):
            self._post(key, person)

    def remove(self, person: Person) -> None:
        """The exact reverse of ``add``; call it before a person changes, ``add`` after."""
        del self.people[person.person_id]
        for record_key in {record.key for record in person.records}:
            _drop(self._by_record, record_key, person)
        if person.stub:
            for source, held in _held(person):
                self._waiting.pop((source, held.message_id), None)
            return
        assert person.known is not None
        self._count(person.known, -1)
        for key in _blocking_keys(_identities(person), sorted(person.enrolled)):
            self._unpost(key, person)
        person.known = None

    def show(self, person: Person, key: RecordKey, uid: str, face: Face) -> SourceRecord:
        """A record of somebody who is known shows a face that it has not shown: as ``remove`` before and ``add``
        after, at the price of what is new. ``uid``: of the record, if this is its first face."""
        known, faces, record = person.known, _identities(person), record_in(person, key)
        assert known is not None
        if record is None:
            record = SourceRecord(key, uid, [face])
            person.records.append(record)
            self._by_record.setdefault(key, []).append(person)
            person.known = known_with(known, record)
        elif len(record.faces) < FACES_MAX:
            record.show(face)
            person.known = known_of(person.records)
        else:
            # An older face goes, and whatever it alone has shown.
            self.remove(person)
            record.show(face)
            self.add(person)
            return record
        for kind, value in learned(known, face.identity):
            self.frequencies.add(kind, value, 1)
        for post in _keys_learned(faces, face.identity, sorted(person.enrolled)):
            self._post(post, person)
        return record

    def enrol(self, person: Person, provider: str) -> None:
        """Somebody who is known is enrolled at a provider."""
        faces, before = _identities(person), sorted(person.enrolled)
        person.enrolled.add(provider)
        for key in _blocking_keys(faces, [provider]).keys() - _blocking_keys(faces, before).keys():
            self._post(key, person)

    def holders(self, key: RecordKey) -> list[Person]:
        """Who has a record with this reference: people before stubs, then by id."""
        found = self._by_record.get(key, [])
        return found if len(found) < 2 else sorted(found, key=lambda p: (p.stub, p.person_id))

    def waiting(self, source: str, message_id: str) -> Person | None:
        """The stub on which a message waits."""
        return self._waiting.get((source, message_id))

    def candidates(self, keys: Iterable[str]) -> list[Person]:
        """People under any of the keys, each once, in the order of the keys. Lists over their cap are skipped."""
        by_key, caps = self._by_key, blocking.CAPS
        out: dict[Person, None] = {}
        for key in keys:
            found = by_key.get(key)
            if found is None:
                continue
            if not isinstance(found, list):
                out[found] = None
                continue
            cap = caps[key[0]]
            if not cap or len(found) <= cap:
                out.update(dict.fromkeys(found))
        return list(out)

    # Reviews

    def put_review(self, review: Review) -> None:
        """Open a review, or put a changed one in its place."""
        self.drop_review(review.review_id)
        self.reviews[review.review_id] = review
        for person_id in (review.person_id, *(candidate for candidate, _, _ in review.candidates)):
            self._asking.setdefault(person_id, set()).add(review.review_id)

    def drop_review(self, review_id: str) -> None:
        review = self.reviews.pop(review_id, None)
        if review is None:
            return
        for person_id in {review.person_id, *(candidate for candidate, _, _ in review.candidates)}:
            left = self._asking[person_id]
            left.discard(review_id)
            if not left:
                del self._asking[person_id]

    def reviews_about(self, person_id: str) -> list[Review]:
        """Open reviews of the person, as stub, as the one asked about or as a candidate."""
        return [self.reviews[review_id] for review_id in sorted(self._asking.get(person_id, ()))]

    # Human decisions

    def parted(self, key: RecordKey, person: Person) -> bool:
        """Whether somebody decided that this record and one of the person's are two people."""
        barred = self.apart.get(key)
        return barred is not None and any(record.key in barred for record in person.records)

    def part(self, one: RecordKey, other: RecordKey) -> None:
        self.apart.setdefault(one, set()).add(other)
        self.apart.setdefault(other, set()).add(one)

    def unpart(self, one: RecordKey, other: RecordKey) -> None:
        for a, b in ((one, other), (other, one)):
            if a in self.apart:
                self.apart[a].discard(b)
                if not self.apart[a]:
                    del self.apart[a]

    # Inside

    def _post(self, key: str, person: Person) -> None:
        found = self._by_key.get(key)
        if found is None:
            self._by_key[key] = person
        elif isinstance(found, list):
            found.append(person)
        else:
            self._by_key[key] = [found, person]

    def _unpost(self, key: str, person: Person) -> None:
        found = self._by_key[key]
        if found is person:
            del self._by_key[key]
            return
        assert isinstance(found, list)
        found.remove(person)
        if len(found) == 1:
            self._by_key[key] = found[0]

    def _count(self, known: Known, by: int) -> None:
        self.frequencies.people += by
        for kind, value in counted(known):
            self.frequencies.add(kind, value, by)


def _identities(person: Person) -> list[Identity]:
    return [face.identity for record in person.records for face in record.faces]


def _keys_learned(faces: Sequence[Identity], fresh: Identity, enrolled: Sequence[str]) -> set[str]:
    """Keys of a fresh face that no other face of the person has."""
    if any(blocking.named_alike(fresh, face) for face in faces):
        return set(blocking.sure_keys(fresh)).difference(*map(blocking.sure_keys, faces))
    return set(_blocking_keys([fresh], enrolled)).difference(_blocking_keys(faces, enrolled))


def _blocking_keys(faces: Sequence[Identity], enrolled: Sequence[str]) -> dict[str, None]:
    keys: dict[str, None] = {}
    read: list[Identity] = []
    for face in faces:
        keys.update(dict.fromkeys(blocking.sure_keys(face)))
        # Most faces of a person show the names and the birth date that others show.
        if not any(blocking.named_alike(face, other) for other in read):
            read.append(face)
            keys.update(dict.fromkeys(blocking.named_keys(face)))
            for provider in enrolled:
                keys.update(dict.fromkeys(blocking.enrolled_keys(face, provider)))
    return keys


def _held(stub: Person) -> Iterator[tuple[str, Held]]:
    return ((record.key[0], held) for record in stub.records for held in record.held)


def _drop(table: dict[K, list[Person]], key: K, person: Person) -> None:
    left = [p for p in table[key] if p is not person]
    if left:
        table[key] = left
    else:
        del table[key]


def record_in(person: Person, key: RecordKey) -> SourceRecord | None:
    return next(person.records_of(key), None)
