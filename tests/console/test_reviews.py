"""What stewards decide, cannot decide, and undo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2
import orjson
import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.console import steward
from services.console.steward import Door
from services.console.web import create_app
from spine import traces
from spine.carried import Traced
from tests.console.conftest import Desk, Visit

CLOSED = {"state": "closed", "closed_at": datetime(2026, 11, 24, 14, tzinfo=UTC)}


@dataclass
class Stewards:
    """A steward at a console whose decisions arrive at a door."""

    visit: Visit
    got: list[dict[str, Any]] = field(default_factory=list)
    #: The trace that came with each.
    traces: list[str] = field(default_factory=list)


@pytest.fixture
def stewards(desk: Desk) -> Iterator[Stewards]:
    got: list[dict[str, Any]] = []
    said: list[str] = []

    def door(request: httpx2.Request) -> httpx2.Response:
        got.append(orjson.loads(request.content))
        said.append(request.headers.get("traceparent", ""))
        return httpx2.Response(202, json={})

    made = Door("http://door.example", "key-of-the-steward", transport=httpx2.MockTransport(door))
    with TestClient(create_app(desk.console(door=made))) as client:
        yield Stewards(Visit(client).sign_in("data-steward"), got, said)


def test_a_decision_said_twice_is_one_and_after_an_undo_it_is_another() -> None:
    assert steward.turns([], "link:0") == steward.turns(["link:0"], "link:0") == 0
    assert steward.turns(["unsure", "link:0"], "undo:link:0") == 1
    assert steward.turns(["link:0", "undo:link:0"], "link:0") == 2
    assert steward.standing(["link:0", "unsure"]) == "link:0"
    assert steward.standing(["link:0", "undo:link:0"]) == ""


@pytest.mark.postgres
def test_a_steward_who_cannot_tell_leaves_it_to_a_colleague(stewards: Stewards, desk: Desk) -> None:
    desk.review()
    page = stewards.visit.post("/reviews/r1", choice="unsure").text
    assert "stays open for a colleague" in page and "Nobody could tell yet</dt><dd>1" in page
    assert "Could not tell" in stewards.visit.get("/reviews/r1").text
    assert stewards.got == []


@pytest.mark.postgres
def test_a_decision_begins_one_trace_that_goes_to_the_door_where_somebody_collects(
    stewards: Stewards, desk: Desk
) -> None:
    desk.review()
    stewards.visit.post("/reviews/r1", choice="link:0", grounds=["worker"])
    spans = InMemorySpanExporter()
    traces.use("console", spans)
    try:
        stewards.visit.post("/reviews/r1", choice="apart")
    finally:
        traces.end()
    (click,) = [span.context for span in spans.get_finished_spans()]
    assert click is not None and stewards.traces[0] == ""
    assert set(stewards.traces[1:]) == {Traced(click.trace_id, click.span_id, 1).text}


@pytest.mark.postgres
def test_a_link_is_undone_by_taking_the_records_apart(stewards: Stewards, desk: Desk) -> None:
    desk.review()
    stewards.visit.post("/reviews/r1", choice="link:0", grounds=["worker"])
    desk.review(outcome="linked", **CLOSED)
    page = stewards.visit.get("/reviews/r1").text
    assert "Undo the decision" in page and "Decided: the same person" in page
    assert stewards.visit.post("/reviews/r1", choice="apart").status_code == 422
    assert "follows shortly" in stewards.visit.post("/reviews/r1", choice="undo:link:0").text
    assert [event["type"] for event in stewards.got] == ["identity.linked", "identity.separated"]
    assert stewards.got[1]["data"]["data"] == {
        "record_source": "northshire-housing",
        "record_ref": "HPA2-6001",
        "person_source": "northgate-academy",
        "person_ref": "NGA-4471",
    }
    assert "1</td>" in stewards.visit.get("/reviews/quality").text
    # And linked once more, under an id of its own.
    stewards.visit.post("/reviews/r1", choice="link:0", grounds=["document"])
    assert stewards.got[2]["type"] == "identity.linked" and stewards.got[2]["id"] != stewards.got[0]["id"]


@pytest.mark.postgres
def test_keeping_apart_is_undone_by_a_link_with_grounds(stewards: Stewards, desk: Desk) -> None:
    desk.review()
    stewards.visit.post("/reviews/r1", choice="apart")
    desk.review(outcome="separated", **CLOSED)
    assert stewards.visit.post("/reviews/r1", choice="link:0").status_code == 422
    stewards.visit.post("/reviews/r1", choice="link:0", grounds=["document"])
    assert [event["type"] for event in stewards.got] == ["identity.separated", "identity.linked"]


@pytest.mark.postgres
def test_what_was_not_decided_here_is_not_undone_here(stewards: Stewards, desk: Desk) -> None:
    desk.review(outcome="resend", **CLOSED)
    page = stewards.visit.get("/reviews/r1").text
    assert "the sender sent it again" in page and '<form method="post" action="/reviews' not in page
    assert stewards.visit.post("/reviews/r1", choice="undo:link:0").status_code == 404


@pytest.mark.postgres
def test_quality_is_told_by_reason(stewards: Stewards, desk: Desk) -> None:
    assert "There were no reviews." in stewards.visit.get("/reviews/quality").text
    desk.review("r1", outcome="linked", reason="twin", **CLOSED)
    desk.review("r2", outcome="separated", reason="twin", **CLOSED)
    desk.review("r3")
    page = stewards.visit.get("/reviews/quality").text
    assert "A brother or sister born on the same day" in page and "6 h" in page
    with TestClient(create_app(desk.console())) as client:
        assert Visit(client).sign_in("inclusion-team").get("/reviews/quality").status_code == 404
