"""The Kafka door: what partners write to their own topics becomes submissions. A processor on the spine's own step.

A partner's topic is the partner's word: the party is the topic's name, as the broker's access list guarantees. Values
are Avro under the registry's framing with CloudEvents headers, or CloudEvents JSON; anything else becomes a submission
that is unreadable, so that the partner sees a refusal and the partition moves on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from services.ingest.door import (
    PAYLOAD_BYTES_MAX,
    Arrival,
    Door,
    Message,
    avro_message,
    event_message,
    receipt,
    unreadable_message,
)
from spine.carried import Headers
from spine.journal import Transaction
from spine.log import Place
from spine.record import Changes, Decided, Effect, Fact, Record, effect_id
from spine.schema import Catalogue

SERVICE = "ingest-door"
TOPIC_PREFIX = "partner."
#: Not a schema: the name under which a partner's record, which has none of ours, passes through the step.
PARTNER_RECORD = "partner_record"
_ATTRIBUTES = ("specversion", "id", "source", "type", "time")
_HEADER_BYTES_MAX = 512


def partner_topics(parties: Sequence[str]) -> tuple[str, ...]:
    """The topic of each party."""
    return tuple(f"{TOPIC_PREFIX}{party}" for party in sorted(parties))


class PartnerCatalogue(Catalogue):
    """The hub's schemas, with every partner record a fact: its place is its identity, and nothing of it is poison."""

    def __init__(self, hub: Catalogue) -> None:
        self.__dict__.update(hub.__dict__)

    def sealed_fact(self, record: Record) -> Fact:
        identity = f"{record.topic}/{record.partition}@{record.offset}"
        fields = {"topic": record.topic, "headers": record.headers, "value": record.value}
        return Fact(PARTNER_RECORD, identity, fields)


@dataclass(slots=True)
class PartnerDoor:
    """A ``spine.step.Processor`` without state."""

    door: Door
    clock: Callable[[], datetime]
    build: str
    settings: str
    topics: tuple[str, ...]
    service: str = SERVICE
    #: Raises Retry while nothing may be accepted: what partners sent then waits on their topics.
    admit: Callable[[], None] = lambda: None
    topic: str = field(init=False)

    def __post_init__(self) -> None:
        self.topic = self.topics[0]

    def begin(self, place: Place, facts: Sequence[Fact], transaction: Transaction) -> None:
        self.admit()

    def apply(self, fact: Fact) -> Decided:
        party = str(fact.fields["topic"]).removeprefix(TOPIC_PREFIX)
        headers = _headers(fact.fields["headers"])
        now = self.clock()
        arrival = Arrival(
            party=party,
            principal=f"topic:{fact.fields['topic']}",
            door="kafka",
            received_at=now.replace(microsecond=now.microsecond // 1000 * 1000),
            test=headers.get("ce_testmode") == "true",
        )
        message = read_message(headers, fact.fields["value"], self.door.catalogue)
        key, fields = self.door.sealed(arrival, message, effect_id(self.service, fact.event_id, 0))
        return Decided((Effect("submissions", key, "submission.v1", fields),))

    def carry(self, headers: Headers, service: str, event_id: str) -> Headers:
        """The receipt of now: what a partner wrote into its headers goes no further."""
        del headers, service, event_id
        return receipt()

    def changes(self) -> Changes:
        return Changes()

    def discard(self) -> None:
        """Nothing was held."""


def read_message(headers: dict[str, str], value: bytes, catalogue: Catalogue) -> Message:
    """How a record's value reads. Never raises."""
    if len(value) > PAYLOAD_BYTES_MAX:
        return unreadable_message(value)
    if headers.get("content-type", "").startswith(("application/cloudevents+json", "application/json")):
        return _json(value)
    opened = catalogue.unframe(value)
    if opened is None:
        return unreadable_message(value)
    attributes = {name: headers[f"ce_{name}"] for name in _ATTRIBUTES if f"ce_{name}" in headers}
    return avro_message({"specversion": "1.0", **attributes}, *opened)


def _json(value: bytes) -> Message:
    try:
        event: Any = orjson.loads(value)
        return event_message(event) if isinstance(event, dict) else unreadable_message(value)
    except (orjson.JSONDecodeError, TypeError, RecursionError):
        return unreadable_message(value)


def _headers(raw: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
    """Headers that are short text; the first of a name counts."""
    held: dict[str, str] = {}
    for name, value in raw:
        if value is not None and len(value) <= _HEADER_BYTES_MAX:
            held.setdefault(name.lower(), value.decode("utf-8", "replace"))
    return held
