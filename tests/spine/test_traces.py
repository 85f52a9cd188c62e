"""Traces: one from the door to the delivery, batches beside it, nothing of what was said, nothing where it is off."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from hub.replay.traced import Passed
from hub.replay.verdicts import Judge, Verdict
from services.ingest.door import receipt
from spine import traces
from spine.carried import carried, trace_of
from spine.host import Running, Worker
from spine.journal import MemoryJournal
from spine.log import MemoryLog
from spine.publisher import publish
from spine.record import Outgoing, Record
from spine.relay import Relay
from spine.spans import ATTRIBUTES
from tests.spine.toy import ROOT, counts, toy_catalogue, toy_processor

CATALOGUE = toy_catalogue()
CANARY = "CANARY-Aisha-Verity"


class Kept(SpanExporter):
    """Keeps what is exported, after each test's end."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


@pytest.fixture
def kept() -> Iterator[Kept]:
    made = Kept()
    traces.use("toy", made)
    yield made
    traces.end()


def taken(numbers: Sequence[int]) -> list[Outgoing]:
    """Facts as a door hands them on, each with a name where names stand: in its key, its id and its headers."""
    made = counts(CATALOGUE, "things", numbers, keys=1)
    return [replace(out, key=f"{CANARY}-{out.key}", headers=(*receipt(), ("name", CANARY.encode()))) for out in made]


def chain(log: MemoryLog) -> None:
    """Two services, one behind the other."""
    for service, topic, behind in (("first", "things", "middle"), ("second", "middle", "last")):
        processor = toy_processor(topic, behind)
        processor.service = service
        processor.keyed = replace(processor.keyed, key_of=lambda fact: CANARY)
        journal = MemoryJournal()
        running = Running(service, (topic,), processor, journal, log, CATALOGUE, "nowhere", service)
        Worker(running, Relay(service, journal, log, running.stop), lambda seconds: None).work(records(log, topic))
        publish(journal, log)


def records(log: MemoryLog, topic: str) -> Sequence[Record]:
    return log.read({(topic, 0): 0}, 100)


def a_log() -> MemoryLog:
    return MemoryLog(dict.fromkeys(("things", "middle", "last", "quarantine"), 1), CATALOGUE.frame)


def hexed(span: ReadableSpan) -> tuple[int, int, int]:
    """Trace, span and parent."""
    assert span.context is not None
    return span.context.trace_id, span.context.span_id, span.parent.span_id if span.parent else 0


def test_one_trace_leads_from_the_door_through_every_decision_and_batches_are_linked_with_it(kept: Kept) -> None:
    log, made = a_log(), taken([1, 2, 3])
    log.append(made)
    # A repetition is no decision.
    log.append(made[:1])
    chain(log)
    traces.end()
    by_name = {name: [s for s in kept.spans if s.name == name] for name in {s.name for s in kept.spans}}
    assert {name: len(spans) for name, spans in by_name.items()} == {
        **{"take": 3, "batch first": 1, "decide first": 3, "batch second": 1, "decide second": 3}
    }
    doors = {hexed(span)[0]: hexed(span)[1] for span in by_name["take"]}
    firsts = {hexed(span)[0]: hexed(span)[1] for span in by_name["decide first"]}
    assert {hexed(s)[0]: hexed(s)[2] for s in by_name["decide first"]} == doors
    assert {hexed(s)[0]: hexed(s)[2] for s in by_name["decide second"]} == firsts
    (batch,) = by_name["batch second"]
    assert {link.context.trace_id: link.context.span_id for link in batch.links} == firsts
    assert all([link.context.span_id for link in s.links] == [hexed(batch)[1]] for s in by_name["decide second"])
    # What is published last hangs under the last decision: the sender's attempt goes on from there.
    last = [trace_of(carried(record.headers).trace) for record in records(log, "last")]
    assert {t.trace_id: t.span_id for t in last if t} == {hexed(s)[0]: hexed(s)[1] for s in by_name["decide second"]}


def test_a_span_says_where_and_when_and_nothing_of_what_was_said(kept: Kept) -> None:
    log = a_log()
    log.append(taken([1]))
    chain(log)
    (held := traces.held()) and held.did(
        "deliver", carried(records(log, "last")[0].headers).trace, 1, {"hub.attempt": 1}
    )
    traces.end()
    assert {s.name for s in kept.spans} >= {"take", "deliver", "batch first"}
    said = "".join(span.to_json() for span in kept.spans)
    assert CANARY not in said and "count-1" not in said
    assert {key for span in kept.spans for key in span.attributes or {}} <= ATTRIBUTES
    assert not [span for span in kept.spans if span.events]


def test_an_attribute_that_is_not_in_the_list_is_refused(kept: Kept) -> None:
    held = traces.held()
    assert held is not None
    with pytest.raises(AssertionError):
        held.again("replay", [], 1, {"hub.key": CANARY})


def test_a_replay_is_linked_with_what_it_decides_again(kept: Kept) -> None:
    log = a_log()
    log.append(taken([1, 2]))
    passed, judge = Passed("status"), Judge("status")
    passed.seen(records(log, "things"))
    judge.counts.update([Verdict.SAME, Verdict.CHANGED])
    passed.end(judge.counts)
    traces.end()
    (replay,) = [span for span in kept.spans if span.name == "replay"]
    assert {link.context.trace_id for link in replay.links} == {hexed(s)[0] for s in kept.spans if s.name == "take"}
    assert dict(replay.attributes or {}) == {"hub.service": "status", "hub.decisions": 2, "hub.good": 1}


def test_spans_leave_by_otlp_where_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    traces.begin("door")
    try:
        assert carried(receipt()).trace
    finally:
        traces.end()
        server.shutdown()
        server.server_close()
    assert [path for path, _ in came] == ["/v1/traces"] and b"hub-door" in came[0][1]


def test_a_collector_that_is_away_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    traces.begin("door")
    receipt()
    begun = time.monotonic()
    traces.end()
    assert time.monotonic() - begun < 15


def test_where_nobody_collects_nothing_is_imported_and_nothing_is_carried() -> None:
    code = (
        "import sys, services.ingest.agent, services.alerts.delivery.agent\n"
        "from services.ingest.door import receipt\n"
        "from spine import host, service, traces\n"
        "traces.begin('status')\n"
        "assert traces.held() is None and [name for name, _ in receipt()] == ['hub-received']\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry.sdk')]\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, env={})
    assert ran.returncode == 0, ran.stderr
