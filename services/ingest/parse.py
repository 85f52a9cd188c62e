"""Bytes to an envelope: the outer shape of a message, before anything is believed of its content. Never raises.

Two forms of a body. ``json``: one CloudEvents object in structured mode. ``avro``: what the Kafka door writes, one JSON
line of the CloudEvents attributes, a newline, and the Avro body of the event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

DEPTH_MAX = 12
NODES_MAX = 5_000
#: The form of a message id, as a JSON Schema says it.
ID_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._:/@=+~#()-]{0,127}$"
ID = re.compile(ID_PATTERN[1:-1] + r"\Z", re.ASCII)
EVENT_TYPE = re.compile(r"[a-z][a-z0-9_]{0,40}(\.[a-z][a-z0-9_]{0,40}){1,4}\Z", re.ASCII)
_KNOWN = frozenset({"specversion", "id", "source", "type", "time", "sequence", "data"})
_IDENTIFIERS = ("nhs_number", "uln", "upn", "nino")
_ATTRIBUTE = re.compile(r"[a-z0-9]{1,32}\Z", re.ASCII)

#: Decodes an Avro body of a kind; raises on anything wrong.
Decode = Callable[[str, bytes], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Envelope:
    """The CloudEvents attributes and the data object, unchecked. ``strange`` counts attributes that are not allowed."""

    specversion: object
    message_id: object
    source: object
    type: object
    time: object
    sequence: object
    data: object
    strange: int = 0


def read_json(body: bytes) -> Envelope | None:
    """The envelope of a JSON body; None if it is no JSON object or nested too deep."""
    try:
        event = orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError):
        return None
    return from_event(event)


def from_event(event: object) -> Envelope | None:
    """The envelope of a decoded CloudEvents object; None if it is none."""
    if not isinstance(event, dict) or not _shallow(event):
        return None
    strange = sum(
        not isinstance(name, str) or not _ATTRIBUTE.match(name) or isinstance(value, dict | list)
        for name, value in event.items()
        if name not in _KNOWN
    )
    return Envelope(
        specversion=event.get("specversion"),
        message_id=event.get("id"),
        source=event.get("source"),
        type=event.get("type"),
        time=event.get("time"),
        sequence=event.get("sequence"),
        data=event.get("data"),
        strange=strange,
    )


def read_avro(body: bytes, kind: str | None, decode: Decode) -> Envelope | None:
    """The envelope of an Avro body as the Kafka door writes it; None if it does not decode."""
    head, found, value = body.partition(b"\n")
    if not found or kind is None:
        return None
    try:
        attributes = orjson.loads(head)
        data = dict(decode(kind, value))
    except Exception:
        # fastavro has no root exception: a foreign body may raise anything from EOFError to MemoryError's kin.
        return None
    if not isinstance(attributes, dict):
        return None
    envelope = from_event({**attributes, "data": {}})
    if envelope is None:
        return None
    return Envelope(
        envelope.specversion,
        envelope.message_id,
        envelope.source,
        envelope.type,
        envelope.time,
        data.pop("sequence", None),
        {name: _absent(value) for name, value in data.items()},
        envelope.strange,
    )


def _absent(value: object) -> object:
    """An Avro record always has all its fields; those that are null were not sent."""
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


def avro_body(attributes: Mapping[str, str], body: bytes) -> bytes:
    """The form that ``read_avro`` takes."""
    return orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS) + b"\n" + body


def identifies(envelope: Envelope) -> bool:
    """Whether the message id holds an identifier of the person: ids stand in keys and logs, people must not."""
    subject = envelope.data.get("subject") if isinstance(envelope.data, dict) else None
    if not isinstance(subject, dict) or not isinstance(envelope.message_id, str):
        return False
    held = (subject.get(name) for name in _IDENTIFIERS)
    return any(isinstance(value, str) and len(value) > 7 and value in envelope.message_id for value in held)


def content(envelope: Envelope) -> bytes:
    """What makes two messages of one id the same: type, sequence, data without empty fields; not the time of sending.

    The form (JSON or Avro) and the way of writing a whole number do not matter.
    """
    return orjson.dumps(
        [envelope.type, envelope.sequence, _plain(envelope.data)],
        option=orjson.OPT_SORT_KEYS,
        default=str,
    )


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None and v != [] and v != {}}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def _shallow(root: object) -> bool:
    """Neither too many levels nor too many nodes. Not recursive: depth is what it guards against."""
    level, nodes = [root], 0
    for _ in range(DEPTH_MAX):
        following: list[object] = []
        for value in level:
            if isinstance(value, dict):
                following += value.values()
            elif isinstance(value, list):
                following += value
        nodes += len(following)
        if nodes > NODES_MAX:
            return False
        if not following:
            return True
        level = following
    return False
