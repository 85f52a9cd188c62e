"""What stands on the log, and what a decision causes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

#: Fields of one decoded Avro record, with the values that fastavro yields (dates, datetimes, bytes, lists, dicts …).
Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """One record as read: framed bytes, and its place. ``offset`` is contiguous within (topic, partition)."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def place(self) -> tuple[str, int]:
        return (self.topic, self.partition)


@dataclass(frozen=True, slots=True)
class Fact:
    """A record after decoding: the name of its schema (``observation.v1``) and its fields.

    ``event_id`` identifies the fact for ever: a second record with the same id is a repetition, not news.
    """

    kind: str
    event_id: str
    fields: Fields

    def is_a(self, name: str) -> bool:
        """Whether its schema is some version of ``name``: later versions only add."""
        return self.kind.rpartition(".v")[0] == name


@dataclass(frozen=True, slots=True)
class Effect:
    """A record that a decision causes on ``topic`` under partition key ``key``.

    The core does not invent ids: the step gives each effect ``effect_id(service, event_id, index)``.
    ``kind`` names the Avro schema; ``fields`` must hold everything but ``event_id``, which the step fills in.
    ``partition`` overrules the key: for what every partition must hear.
    """

    topic: str
    key: str
    kind: str
    fields: Fields
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An effect ready for the log: encoded without framing, under its final id."""

    number: int
    event_id: str
    topic: str
    key: str
    kind: str
    body: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None


def effect_id(service: str, event_id: str, index: int) -> str:
    """Deterministic id of the ``index``-th effect that ``service`` decides on ``event_id``: 32 hex digits."""
    return hashlib.sha256(f"{service}\x1f{event_id}\x1f{index}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Decided:
    """What ``decide`` said about one fact, in bytes-level terms that the journal can store and replay can compare.

    ``state_before`` and ``state_after`` are sha256 digests of the encoded state; empty where there was none.
    ``note`` is a short machine word such as ``duplicate`` or ``poison:unknown_schema``; never content.
    ``reached``: of a fact that went to many keys, each key in order and how many of the effects are its.
    """

    effects: tuple[Effect, ...] = ()
    state_before: bytes = b""
    state_after: bytes = b""
    note: str = ""
    reached: tuple[tuple[str, int], ...] = ()


@dataclass(slots=True)
class Changes:
    """Rows that a processor wants written in the batch's transaction.

    ``states``: key -> (body, due_on). ``due_on`` is the first date on which a tick can change this key, or None.
    ``deleted``: keys whose state goes. Keys belong to the partition being processed.
    """

    states: dict[str, tuple[bytes, date | None]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
