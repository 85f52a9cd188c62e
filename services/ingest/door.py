"""What every door does: turn a message into a sealed submission for the log. Nothing is judged here.

The submission's id follows from the door, the party, the message id, the content, the day and the policy in force: a
retried request is a repetition that the log's readers recognise, while a message refused yesterday, or under a policy
that has been mended since, is judged anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from services.ingest.parse import EVENT_TYPE, ID, avro_body, content, from_event, identifies
from spine import traces
from spine.carried import Carried, Headers, trace_of
from spine.clock import local_date, now
from spine.record import Outgoing
from spine.schema import Catalogue
from spine.seal import Seals

ROOT = Path(__file__).resolve().parents[2]
PAYLOAD_BYTES_MAX = 262_144


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who spoke, through which door, and when. ``policy``: hash of the sharing policy that the door knows, if any.
    ``trace``: a ``traceparent`` that one of the hub's own sent, empty for partners."""

    party: str
    principal: str
    door: str
    received_at: datetime
    test: bool = False
    policy: str = ""
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as a door hands it on: its bytes, how they read, what it claims to be, and what makes two the same."""

    body: bytes
    form: str
    kind: str | None
    message_id: object
    type: object
    said: bytes


def event_message(event: Mapping[str, Any]) -> Message:
    """One CloudEvents object. It need not be right."""
    body = orjson.dumps(event, default=str)
    envelope = from_event(dict(event))
    if envelope is None:
        return unreadable_message(body)
    message_id = None if identifies(envelope) else envelope.message_id
    return Message(body, "json", None, message_id, envelope.type, content(envelope))


def avro_message(attributes: Mapping[str, str], kind: str, value: bytes) -> Message:
    """An Avro body under CloudEvents attributes."""
    body = avro_body(attributes, value)
    return Message(body, "avro", kind, attributes.get("id"), attributes.get("type"), body)


def unreadable_message(body: bytes) -> Message:
    """Bytes that are no message: kept sealed, cut at the limit, and refused by the gate."""
    body = body[:PAYLOAD_BYTES_MAX]
    return Message(body, "unreadable", None, None, None, body)


@dataclass(frozen=True, slots=True)
class Door:
    """Seals messages and encodes submissions."""

    sealer: Seals
    catalogue: Catalogue

    def submission(self, arrival: Arrival, message: Message) -> Outgoing:
        """The submission under the id that follows from the message."""
        message_id, _ = _claims(message, self.sealer)
        identity = _identity(arrival, message_id, self.sealer.fingerprint(message.said))
        key, fields = self.sealed(arrival, message, identity)
        encoded = self.catalogue.encode("submission.v1", {**fields, "event_id": identity})
        return Outgoing(0, identity, "submissions", key, "submission.v1", encoded, receipt(arrival.trace))

    def sealed(self, arrival: Arrival, message: Message, identity: str) -> tuple[str, dict[str, Any]]:
        """Key and fields of the submission ``identity``, whose body is sealed about that id."""
        message_id, event_type = _claims(message, self.sealer)
        fields = {
            "party": arrival.party,
            "principal": arrival.principal,
            "door": arrival.door,
            "received_at": arrival.received_at,
            "message_id": message_id,
            "type": event_type,
            "form": message.form,
            "schema": message.kind,
            "test": arrival.test,
            "sealed_body": self.sealer.seal(message.body, identity.encode()),
        }
        return f"{arrival.party}|{message_id}", fields


def receipt(trace: str = "") -> Headers:
    """What a submission carries from the door on, and all that follows from it: when it was taken, by this clock, and
    the trace that begins here, or goes on from ``trace``. What a partner's request says of a trace is not taken over.

    Not ``received_at``: that is the partner's receipt, and simulated in a demonstration.
    """
    tracing, under = traces.held(), trace_of(trace)
    if tracing is not None:
        trace = tracing.taken(under=under)
    elif under is None:
        trace = ""
    return Carried(int(now().timestamp() * 1000), trace).headers


def submission_from_event(
    event: Mapping[str, Any],
    *,
    party: str,
    principal: str,
    door: str,
    received_at: datetime,
    sealer: Seals,
    test: bool,
    policy: str = "",
) -> Outgoing:
    """The submission of one CloudEvents object, for callers that keep no Door."""
    arrival = Arrival(party, principal, door, received_at, test, policy)
    return Door(sealer, _schemas()).submission(arrival, event_message(event))


@lru_cache(maxsize=1)
def _schemas() -> Catalogue:
    """The one schema that a door writes."""
    folder = Path(os.environ.get("HUB_SCHEMAS", ROOT / "schemas" / "avro"))
    catalogue = Catalogue([])
    catalogue.add("submission.v1", orjson.loads((folder / "submission.v1.avsc").read_bytes()))
    return catalogue


def _claims(message: Message, sealer: Seals) -> tuple[str, str]:
    """(message id, type) as claimed, if they look like one: both stand in clear on the log."""
    named = isinstance(message.message_id, str) and ID.match(message.message_id)
    typed = isinstance(message.type, str) and EVENT_TYPE.match(message.type)
    message_id = str(message.message_id) if named else f"unnamed-{sealer.fingerprint(message.body).hex()[:24]}"
    return message_id, str(message.type) if typed else ""


def _identity(arrival: Arrival, message_id: str, print_: bytes) -> str:
    parts = (
        arrival.door,
        arrival.party,
        message_id,
        print_.hex(),
        local_date(arrival.received_at).isoformat(),
        arrival.policy,
        str(arrival.test),
    )
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
