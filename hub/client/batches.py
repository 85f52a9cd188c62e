"""How many events travel in one request. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

BATCH_EVENTS_MAX = 500
#: Below the door's 8 MiB: other things between here and there have limits too.
BATCH_BYTES_MAX = 4 * 1024 * 1024
EVENT_BYTES_MAX = 262_144


@dataclass(frozen=True, slots=True)
class Packed:
    """One event, ready to travel, and its place in the caller's order."""

    index: int
    id: str
    body: bytes


def pack(index: int, event: dict[str, Any]) -> Packed:
    """Raises ValueError for what JSON cannot say (a NaN, an object)."""
    try:
        body = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError):
        # The original message may quote a value.
        raise ValueError("this is no JSON") from None
    return Packed(index, str(event.get("id", "")), body)


def joined(batch: Iterable[Packed]) -> bytes:
    """The body of one request: a list, even of one."""
    return b"[" + b",".join(packed.body for packed in batch) + b"]"


def batches(
    events: Iterable[Packed], *, events_max: int = BATCH_EVENTS_MAX, bytes_max: int = BATCH_BYTES_MAX
) -> Iterator[list[Packed]]:
    """In order, each within both limits; an event of its own that is larger travels alone."""
    held: list[Packed] = []
    size = 2
    for packed in events:
        if held and (len(held) == events_max or size + len(packed.body) + 1 > bytes_max):
            yield held
            held, size = [], 2
        held.append(packed)
        size += len(packed.body) + 1
    if held:
        yield held
