"""A partner's client against a real door: everything arrives once, in order, and every fault is named."""

from __future__ import annotations

import ast
import copy
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from hub.__main__ import app
from hub.client import Client, Event, Misused, NotAllowed, Patience, Refused, Unavailable
from hub.client import batches as batching
from tests.hub.partner_door import RealDoor, real_door

ROOT = Path(__file__).resolve().parents[3]
SUBJECT = {
    "source_ref": "P100881",
    "given_name": "Aaliyah",
    "family_name": "Khan-Reid",
    "date_of_birth": date(2009, 3, 14),
    "uln": "7000000014",
}
DATA = {"reason": "changed_mind", "destination": "unknown", "destination_confirmed": False}
SECRETS = ("Aaliyah", "Khan-Reid", "2009", "7000000014", "P100881", "northvale-college-key")


def left(number: int | str, **data: Any) -> Event:
    return Event(f"nvc-{number}", "education.enrolment.withdrawn", "2025-11-21", SUBJECT, {**DATA, **data})


@pytest.fixture
def door(tmp_path: Path) -> Iterator[RealDoor]:
    with real_door(tmp_path) as running:
        yield running


class LosesAnswers(httpx2.BaseTransport):
    """The request arrives, the answer is lost on the way back: ``times`` times."""

    def __init__(self, times: int) -> None:
        self.inner, self.times = httpx2.HTTPTransport(), times

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self.inner.handle_request(request)
        if self.times > 0:
            self.times -= 1
            answer.read()
            answer.close()
            raise httpx2.ReadError("lost")
        return answer


def client(door: RealDoor, key: str = "northvale-college-key", **more: Any) -> Client:
    return Client(door.url, key, "northvale-college", sleep=more.pop("sleep", lambda seconds: None), **more)


def test_an_event_sent_becomes_an_observation_and_its_receipt_says_so(door: RealDoor) -> None:
    with client(door) as hub:
        report = hub.publish([left(1)])
        report.raise_for_refusals()
        (answer,) = report.answers
        assert answer.taken and answer.status == 202 and answer.receipt
        received = hub.receipt("nvc-1")
        assert received and received.state == "received" and not received.decided
        door.run()
        accepted = hub.receipt("nvc-1")
        assert accepted and accepted.state == "accepted" and accepted.agreement == "isa-2024-011@1.0.0"
        assert accepted.receipt == answer.receipt
        assert hub.receipt("never-sent") is None


def test_many_events_travel_in_batches_that_the_door_takes_in_their_order(door: RealDoor) -> None:
    with client(door) as hub:
        report = hub.publish(left(n) for n in range(1201))
    assert [answer.index for answer in report.answers] == list(range(1201))
    assert len(report.taken) == 1201
    assert door.requests == [("POST", "/v1/events")] * 3
    door.run()
    assert len(door.facts("observations")) == 1201


