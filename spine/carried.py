"""What travels beside a fact, in its record's headers: when the hub took what caused it, and its trace.

No decision reads it and no digest covers it: a header is no part of a fact. It follows from the headers of the record
decided on, so a second decision on that record carries the same. Whatever else stands in headers stays behind.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from spine.record import Fact

Headers = tuple[tuple[str, bytes], ...]

RECEIVED = "hub-received"
TRACE = "traceparent"
#: W3C trace context, version 00: trace id, span id, flags. Ids of zeros name nothing.
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_MILLISECONDS = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Carried:
    """``received_ms``: when the door took the first cause, milliseconds since 1970; None for what no door took, such as
    a tick. ``trace``: a W3C ``traceparent``, or empty."""

    received_ms: int | None = None
    trace: str = ""

    @property
    def headers(self) -> Headers:
        received = () if self.received_ms is None else ((RECEIVED, str(self.received_ms).encode()),)
        return (*received, (TRACE, self.trace.encode())) if self.trace else received

    def after(self, service: str, event_id: str) -> Carried:
        """As carried by what ``service`` decides on ``event_id``: under the span of that decision."""
        trace = trace_of(self.trace)
        if trace is None:
            return self
        made = Traced(trace.trace_id, span_id(service, event_id), trace.flags)
        return Carried(self.received_ms, made.text)


@dataclass(frozen=True, slots=True)
class Traced:
    """The parts of a ``traceparent``, as numbers."""

    trace_id: int
    span_id: int
    flags: int

    @property
    def sampled(self) -> bool:
        return bool(self.flags & 1)

    @property
    def text(self) -> str:
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.flags:02x}"


def carried(headers: Headers) -> Carried:
    """What the headers of one of the hub's records carry. What does not read is not there."""
    held = dict(headers)
    received = held.get(RECEIVED, b"").decode("ascii", "replace")
    trace = held.get(TRACE, b"").decode("ascii", "replace")
    return Carried(
        int(received) if _MILLISECONDS.fullmatch(received) else None,
        trace if _TRACEPARENT.fullmatch(trace) else "",
    )


def trace_of(text: str) -> Traced | None:
    """The parts of a ``traceparent``; None if it is none."""
    found = _TRACEPARENT.fullmatch(text)
    return None if found is None else Traced(int(found[1], 16), int(found[2], 16), int(found[3], 16))


def span_id(service: str, event_id: str) -> int:
    """Id of the span in which ``service`` decides on ``event_id``: the same whoever decides it again. Never 0."""
    digest = hashlib.sha256(f"span\x1f{service}\x1f{event_id}".encode()).digest()
    return int.from_bytes(digest[:8]) or 1


def accompany(processor: object, beside: Iterable[tuple[object, Headers]]) -> None:
    """Tell a processor that asks for it (``accompany``) what travels beside each fact, by event id: of a fact that is
    there twice, what came with the first."""
    method = getattr(processor, "accompany", None)
    if method is None:
        return
    held: dict[str, Carried] = {}
    for fact, headers in beside:
        if isinstance(fact, Fact):
            held.setdefault(fact.event_id, carried(headers))
    method(held)


def onward(headers: Headers, service: str, event_id: str) -> Headers:
    """Headers of what is decided, where nobody traces: those it came with."""
    del service, event_id
    return carried(headers).headers


def traced(headers: Headers, service: str, event_id: str) -> Headers:
    """As ``onward``, under the span of this decision: for a process that exports its spans."""
    return carried(headers).after(service, event_id).headers
