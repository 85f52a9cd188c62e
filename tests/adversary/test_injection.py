"""Texts that mean something to a page, a template, a database, a spreadsheet, a mail or a terminal: here only texts."""

from __future__ import annotations

import csv
import email
import email.policy
import hashlib
import html
import io
import json
import re
from datetime import date
from pathlib import Path

import pytest

from hub.sharing import compile_policy
from services.alerts.delivery.channel import message
from services.alerts.delivery.grouping import Waiting, compose
from services.ingest.fields import type_specs
from services.ingest.gate import Gate, No
from services.ingest.parse import from_event
from services.ingest.policy import parse_policy
from spine import telemetry
from tests.adversary import console_of_canaries as console
from tests.adversary.doors_of_canaries import http_answers
from tests.adversary.files_of_canaries import files_answers
from tests.adversary.world_of_canaries import CONTRACTS, World, build

PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</textarea></title><svg/onload=alert(1)>",
    "{{1234*4321}}",
    "{% raw %}${1234*4321}#{1234*4321}",
    "'; DROP TABLE inbox;--",
    "\\' OR 1=1) --",
    "%s%n{0.__class__}",
    '=HYPERLINK("http://evil.example","x")',
    "+cmd|' /C calc'!A0",
    "\r\nBcc: evil@evil.example\r\n\r\nhello",
    '\n{"event":"forged"}',
    "\x1b[31mred\x1b[0m\x07",
    "\u202egnp.exe",
    "\u2028line\u2029",
    "javascript:alert(1)",
    "../../etc/passwd",
)
HEADERS = ("\nBcc: evil@evil.example", *(p for p in PAYLOADS if re.search("[\r\n\u2028]", p)))
PRODUCT = str(1234 * 4321)


def hostile(text: str) -> str:
    """A word with a payload behind it, or before it where it must come first to bite."""
    payload = PAYLOADS[int(hashlib.sha256(text.encode()).hexdigest(), 16) % len(PAYLOADS)]
    return f"{payload}{text}" if payload.startswith(("=", "+", "javascript")) else f"{text}{payload}"


@pytest.fixture(scope="module")
def world() -> World:
    return build(hostile, 6)


@pytest.fixture(scope="module")
def answers(world: World, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    """What the door answered to all of it, and what was logged of it meanwhile."""
    return list(http_answers(world.flock, tmp_path_factory.mktemp("door") / "contracts"))


def test_every_payload_gets_in_as_a_text_and_stays_with_whoever_it_was_said_of(world: World) -> None:
    """Linked, folded, raised, disclosed: nothing of the pipeline trips over a text."""
    assert not list(world.hub.facts("refusals"))
    assert not [f for f in world.hub.facts("quarantine") if f.fields["reason"] != "undecodable"]
    shown = "".join(json.dumps(f.fields, default=str, ensure_ascii=False) for f in world.hub.facts("alerts"))
    assert sum(json.dumps(p, ensure_ascii=False)[1:-1] in shown for p in PAYLOADS) >= 8


@pytest.mark.postgres
def test_pages_show_every_payload_as_a_text(world: World, module_database: str) -> None:
    """The rows come through the real database: a statement that ran would have taken the tables away."""
    journal = console.project(world, module_database)
    try:
        pages = list(console.pages(world, journal))
    finally:
        journal.close()
    texts = [page.blob.decode() for page in pages]
    assert any("&lt;script&gt;" in text for text in texts) and any("DROP TABLE" in text for text in texts)
    for text in texts:
        assert not re.search(r"<script>|<img src=x|<svg/onload|</textarea></title>", text)
        assert PRODUCT not in text
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e\u2066-\u2069]", text)
        assert not re.search(r"<[^>]*\s(onmouseover|onerror|onload)\s*=", text)
        assert not re.search(r'(?:href|src|action)="\s*javascript:', html.unescape(text))
        assert "evil.example" not in text.lower().partition("<!doctype")[0]


