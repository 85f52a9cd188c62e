"""The spans of a process that traces. Imported by ``spine.traces`` alone, and only where somebody collects them.

The door begins a trace, headers carry it (``spine.carried``), and each decision is a span under the one before; beside
them stands one span for the batch, linked with the records it decided. A span says where and when, never what: its
attributes are those of ``ATTRIBUTES`` and hold no key, no id of a fact and no value. No provider is set for the
process: libraries, which would tell paths, stay silent.

The names of the messaging conventions are not stable: they stand here alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    set_span_in_context,
)

from spine.carried import Traced, carried, span_id, trace_of
from spine.step import Told

#: Every attribute of every span. Numbers, topics, and words of ours.
ATTRIBUTES = frozenset(
    (
        *("messaging.system", "messaging.operation.type", "messaging.destination.name"),
        *("messaging.destination.partition.id", "messaging.kafka.offset", "messaging.batch.message_count"),
        *("hub.kind", "hub.outcome", "hub.attempt", "hub.service", "hub.decisions", "hub.good"),
    )
)
Value = str | int
LINKS_MAX = 512
FLUSH_SECONDS = 5
_MESSAGING: Mapping[str, Value] = {"messaging.system": "kafka", "messaging.operation.type": "process"}


class Ids(RandomIdGenerator):
    """The id of a decision's span follows from the decision: what hangs under it names it before the span is made."""

    def __init__(self) -> None:
        self._named = threading.local()

    def following(self, number: int) -> None:
        """The next span of this thread has this id."""
        self._named.number = number

    def generate_span_id(self) -> int:
        number, self._named.number = getattr(self._named, "number", 0), 0
        return number or super().generate_span_id()


class Spans:
    """The spans of one process. Times are nanoseconds since 1970."""

    def __init__(self, service: str, exporter: SpanExporter) -> None:
        self._ids = Ids()
        self._provider = TracerProvider(
            id_generator=self._ids,
            resource=Resource.create({"service.name": f"hub-{service}"}),
            span_limits=SpanLimits(max_links=LINKS_MAX),
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("eet-hub")

    def taken(self, name: str = "take", under: Traced | None = None) -> str:
        """Begin a trace, or go on with ``under``: the door has taken something, or somebody did something (``name``).
        Its ``traceparent``; empty where the sampler leaves it out."""
        span = self._span(name, under, time.time_ns(), SpanKind.PRODUCER)
        span.end()
        context = span.get_span_context()
        return Traced(context.trace_id, context.span_id, 1).text if context.trace_flags.sampled else ""

    def decided(self, service: str, told: Sequence[Told], begun: int, ended: int) -> None:
        """The batch, linked with what it decided on, and a span for each decision in the trace of its record."""
        news = [one for one in told if one.decided.note != "repeated"]
        under = [(one, trace) for one in news if (trace := trace_of(carried(one.record.headers).trace)) is not None]
        links = [Link(_context(trace)) for _, trace in under if trace.sampled]
        whole = {**_MESSAGING, "messaging.batch.message_count": len(told)}
        batch = self._span(f"batch {service}", None, begun, SpanKind.CONSUMER, links, whole)
        beside = [Link(batch.get_span_context())]
        for one, trace in under:
            place: dict[str, Value] = {
                "messaging.destination.name": one.record.topic,
                "messaging.destination.partition.id": str(one.record.partition),
                "messaging.kafka.offset": one.record.offset,
                "hub.kind": one.kind,
            }
            self._ids.following(span_id(service, one.event_id))
            made = self._span(f"decide {service}", trace, begun, SpanKind.CONSUMER, beside, {**_MESSAGING, **place})
            made.end(ended)
        batch.end(ended)

    def did(self, name: str, trace: str, begun: int, attributes: Mapping[str, Value]) -> None:
        """Something that ends now, in a trace that was carried here; nothing without one."""
        if (parent := trace_of(trace)) is not None:
            self._span(name, parent, begun, attributes=attributes).end()

    def again(self, name: str, through: Iterable[str], begun: int, attributes: Mapping[str, Value]) -> None:
        """Something that ends now, in a trace of its own, linked with those that it went through again."""
        links = [Link(_context(trace)) for text in through if (trace := trace_of(text)) is not None and trace.sampled]
        self._span(name, None, begun, links=links, attributes=attributes).end()

    def close(self) -> None:
        """Export what waits, for a moment: a collector that is away must not hold the process."""
        self._provider.force_flush(FLUSH_SECONDS * 1000)
        self._provider.shutdown()

    def _span(
        self,
        name: str,
        parent: Traced | None,
        begun: int,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[Link] = (),
        attributes: Mapping[str, Value] = {},
    ) -> Span:
        assert set(attributes) <= ATTRIBUTES, sorted(attributes)
        under = Context()
        if parent is not None:
            under = set_span_in_context(NonRecordingSpan(_context(parent)), under)
        return self._tracer.start_span(name, under, kind, attributes, list(links[:LINKS_MAX]), begun)


def _context(trace: Traced) -> SpanContext:
    return SpanContext(trace.trace_id, trace.span_id, is_remote=True, trace_flags=TraceFlags(trace.flags))
