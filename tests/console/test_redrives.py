"""Refused events are tried again from the pages, through the real door: by their sender, or by two of the hub."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from services.console.reader import Reader
from services.console.steward import Door
from services.console.web import create_app
from tests.console.conftest import Desk, Visit
from tests.ingest.conftest import ALONE_MAX, KEYS, DoorOnMemory, catalogue, compiled, gate, http, withdrawal
from tests.ingest.test_redriving import refused

__all__ = ["catalogue", "compiled", "gate", "http", "withdrawal"]

pytestmark = pytest.mark.postgres
CLASS = "/operations/quarantine?party=northvale-college&reason=invalid"
CHOICE = {"party": "northvale-college", "reason": "invalid"}


def through(door: DoorOnMemory) -> httpx2.MockTransport:
    """The console's way to a door in this process."""

    def handle(request: httpx2.Request) -> httpx2.Response:
        headers = {name: request.headers[name] for name in ("authorization", "content-type")}
        answer = door.client.request(request.method, request.url.path, content=request.content, headers=headers)
        return httpx2.Response(answer.status_code, content=answer.content, headers=dict(answer.headers))

    return httpx2.MockTransport(handle)


def hear(desk: Desk, door: DoorOnMemory, topic: str, heard: int = 0) -> int:
    """What the door's log has told since comes to the console, too."""
    door.run()
    facts = door.facts(topic)
    for fact in facts[heard:]:
        fields = {name: value for name, value in fact.fields.items() if name != "event_id"}
        if topic == "observations":
            fields |= {"subject": b"unreadable", "data": b"unreadable"}
        desk.tell(topic, "any", fact.kind, fields)
    desk.settle()
    return len(facts)


@pytest.fixture
def client(desk: Desk, http: DoorOnMemory) -> Iterator[TestClient]:
    with TestClient(create_app(desk.console(door=Door("http://door", KEYS["steward"][1], False, through(http))))) as c:
        yield c


def test_a_partner_hears_what_the_gate_would_say_and_tries_its_own_again(
    desk: Desk, http: DoorOnMemory, withdrawal: Any, client: TestClient
) -> None:
    refused(http, withdrawal, 1)
    hear(desk, http, "refusals")
    visit = Visit(client).sign_in("provider-welfare")
    page = visit.get("/sent").text
    address = "/sent/refused/" + page.split('href="/sent/refused/', 1)[1].split('"', 1)[0]
    page = visit.get(address).text
    assert "What the gate would say now" in page and "Accepted" in page and "Aaliyah" not in page
    assert client.post(address, data={"csrf": "stale"}).status_code == 403
    assert len(http.facts("submissions")) == 1
    page = visit.post(address).text
    assert "Sent before the gate again" in page and "Tried again: the gate answers shortly" in page
    assert http.facts("submissions")[-1].fields["principal"].startswith("redrive:")
    # Pressed again from a page left open: it is gone, and nothing is sent twice.
    assert visit.post(address).status_code == 404 and len(http.facts("submissions")) == 2
    hear(desk, http, "observations")
    assert "Accepted since, under the same id" in visit.get("/sent").text
    looked = [row["about"] for row in Reader(desk.journal.engine).seen("", 0) if row["page"] == "redrive"]
    assert looked == ["northvale-college: nvc-0"]
    # Another partner's person does not even learn that it was refused.
    assert Visit(client).sign_in("housing-officer").get(address).status_code == 404


def test_many_are_sent_when_another_person_agrees_and_what_would_be_refused_goes_on_waiting(
    desk: Desk, http: DoorOnMemory, withdrawal: Any, client: TestClient
) -> None:
    refused(http, withdrawal, ALONE_MAX + 1)
    withdrawal["data"]["data"]["reason"] = "because"
    http.post({**withdrawal, "id": "nvc-wrong"})
    hear(desk, http, "refusals")
    visit = Visit(client).sign_in("operator")
    assert f'href="{CLASS.replace("&", "&amp;")}"' in visit.get("/operations").text
    page = visit.get(CLASS).text
    assert "Ask for another person’s agreement" in page and "not in list" in page
    assert "sent when another person agrees" in visit.post("/operations/quarantine", **CHOICE).text
    before = len(http.facts("submissions"))
    # Who asked can't agree, and is offered nothing to press.
    assert "<form" not in visit.get(CLASS).text.split("<main", 1)[1]
    answer = visit.post("/operations/quarantine", **CHOICE)
    assert answer.status_code == 422 and "another person must agree" in answer.text
    assert len(http.facts("submissions")) == before
    other = Visit(client).sign_in("data-manager")
    assert "Agree, and send them again" in other.get(CLASS).text
    assert "Sent before the gate again" in other.post("/operations/quarantine", **CHOICE).text
    sent = http.facts("submissions")[before:]
    assert len(sent) == ALONE_MAX + 1
    (principal,) = {fact.fields["principal"] for fact in sent}
    assert principal.startswith("redrive:") and len(set(principal[8:].split("+"))) == 2
    hear(desk, http, "observations")
    page = other.get("/operations").text
    assert f"{ALONE_MAX + 1} sent" in page and "Nothing of it would be accepted now" in other.get(CLASS).text
    for nobody in ("auditor", "inclusion-team"):
        assert Visit(client).sign_in(nobody).get(CLASS).status_code == 404


def test_an_agreement_whose_sending_failed_is_not_lost(desk: Desk, http: DoorOnMemory, withdrawal: Any) -> None:
    refused(http, withdrawal, ALONE_MAX + 1)
    hear(desk, http, "refusals")
    broken, works = Door("", ""), Door("http://door", KEYS["steward"][1], False, through(http))
    for door, user, told in (
        (works, "operator", "Waits"),
        (broken, "data-manager", "Agreed, not yet sent"),
        (works, "operator", f"{ALONE_MAX + 1} sent"),
    ):
        with TestClient(create_app(desk.console(door=door))) as client:
            visit = Visit(client).sign_in(user)
            visit.post("/operations/quarantine", **CHOICE)
            assert told in visit.get("/operations").text