def test_mails_keep_their_headers_and_their_single_recipient(world: World) -> None:
    created = [fact.fields for fact in world.hub.facts("deliveries") if fact.fields["state"] == "created"]
    parts = [
        Waiting(f["delivery_id"], f["alert_id"], f["act"], f["severity"], f["due_on"], False, 0) for f in created[:150]
    ]
    made = message("hub@northshire.example", "w@northshire.example", compose(parts, "https://hub.example/"))
    read = email.message_from_bytes(made.as_bytes(), policy=email.policy.default)
    assert read.get_all("To") == ["w@northshire.example"] and read["Bcc"] is None
    assert not any(p.strip() in made.as_string() for p in PAYLOADS)


@pytest.mark.parametrize("place", ["delivery", "alert", "act", "severity", "address"])
@pytest.mark.parametrize("text", HEADERS)
def test_no_text_becomes_a_header_of_a_mail(place: str, text: str) -> None:
    """What a mail is made of comes from the hub alone; should a text of somebody else's get there, nothing is sent."""
    given = dict.fromkeys(("delivery", "alert", "act", "severity", "address"), "a") | {place: text}
    waiting = Waiting(given["delivery"], given["alert"], given["act"], given["severity"], date(2026, 3, 2), False, 0)
    address = "w@northshire.example" if place != "address" else f"w@northshire.example{text}"
    try:
        made = message("hub@northshire.example", address, compose([waiting], "https://hub.example/")).as_bytes()
    except ValueError:
        return
    read = email.message_from_bytes(made, policy=email.policy.default)
    assert read["Bcc"] is None and len(read.get_all("To") or []) == 1
    assert str(read["To"]).startswith("w@northshire.example") and "evil" not in str(read["To"])


def test_each_log_line_is_one_json_object_of_a_catalogued_event(world: World, answers: list[tuple[str, bytes]]) -> None:
    assert answers
    telemetry.log().critical("failed", error=PAYLOADS[12], at=PAYLOADS[13])
    lines = world.logged.getvalue().splitlines()
    assert lines and all(json.loads(line)["event"] != "forged" for line in lines)
    assert "\x1b" not in world.logged.getvalue()


def test_answers_of_the_http_door_stay_json_and_echo_nothing(answers: list[tuple[str, bytes]]) -> None:
    for boundary, blob in answers:
        if boundary.startswith("http"):
            head, _, body = blob.rpartition(b"\n")
            json.loads(body)
            assert b"evil" not in blob and b"alert(1)" not in blob and b"\x1b" not in blob, boundary
            assert b"bcc:" not in head.lower()


def test_feedback_files_hold_no_cell_that_a_spreadsheet_runs(world: World, tmp_path: Path) -> None:
    cells = 0
    for boundary, blob in files_answers(world.flock, tmp_path):
        text = blob.partition(b"\n")[2].decode("utf-8-sig")
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e]", text), boundary
        assert "evil" not in text and "alert(1)" not in text
        if boundary.endswith(".csv"):
            for row in csv.reader(io.StringIO(text)):
                cells += len(row)
                assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row)
    assert cells > 100


def test_a_null_character_is_refused_in_every_text_field_of_every_type(world: World) -> None:
    """PostgreSQL takes none: it must not get further than the gate."""
    compiled = compile_policy(CONTRACTS)
    gate = Gate(parse_policy(compiled.content, compiled.policy_hash), type_specs(world.hub.catalogue.sources))
    tried = 0
    for person in world.flock.people[::6]:
        for event in person.events:
            received = event["received_at"]
            said = {name: value for name, value in event.items() if name != "received_at"}
            for part in ("subject", "data"):
                for name, value in event["data"][part].items():
                    if isinstance(value, str) and "qz" in value.lower():
                        bad = {**said["data"], part: {**said["data"][part], name: f"{value}\0"}}
                        verdict = gate.examine(event["source"], received, from_event({**said, "data": bad}))
                        assert isinstance(verdict, No) and verdict.faults[0].code == "control_character"
                        tried += 1
    assert tried > 200
