"""The rows behind an index: one per person, review, remembered link and separation. Deterministic bytes, both ways.

Identity blocks are kept as sent and read again on loading, so a better way of reading names needs no migration.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import orjson

from services.matching.cluster import Face, Held, Person, SourceRecord
from services.matching.facts import RecordKey
from services.matching.identity import Identity
from services.matching.index import Index, Review
from spine.parts import under


@dataclass(frozen=True, slots=True)
class Codec:
    """How the parts that travel as bytes are read and written."""

    #: An identity block, sealed or clear; None once it was erased.
    read_identity: Callable[[bytes], Identity | None]
    read_observation: Callable[[bytes], Mapping[str, Any]]
    write_observation: Callable[[Mapping[str, Any]], bytes]
    #: Event type and data of an observation -> the data's clear body.
    opened: Callable[[str, bytes], bytes] = lambda kind, data: data


#: First letter of the rows that hold linked observations. They are the last of a partition in order of keys, and most
#: of it: an index is loaded without them, and they are read only when a link is taken apart.
STORED = "z"
#: First letter of the rows that remember erased references of keys.
ERASED = "e"


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:20]


def person_key(index: Index, person_id: str) -> str:
    return f"p:{index.population}:{person_id}"


def review_key(index: Index, review_id: str) -> str:
    return f"r:{index.population}:{review_id}"


def link_key(index: Index, record: RecordKey) -> str:
    return f"l:{index.population}:{_hash(*record)}"


def apart_key(index: Index, one: RecordKey, other: RecordKey) -> str:
    return f"x:{index.population}:{_hash(*(part for key in sorted((one, other)) for part in key))}"


def stored_key(record: SourceRecord, number: int) -> str:
    return f"{STORED}:{record.uid}:{number}"


def population_of(key: str) -> str:
    return key.split(":", 2)[1]


def _moment(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def erased_key(place: tuple[str, int], ref: str) -> str:
    """Says that a key was destroyed by order: running services remember keys for a while, and this they heed at once.

    Of the partition, not of a population: a reference is of one agency's record."""
    return f"{ERASED}:{place[0]}/{place[1]}:{ref}"


def encode_person(person: Person, codec: Codec) -> bytes:
    records = [
        {
            "s": record.key[0],
            "k": record.key[1],
            "u": record.uid,
            "n": record.stored,
            "f": [[b64encode(face.subject).decode(), face.at_ms] for face in record.faces],
            "h": [b64encode(codec.write_observation(held.body)).decode() for held in record.held],
        }
        for record in person.records
    ]
    row = {
        "i": person.person_id,
        "v": person.review_id,
        "a": person.adopted_on,
        "e": sorted(person.enrolled),
        "r": records,
    }
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)


def decode_person(body: bytes, codec: Codec) -> Person:
    row = orjson.loads(body)
    return Person(
        person_id=row["i"],
        records=[_record(entry, codec) for entry in row["r"]],
        review_id=row["v"],
        adopted_on=None if row["a"] is None else date.fromisoformat(row["a"]),
        enrolled=set(row["e"]),
    )


def _record(entry: Mapping[str, Any], codec: Codec) -> SourceRecord:
    faces = []
    for text, at_ms in entry["f"]:
        subject = b64decode(text)
        identity = codec.read_identity(subject)
        if identity is not None:
            faces.append(Face(subject, at_ms, identity))
    held = [held_of(codec.read_observation(b64decode(text))) for text in entry["h"]]
    return SourceRecord((entry["s"], entry["k"]), entry["u"], faces, entry["n"], held)


def held_of(body: Mapping[str, Any]) -> Held:
    return Held(body["message_id"], body["type"], body["effective_on"], body["received_at"], body["data"], body)


def keys_in(body: bytes) -> set[str]:
    """References of the keys under which the identity blocks of a person's row are sealed."""
    entries = orjson.loads(body)["r"]
    return {under(b64decode(text)) for entry in entries for text, _ in entry["f"]} - {""}


def encode_review(review: Review) -> bytes:
    row = {
        "i": review.review_id,
        "p": review.person_id,
        "k": list(review.record),
        "o": _moment(review.opened_at),
        "w": review.reason,
        "s": review.safeguarding,
        "c": [[person, weight, list(reasons)] for person, weight, reasons in review.candidates],
    }
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)


