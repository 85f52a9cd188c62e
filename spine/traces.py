"""Whether this process traces: OpenTelemetry spans, by OTLP, where OTEL_EXPORTER_OTLP_ENDPOINT is set.

Where it is not, no library is imported and no span is made. How spans look: ``spine.spans``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

    from spine.spans import Spans

VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_held: Spans | None = None


def held() -> Spans | None:
    """The process's spans; None where nobody collects them."""
    return _held


def begin(service: str) -> None:
    """Export spans from here on, if the environment says where to. The SDK reads its other settings (sampler, headers,
    certificates) from OTEL_* itself."""
    if _held is None and any(os.environ.get(name) for name in VARIABLES):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        use(service, OTLPSpanExporter())


def use(service: str, exporter: SpanExporter) -> None:
    """Export to ``exporter``."""
    global _held
    from spine.spans import Spans

    _held = Spans(service, exporter)


def end() -> None:
    """Export what waits, and no more from here on. Safe to call again."""
    global _held
    made, _held = _held, None
    if made is not None:
        made.close()
