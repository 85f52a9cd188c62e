"""What reaches matching, parsed once at the edge: observations and the steward's decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from services.matching.identity import Identity

#: Source and its own reference of a record. A record without a reference is known by the hash of its identity block,
#: behind a ``~``, so that the same block again is the same record.
RecordKey = tuple[str, str]
NAMELESS = "~"


@dataclass(frozen=True, slots=True)
class Observation:
    """One agency's statement. ``body`` is the observation as it goes on, unread."""

    event_id: str
    source: str
    ref: str | None
    message_id: str
    type: str
    effective_on: date
    received_at: datetime
    identity: Identity
    subject: bytes
    data: bytes
    named_provider: str | None
    adopted: bool
    enrols: bool
    body: Mapping[str, Any]
    key: RecordKey


@dataclass(frozen=True, slots=True)
class Linked:
    """A steward says: this record (or this held message) is that person."""

    event_id: str
    decided_at: datetime
    record: RecordKey | None
    message: tuple[str, str] | None
    person: RecordKey


@dataclass(frozen=True, slots=True)
class Separated:
    """A steward says: these two records are two people."""

    event_id: str
    decided_at: datetime
    record: RecordKey
    person: RecordKey


@dataclass(frozen=True, slots=True)
class Suggested:
    """A housekeeping job asks whether two known records are one person."""

    event_id: str
    asked_at: datetime
    one: RecordKey
    other: RecordKey


@dataclass(frozen=True, slots=True)
class Fed:
    """The hub's own word about a party's feed. It is about nobody and goes on under the feed's name."""

    event_id: str
    received_at: datetime
    feed: str
    body: Mapping[str, Any]


Matter = Observation | Linked | Separated | Suggested | Fed
