"""Everything known about one population: people by reference and by blocking key, frequencies, human decisions.

The index is the state on which ``decide`` works, in memory. Its truth is rows, one per person, review and decision:
``touch`` notes a row's bytes before its first change, so that a batch that was not committed can be taken back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from services.matching import blocking
from services.matching.cluster import Held, Known, Person, SourceRecord, known_of
from services.matching.facts import RecordKey
from services.matching.weigh import Frequencies, counted

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
        for key in _blocking_keys(person):
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
        for key in _blocking_keys(person):
            self._unpost(key, person)
        person.known = None

    @contextmanager
    def changing(self, person: Person) -> Iterator[None]:
        """For somebody who is known and learns something: as ``remove`` before and ``add`` after, at the price of what
        is different then."""
        assert person.known is not None
        known, keys = person.known, _blocking_keys(person)
        yield
        person.known = known_of(person.records)
        for record_key in person.known.keys:
            if record_key not in known.keys:
                self._by_record.setdefault(record_key, []).append(person)
        before, after = set(counted(known)), set(counted(person.known))
        for kind, value in before - after:
            self.frequencies.add(kind, value, -1)
        for kind, value in after - before:
            self.frequencies.add(kind, value, 1)
        now = _blocking_keys(person)
        for key in now.keys() - keys.keys():
            self._post(key, person)
        for key in keys.keys() - now.keys():
            self._unpost(key, person)

    def holders(self, key: RecordKey) -> list[Person]:
        """Who has a record with this reference: people before stubs, then by id."""
        found = self._by_record.get(key, [])
        return found if len(found) < 2 else sorted(found, key=lambda p: (p.stub, p.person_id))

    def waiting(self, source: str, message_id: str) -> Person | None:
        """The stub on which a message waits."""
        return self._waiting.get((source, message_id))

    def candidates(self, keys: Iterable[str]) -> Iterator[Person]:
        """People under any of the keys, each once, in the order of the keys. Lists over their cap are skipped."""
        seen: set[str] = set()
        for key in keys:
            found = self._by_key.get(key)
            if found is None:
                continue
            if isinstance(found, Person):
                found = [found]
            cap = blocking.CAPS[key[0]]
            if cap and len(found) > cap:
                continue
            for person in found:
                if person.person_id not in seen:
                    seen.add(person.person_id)
                    yield person

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


def _blocking_keys(person: Person) -> dict[str, None]:
    keys: dict[str, None] = {}
    for face in {face.identity: None for face in person.faces()}:
        keys.update(dict.fromkeys(blocking.keys_of(face)))
        for provider in sorted(person.enrolled):
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
