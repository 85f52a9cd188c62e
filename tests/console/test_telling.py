"""My notifications: what a worker may choose, what is refused in words, and what goes to the log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.console import telling
from services.console.acting import Wrong
from services.console.telling import Choices, Chosen
from services.console.web import create_app
from tests.console.conftest import CONTRACTS, Desk, Visit

CHOICES = Choices({"P3": ("at_once", "digest", "inbox")}, ("16:00",), ("email", "sms"), frozenset({"email"}))


@pytest.mark.parametrize(
    ("given", "digest", "made"),
    [
        ({"P3": ""}, "16:00", Chosen({})),
        ({"P3": "inbox"}, "", Chosen({"P3": "inbox"})),
        ({"P3": "digest"}, "16:00", Chosen({"P3": "digest"}, "16:00")),
        ({"P3": "digest"}, "03:00", Wrong("digest", "Select when the digest is to come")),
        ({"P1": "inbox"}, "", Wrong("P1", "Select one of the ways that are offered")),
        ({"P3": "never"}, "", Wrong("P3", "Select one of the ways that are offered")),
    ],
)
def test_a_form_becomes_a_choice_or_says_what_is_wrong(given: dict[str, str], digest: str, made: Any) -> None:
    assert telling.choose(given, digest, CHOICES) == made


@pytest.mark.parametrize(
    ("channel", "made"),
    [
        ("email", Chosen({}, "", "email")),
        ("sms", Wrong("channel", "The hub holds no address of yours for this channel. Select another one")),
        ("teams", Wrong("channel", "Select one of the channels that are offered")),
    ],
)
def test_a_channel_is_chosen_where_an_address_is_held(channel: str, made: Any) -> None:
    assert telling.choose({}, "", CHOICES, channel) == made


@pytest.mark.postgres
def test_a_worker_chooses_and_the_log_and_the_page_say_so(desk: Desk) -> None:
    assert telling.partitions(CONTRACTS) == 4
    with TestClient(create_app(desk.console())) as client:
        visit = Visit(client).sign_in("inclusion-team")
        wrong = visit.post("/notifications", P2="inbox", P3="inbox")
        assert wrong.status_code == 422 and "ways that are offered" in wrong.text
        page = visit.post("/notifications", P2="digest", P3="inbox", P4="", digest="16:00", channel="email").text
        assert "Saved." in page and 'value="16:00" selected' in page
        assert 'value="email" checked' in page and "holds no number of yours" in page
        refused = visit.post("/notifications", channel="sms")
        assert refused.status_code == 422 and "no address of yours" in refused.text
    (fact,) = [f for f in desk.sent("deliveries") if "how" in f]
    assert fact["worker"] == "w-4401" and (fact["digest"], fact["channel"]) == ("16:00", "email")
    assert fact["how"] == [{"severity": "P2", "how": "digest"}, {"severity": "P3", "how": "inbox"}]
    # A later word from the log goes before; an older one does not.
    older = {**fact, "how": [], "at": desk.clock - timedelta(days=1)}
    del older["_key"], older["event_id"]
    desk.tell("deliveries", "telling:w-4401", "telling.v1", older)
    desk.settle()
    assert telling.of(desk.journal.engine, "w-4401") == Chosen({"P2": "digest", "P3": "inbox"}, "16:00", "email")
    desk.tell("deliveries", "telling:w-4401", "telling.v1", older | {"at": desk.clock + timedelta(days=1)})
    desk.settle()
    assert telling.of(desk.journal.engine, "w-4401") == Chosen({}, "16:00", "email")
    with TestClient(create_app(desk.console())) as client:
        assert Visit(client).sign_in("operator").get("/notifications").status_code == 404