def test_a_batch_that_is_too_long_for_the_door_is_halved(door: RealDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.ingest.channels import http

    monkeypatch.setattr(http, "BATCH_EVENTS_MAX", 3)
    with client(door) as hub:
        report = hub.publish(left(n) for n in range(10))
    assert [answer.id for answer in report.taken] == [f"nvc-{n}" for n in range(10)]


def test_batches_keep_to_the_bytes_that_a_request_may_have() -> None:
    packed = [batching.pack(n, {"id": str(n), "x": "é" * 40}) for n in range(20)]
    made = list(batching.batches(packed, bytes_max=400))
    assert [p.index for batch in made for p in batch] == list(range(20))
    assert all(len(batching.joined(batch)) <= 400 for batch in made) and len(made) > 1
    assert [e["id"] for batch in made for e in json.loads(batching.joined(batch))] == [str(n) for n in range(20)]


def test_a_lost_answer_is_asked_for_again_and_nothing_is_taken_twice(door: RealDoor) -> None:
    with client(door, transport=LosesAnswers(2)) as hub:
        report = hub.publish([left(1), left(2)])
    assert len(report.taken) == 2 and len(door.requests) == 3
    door.run()
    assert len(door.facts("observations")) == 2 and not door.facts("refusals")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_door_that_says_not_now_is_given_the_time_that_it_asks_for(door: RealDoor, status: int) -> None:
    door.answers_first += [status, status]
    waits: list[float] = []
    with client(door, sleep=waits.append) as hub:
        assert hub.publish([left(1)]).taken
    assert waits == [7.0, 7.0], "Retry-After is longer than the backoff"


def test_without_a_word_of_the_door_waits_grow_and_end() -> None:
    patience = Patience(first_seconds=1, longest_seconds=10)
    assert [patience.wait_seconds(n, 0, 1.0) for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]
    assert patience.wait_seconds(1, 0, 0.0) == 0.5 and patience.wait_seconds(10_000, 3, 1.0) == 10


def test_a_door_that_starts_late_is_waited_for(tmp_path: Path) -> None:
    with real_door(tmp_path / "a") as first:
        port = first.port
    stop = threading.Event()

    def later() -> None:
        time.sleep(0.3)
        with real_door(tmp_path / "b", port=port):
            stop.wait(30)

    thread = threading.Thread(target=later)
    thread.start()
    try:
        patience = Patience(total_seconds=30, first_seconds=0.1, longest_seconds=0.3)
        with Client(f"http://127.0.0.1:{port}", "northvale-college-key", "northvale-college", patience=patience) as hub:
            assert hub.publish([left(1)]).taken
    finally:
        stop.set()
        thread.join()


def test_who_gives_up_says_what_was_taken_before(door: RealDoor) -> None:
    class Dies(httpx2.BaseTransport):
        inner, calls = httpx2.HTTPTransport(), 0

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            self.calls += 1
            if self.calls > 1:
                raise httpx2.ConnectError("gone")
            return self.inner.handle_request(request)

    hub = client(door, transport=Dies(), patience=Patience(attempts_max=3))
    with hub, pytest.raises(Unavailable) as away:
        hub.publish(left(n) for n in range(700))
    assert len(away.value.report.taken) == 500 and "ConnectError" in str(away.value)


def test_every_fault_of_every_event_is_listed_and_the_sound_ones_go(door: RealDoor) -> None:
    wrong = Event("nvc-2", "education.enrolment.withdrawn", "21/11/2025", SUBJECT, {**DATA, "reason": "fed_up"})
    nobody = Event("nvc-3", "education.enrolment.withdrawn", "2025-11-21", {}, {"reason": "other"})
    digit = Event("nvc-4", "education.enrolment.withdrawn", "2025-11-21", {**SUBJECT, "uln": "7000000015"}, DATA)
    with client(door) as hub:
        report = hub.publish([left(1), wrong, nobody, digit, left(5)])
    assert [a.outcome for a in report.answers] == ["taken", "not_sent", "not_sent", "refused", "taken"]
    told = [{(f.pointer, f.code) for f in a.faults} for a in report.answers]
    assert told[1] == {("/data/effective_on", "date_form"), ("/data/data/reason", "not_in_list")}
    assert told[2] == {
        ("/data/subject", "who"),
        ("/data/data/destination", "missing"),
        ("/data/data/destination_confirmed", "missing"),
    }
    assert told[3] == {("/data/subject/uln", "check_digit")}
    with pytest.raises(Refused) as refused:
        report.raise_for_refusals()
    for fault in [fault for answer in report.answers for fault in answer.faults]:
        assert fault.pointer in str(refused.value) and fault.code in str(refused.value)


def test_asked_first_the_gate_stops_everything_before_anything_is_sent(door: RealDoor) -> None:
    over = Event("nvc-9", left(9).type, "2025-11-21", {**SUBJECT, "nhs_number": "9990000018"}, DATA)
    with client(door) as hub:
        report = hub.publish([left(1), over], check="door")
        assert [(a.outcome, a.reason) for a in report.answers] == [
            ("not_sent", "others_refused"),
            ("not_sent", "not_in_agreement"),
        ]
        assert not door.facts("submissions")
        (verdict,) = hub.validate([left(1)])
        assert verdict.valid and verdict.agreement == "isa-2024-011@1.0.0"
        assert hub.publish([left(1)], check="door").taken
    assert len(door.facts("submissions")) == 1


def test_the_same_id_with_other_content_is_refused_by_name(door: RealDoor) -> None:
    with client(door) as hub:
        hub.publish([left(1)])
        (answer,) = hub.publish([left(1, reason="other")]).answers
    assert answer.outcome == "refused" and answer.reason == "id_reused" and answer.status == 409


def test_a_test_key_sends_what_the_hub_marks_as_a_test(door: RealDoor) -> None:
    with client(door, "northvale-college-test-key") as hub:
        assert hub.publish([left(1)]).taken
        door.run()
        assert hub.wait(["nvc-1"], seconds=0)["nvc-1"].state == "accepted"
    assert [fact.fields["test"] for fact in door.facts("observations")] == [True]


def test_a_wrong_key_ends_at_once(door: RealDoor) -> None:
    with client(door, "wrong") as hub, pytest.raises(NotAllowed):
        hub.publish([left(1)])
    assert len(door.requests) == 1


@pytest.mark.parametrize(
    ("address", "key"),
    [("http://hub.example", "k"), ("hub.example", "k"), ("https://hub.example", ""), ("https://hub.example", "a b")],
)
def test_a_client_that_could_give_people_or_keys_away_is_not_made(address: str, key: str) -> None:
    with pytest.raises(Misused):
        Client(address, key, "northvale-college")


def test_nothing_that_the_client_shows_or_logs_names_a_person_or_the_key(
    door: RealDoor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = Event("nvc-2", left(1).type, "2009-13-14", SUBJECT, {**DATA, "reason": "Khan-Reid", "Aaliyah": "x"})
    odd = Event("Khan-Reid Aaliyah", left(1).type, "2025-11-21", SUBJECT, {**DATA, "x": {"Aaliyah"}})
    nan = Event("nvc-4", "employment.started", "2025-11-21", SUBJECT, {"hours_per_week": float("nan")})
    with client(door) as hub:
        report = hub.publish([left(1), wrong, odd, nan], check="local")
        # The door finds these ids to be the person's; they are of the right form, or nobody looked before.
        named = Event("nvc-7000000014", left(1).type, "2025-11-21", SUBJECT, DATA)
        report_2 = hub.publish([wrong, nan, odd, named], check="none")
        assert [answer.id for answer in report_2.answers][2:] == ["", ""]
        shown = [repr(hub), repr(left(1)), repr(report), repr(report_2), caplog.text, repr(hub.validate([wrong, odd]))]
        with pytest.raises(Refused) as refused:
            report.raise_for_refusals()
    shown += [str(refused.value), repr(refused.value)]
    assert [(secret, text[:200]) for secret in SECRETS for text in shown if secret in text] == []


def test_the_client_needs_no_other_part_of_the_hub() -> None:
    for path in (ROOT / "hub" / "client").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            own = [n for n in names if n.split(".")[0] in ("hub", "services", "spine")]
            assert all(n.startswith("hub.client") for n in own), path.name
    said = subprocess.run(
        [sys.executable, "-c", "import hub.client, sys; print([m for m in sys.modules if m.startswith('services')])"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert said.stdout.strip() == "[]"


def run(door: RealDoor, *words: str, text: str | None = None, party: str = "northvale-college") -> Any:
    environment = {"HUB_DOOR": door.url, "HUB_PARTY": party, "HUB_API_KEY": "northvale-college-key"}
    return CliRunner().invoke(app, ["publish", *words], env=environment, input=text)


def test_a_file_is_published_and_published_again_without_effect(door: RealDoor, tmp_path: Path) -> None:
    events = [left(n).cloud_event("northvale-college") for n in range(3)]
    whole, by_line = tmp_path / "list.json", tmp_path / "lines.jsonl"
    whole.write_text(json.dumps(events, indent=2))
    by_line.write_text("\n".join(json.dumps(event) for event in events) + "\n\n")
    for file in (whole, by_line, by_line):
        ran = run(door, str(file), "--json")
        assert ran.exit_code == 0, ran.output
        assert json.loads(ran.output) == {"taken": 3, "refused": []}
    assert run(door, "-", text=json.dumps(events[0])).exit_code == 0
    door.run()
    assert len(door.facts("observations")) == 3
    waited = json.loads(run(door, str(whole), "--wait", "5", "--json").output)
    assert waited == {"taken": 3, "refused": [], "accepted": 3, "undecided": 0}


def test_the_command_lists_every_fault_and_says_it_by_its_exit_code(door: RealDoor, tmp_path: Path) -> None:
    wrong = copy.deepcopy(left(1).cloud_event("northvale-college"))
    wrong["data"]["data"] = {"reason": "fed_up", "destination": "unknown"}
    file = tmp_path / "events.jsonl"
    file.write_text(json.dumps(wrong) + "\n")
    ran = run(door, str(file))
    assert ran.exit_code == 1 and "not_in_list" in ran.output and "destination_confirmed missing" in ran.output
    dry = run(door, str(file), "--dry-run", "--json")
    assert dry.exit_code == 1 and len(json.loads(dry.output)["refused"][0]["faults"]) == 2
    assert not door.facts("submissions")
    file.write_text("Aaliyah;Khan-Reid\n")
    ran = run(door, str(file))
    assert ran.exit_code == 2 and "Aaliyah" not in ran.output
    assert run(door, str(tmp_path / "none.json")).exit_code == 2
    assert run(door, str(file), party="").exit_code == 2


def test_a_door_that_is_away_is_exit_three(door: RealDoor, tmp_path: Path) -> None:
    file = tmp_path / "events.json"
    file.write_text(json.dumps(left(1).cloud_event("northvale-college")))
    door.answers_first += [503] * 5
    assert run(door, str(file), "--patience", "0").exit_code == 3


def lines_of(*events: Any) -> str:
    return "".join(json.dumps(e.cloud_event("northvale-college") if isinstance(e, Event) else e) + "\n" for e in events)


def wrong(number: int) -> Event:
    """Sound by the published schema, and too old for the gate."""
    return Event(f"nvc-{number}", "education.enrolment.withdrawn", "1989-01-01", SUBJECT, DATA)


@pytest.fixture
def two_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching.batches, "__kwdefaults__", {"events_max": 2, "bytes_max": 100_000})


def test_a_door_lost_on_the_way_takes_no_refusal_with_it(door: RealDoor, tmp_path: Path, two_a_request: None) -> None:
    file = tmp_path / "events.jsonl"
    local = left(3, reason="fed_up")
    file.write_text(lines_of(left(1), wrong(2), local, left(4), left(5)))
    for words, code in ((["--json"], 3), ([], 3)):
        # The first request arrives, the second one finds nobody.
        door.answers_first.clear()
        kept = list(door.requests)
        door.answers_after(1, [503] * 9)
        ran = run(door, str(file), "--patience", "0", *words)
        assert ran.exit_code == code and len(door.requests) == len(kept) + 2, ran.output
        if words:
            told = json.loads(ran.stdout)
            assert told["taken"] == 1 and "503" in told["error"]
            assert [entry["id"] for entry in told["refused"]] == ["nvc-2", "nvc-3"]
        else:
            assert "date_range" in ran.output and "not_in_list" in ran.output and "1 taken" in ran.output


def test_a_key_withdrawn_on_the_way_and_a_line_that_is_none_take_no_refusal_with_them(
    door: RealDoor, tmp_path: Path, two_a_request: None
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(lines_of(left(1), wrong(2), left(3), left(4)))
    door.answers_after(1, [401])
    ran = run(door, str(file), "--json")
    told = json.loads(ran.stdout)
    assert (ran.exit_code, told["taken"], told["refused"][0]["id"]) == (2, 1, "nvc-2")
    door.answers_first.clear()
    file.write_text(lines_of(left(1), wrong(2), left(3, reason="fed_up")) + "Aaliyah\n")
    ran = run(door, str(file), "--json")
    told = json.loads(ran.stdout)
    assert (ran.exit_code, [entry["id"] for entry in told["refused"]]) == (2, ["nvc-3"])
    assert "line 4" in told["error"] and "Aaliyah" not in ran.output


def test_a_door_lost_while_waiting_does_not_undo_what_was_taken(door: RealDoor, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(lines_of(left(1), left(2), wrong(3)))
    door.answers_after(1, [503] * 99)
    ran = run(door, str(file), "--wait", "5", "--patience", "0", "--json")
    told = json.loads(ran.stdout)
    assert ran.exit_code == 3
    assert (told["taken"], told["accepted"], told["undecided"], len(told["refused"])) == (2, 0, 2, 1)


@pytest.mark.parametrize("lasting", [False, True])
def test_a_gate_that_can_not_judge_now_makes_no_event_invalid(door: RealDoor, lasting: bool) -> None:
    class NoPolicyYet(httpx2.BaseTransport):
        inner, calls = httpx2.HTTPTransport(), 0

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            self.calls += 1
            if self.calls > 1 and not lasting:
                return self.inner.handle_request(request)
            item = {"id": "nvc-1", "valid": False, "status": 503, "reason": "policy_missing", "errors": []}
            return httpx2.Response(200, json={"items": [item]})

    with client(door, transport=NoPolicyYet()) as hub:
        if lasting:
            with pytest.raises(Unavailable, match="can not judge"):
                hub.validate([left(1)])
            with pytest.raises(Unavailable):
                hub.publish([left(1)], check="door")
        else:
            assert [verdict.valid for verdict in hub.validate([left(1)])] == [True]