def decode_review(body: bytes) -> Review:
    row = orjson.loads(body)
    candidates = tuple((person, weight, tuple(reasons)) for person, weight, reasons in row["c"])
    return Review(row["i"], row["p"], (row["k"][0], row["k"][1]), _at(row["o"]), row["w"], row["s"], candidates)


@dataclass(slots=True)
class Ledger:
    """Row bytes before and after, so that a batch can be written, digested, or taken back.

    ``touch`` must come before the first change of a row. ``stored`` holds new observation rows. A ledger that keeps
    nothing is for bulk matching, whose only result is its answers.
    """

    index: Index
    codec: Codec
    keeps: bool = True
    before: dict[str, bytes | None] = field(default_factory=dict)
    latest: dict[str, bytes | None] = field(default_factory=dict)
    marked: dict[str, bytes | None] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    #: Rows of stored observations that go: of somebody erased.
    dropped: set[str] = field(default_factory=set)
    #: Records behind the rows of links and separations, whose keys are hashes.
    pairs: dict[str, tuple[RecordKey, RecordKey]] = field(default_factory=dict)

    def touch(self, key: str) -> None:
        if key in self.marked or not self.keeps:
            return
        if key not in self.latest:
            self.before[key] = self.latest[key] = self.body(key)
        self.marked[key] = self.latest[key]

    def touch_link(self, record: RecordKey, person: RecordKey) -> None:
        key = link_key(self.index, record)
        self.pairs[key] = (record, person)
        self.touch(key)

    def touch_apart(self, one: RecordKey, other: RecordKey) -> None:
        key = apart_key(self.index, one, other)
        first, second = sorted((one, other))
        self.pairs[key] = (first, second)
        self.touch(key)

    def settle(self) -> tuple[bytes, bytes]:
        """End of one fact: digests of the touched rows before and after it."""
        before, after = hashlib.sha256(), hashlib.sha256()
        for key, old in self.marked.items():
            new = self.latest[key] = self.body(key)
            for digest, body in ((before, old), (after, new)):
                digest.update(key.encode())
                digest.update(b"-" if body is None else hashlib.sha256(body).digest())
        self.marked = {}
        return (before.digest(), after.digest())

    def undo(self) -> None:
        """Take everything back since the last ``forget``."""
        for key in self.before:
            self._drop(key)
        for key, body in self.before.items():
            if body is not None:
                self.load(key, body)
        self.forget()

    def forget(self) -> None:
        """What was touched is written: begin anew."""
        self.before, self.latest, self.marked, self.stored, self.dropped = {}, {}, {}, {}, set()

    def body(self, key: str) -> bytes | None:
        """Bytes of a row as it stands in the index."""
        index, name = self.index, key.split(":", 2)[2]
        match key[0]:
            case "p":
                person = index.people.get(name)
                return None if person is None else encode_person(person, self.codec)
            case "r":
                review = index.reviews.get(name)
                return None if review is None else encode_review(review)
            case "l":
                record, _ = self.pairs[key]
                return _pair(record, index.links[record]) if record in index.links else None
            case _:
                one, other = self.pairs[key]
                return _pair(one, other) if other in index.apart.get(one, ()) else None

    def load(self, key: str, body: bytes) -> None:
        """Put a row into the index."""
        index = self.index
        match key[0]:
            case "p":
                index.add(decode_person(body, self.codec))
            case "r":
                review = decode_review(body)
                index.put_review(review)
            case "l":
                self.pairs[key] = one, other = _unpair(body)
                index.links[one] = other
            case _:
                self.pairs[key] = pair = _unpair(body)
                index.part(*pair)

    def _drop(self, key: str) -> None:
        index, name = self.index, key.split(":", 2)[2]
        match key[0]:
            case "p":
                if name in index.people:
                    index.remove(index.people[name])
            case "r":
                index.drop_review(name)
            case "l":
                index.links.pop(self.pairs[key][0], None)
            case _:
                index.unpart(*self.pairs[key])


def _pair(one: RecordKey, other: RecordKey) -> bytes:
    return orjson.dumps([list(one), list(other)])


def _unpair(body: bytes) -> tuple[RecordKey, RecordKey]:
    (a, b), (c, d) = orjson.loads(body)
    return (a, b), (c, d)
