"""What operators see: JSON log lines and Prometheus metrics, both only as their catalogues allow.

``contracts/log_events.yaml`` and ``contracts/metrics.yaml`` are the catalogues. A log call with an unknown event or key
writes ``refused_log`` with the names instead, never the values. Libraries' own messages are not written: they may
hold content. Errors are logged as class and place, without their text.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from ruamel.yaml import YAML

CONTRACTS = Path(__file__).resolve().parents[1] / "contracts"
LEVELS = ("debug", "info", "warning", "error", "critical")


def contracts_folder() -> Path:
    """``HUB_CONTRACTS``, or the checkout's own."""
    return Path(os.environ.get("HUB_CONTRACTS") or CONTRACTS)


@dataclass(frozen=True, slots=True)
class LogEvents:
    """The catalogue of log events."""

    common: frozenset[str]
    events: Mapping[str, frozenset[str]]
    levels: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> LogEvents:
        read = YAML(typ="safe").load(path)
        events = {name: frozenset(event["keys"]) for name, event in read["events"].items()}
        return cls(frozenset(read["common"]), events, {n: e["level"] for n, e in read["events"].items()})


@dataclass(frozen=True, slots=True)
class Catalogued:
    """structlog processor: lets through what the catalogue has; names what it has not."""

    allowed: LogEvents

    def __call__(self, logger: Any, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event = str(line.get("event"))
        keys = self.allowed.events.get(event)
        unknown = sorted(set(line) - self.allowed.common - (keys or frozenset()))
        if keys is not None and not unknown:
            line["level"] = self.allowed.levels[event]
            return line
        kept = {key: value for key, value in line.items() if key in ("timestamp", "service", "build")}
        refused = event if keys is not None else "unknown event"
        return {**kept, "event": "refused_log", "level": "error", "refused": refused, "keys": unknown}


class _Libraries(logging.Handler):
    """Standard logging of libraries: a line that one complained, and the class of its error."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        log().warning("library", logger=record.name, error=error)


def setup(service: str, *, out: TextIO | None = None, build: str = "") -> None:
    """Configure logging of this process."""
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(service=service, **({"build": build} if build else {}))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            Catalogued(LogEvents.read(contracts_folder() / "log_events.yaml")),
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        logger_factory=structlog.PrintLoggerFactory(out or sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Threads start with empty context: the service's name must be on their lines too.
    structlog.configure(processors=[_Bound({"service": service, **({"build": build} if build else {})}), *_current()])
    root = logging.getLogger()
    root.handlers[:] = [_Libraries()]
    root.setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class _Bound:
    fixed: Mapping[str, str]

    def __call__(self, logger: Any, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {**self.fixed, **line}


def _current() -> Sequence[Any]:
    processors: Sequence[Any] = structlog.get_config()["processors"]
    return processors


def _json(line: Any, **options: Any) -> str:
    default = options.get("default") or str
    return orjson.dumps(line, default=default).decode()


def log() -> Any:
    """The process's logger."""
    return structlog.get_logger()


def where(error: BaseException) -> str:
    """Module and line where ``error`` was raised; never its text."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


class Metrics:
    """The catalogue's metrics in a registry of their own. An unknown name or label is a KeyError or ValueError."""

    def __init__(self, path: Path) -> None:
        self.registry = CollectorRegistry()
        self._held: dict[str, Counter | Gauge | Histogram] = {}
        for name, metric in YAML(typ="safe").load(path)["metrics"].items():
            assert name.startswith("hub_"), name
            self._held[name] = self._make(name, metric)

    def _make(self, name: str, metric: Mapping[str, Any]) -> Counter | Gauge | Histogram:
        labels, text = list(metric["labels"]), metric["help"]
        if metric["type"] == "histogram":
            return Histogram(name, text, labels, registry=self.registry, buckets=metric["buckets"])
        if metric["type"] == "gauge":
            return Gauge(name, text, labels, registry=self.registry)
        assert metric["type"] == "counter", name
        return Counter(name, text, labels, registry=self.registry)

    def count(self, name: str, by: float = 1, /, **labels: str) -> None:
        metric = self._held[name]
        assert isinstance(metric, Counter)
        (metric.labels(**labels) if labels else metric).inc(by)

    def gauge(self, name: str, value: float, /, **labels: str) -> None:
        metric = self._held[name]
        assert isinstance(metric, Gauge)
        (metric.labels(**labels) if labels else metric).set(value)

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        metric = self._held[name]
        assert isinstance(metric, Histogram)
        (metric.labels(**labels) if labels else metric).observe(value)

    def at_zero(self, name: str, /, **labels: str) -> None:
        """Serve a series before anything is counted in it: a rate does not see a series' first value."""
        self._held[name].labels(**labels)

    def text(self) -> bytes:
        """Prometheus exposition."""
        return generate_latest(self.registry)


@lru_cache(maxsize=1)
def metrics() -> Metrics:
    """The process's metrics."""
    return Metrics(contracts_folder() / "metrics.yaml")
