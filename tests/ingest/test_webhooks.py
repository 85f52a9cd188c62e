"""Signed webhooks in: Standard Webhooks, held against its own library; replays, rotations, and what is nobody's."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from services.ingest.gate import Gate
from spine.schema import Catalogue
from spine.who.hearing import Hearing
from spine.who.keys import KeyRing
from spine.who.rate import PartyLimits, Rate
from spine.who.webhooks import Heard, Secrets
from tests.ingest.conftest import RECEIVED, DoorOnMemory, door_on_memory

COLLEGE = "northvale-college"


def secret(number: int) -> str:
    return "whsec_" + base64.b64encode(bytes([number]) * 32).decode()


OLD, NEW, TEST, ENDED, READER, FOREIGN = (secret(n) for n in range(6))
STATED = [
    {"party": COLLEGE, "key_id": "old", "secret": OLD, "mode": "live"},
    {"party": COLLEGE, "key_id": "new", "secret": NEW, "mode": "live"},
    {"party": COLLEGE, "key_id": "test", "secret": TEST, "mode": "test"},
    {"party": COLLEGE, "key_id": "ended", "secret": ENDED, "mode": "live", "expires_on": "2025-11-01"},
    {"party": COLLEGE, "key_id": "reader", "secret": READER, "mode": "live", "scopes": ["receipts:read"]},
    {"party": "southmere-college", "key_id": "foreign", "secret": FOREIGN, "mode": "live"},
]


@dataclass(slots=True)
class Hook:
    """A sender and the door."""

    door: DoorOnMemory
    seconds: list[float]
    rate: Rate
    clock: list[float] = field(default_factory=lambda: [0.0])

    def headers(self, body: str, *secrets: str, identity: str = "msg_1", late: float = 0) -> dict[str, str]:
        at = RECEIVED.replace(microsecond=0) + timedelta(seconds=late)
        signatures = [Webhook(one).sign(identity, at, body) for one in secrets or (NEW,)]
        return {
            "webhook-id": identity,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

    def send(self, event: Any, *secrets: str, party: str = COLLEGE, **more: Any) -> Any:
        body = json.dumps(event)
        return self.post(body, self.headers(body, *secrets, **more), party)

    def post(self, body: str, headers: dict[str, str], party: str = COLLEGE) -> Any:
        return self.door.client.post(f"/v1/webhooks/{party}", content=body, headers=headers)


@pytest.fixture
def hook(catalogue: Catalogue, gate: Gate, compiled: Any, tmp_path: Path) -> Iterator[Hook]:
    path = tmp_path / "webhooks.yaml"
    path.write_text(json.dumps({"secrets": STATED}))
    secrets, seconds = Secrets.of_file(path), [0.0]
    hearing = Hearing(lambda: KeyRing([]), Heard(lambda: seconds[0]), secrets=lambda: secrets)
    rate = Rate(PartyLimits(10, 20), lambda: seconds[0])
    with door_on_memory(catalogue, gate, tmp_path, compiled, hearing, rate) as door:
        yield Hook(door, seconds, rate)


def test_a_signed_event_is_taken_as_if_it_had_come_with_a_key(hook: Hook, withdrawal: Any) -> None:
    answer = hook.send(withdrawal)
    assert answer.status_code == 202 and answer.headers["hub-mode"] == "live"
    assert answer.json()["id"] == withdrawal["id"]
    (submission,) = hook.door.facts("submissions")
    assert (submission.fields["party"], submission.fields["principal"]) == (COLLEGE, "webhook:new")
    hook.door.run()
    assert len(hook.door.facts("observations")) == 1


def test_a_list_is_answered_event_by_event(hook: Hook, withdrawal: Any) -> None:
    answer = hook.send([withdrawal, {**withdrawal, "id": "nvc-2", "type": "no.such.type"}])
    assert answer.status_code == 207 and [item["status"] for item in answer.json()["items"]] == [202, 422]


def test_while_secrets_change_either_counts_and_so_do_both_at_once(hook: Hook, withdrawal: Any) -> None:
    for number, secrets in enumerate([(OLD,), (NEW,), (OLD, NEW), (FOREIGN, NEW)]):
        assert hook.send({**withdrawal, "id": f"n-{number}"}, *secrets, identity=f"msg_{number}").status_code == 202


def test_a_test_secret_marks_what_it_signs(hook: Hook, withdrawal: Any) -> None:
    assert hook.send(withdrawal, TEST).headers["hub-mode"] == "test"
    assert hook.door.facts("submissions")[0].fields["test"]


def test_a_webhook_played_again_is_refused_and_does_nothing(hook: Hook, withdrawal: Any) -> None:
    body = json.dumps(withdrawal)
    headers = hook.headers(body)
    assert hook.post(body, headers).status_code == 202
    again = hook.post(body, headers)
    assert again.status_code == 409 and again.json()["reason"] == "replayed"
    assert len(hook.door.facts("submissions")) == 1
    # The same id over another body is no better, though its signature holds.
    assert hook.send({**withdrawal, "id": "nvc-9"}, late=10).status_code == 409
    assert len(hook.door.facts("submissions")) == 1


def test_a_sender_that_got_no_answer_signs_anew_and_gets_the_same_receipt(hook: Hook, withdrawal: Any) -> None:
    first, second = hook.send(withdrawal), hook.send(withdrawal, late=10)
    assert first.status_code == second.status_code == 202 and first.json() == second.json()
    assert hook.send(withdrawal, late=10).status_code == 409
    assert hook.send(withdrawal).status_code == 409, "the first one, recorded on the way"
    hook.door.run()
    assert len(hook.door.facts("observations")) == 1


def test_the_same_id_of_another_party_is_another_webhook(hook: Hook, withdrawal: Any) -> None:
    assert hook.send(withdrawal).status_code == 202
    other = {**withdrawal, "source": "southmere-college"}
    assert hook.send(other, FOREIGN, party="southmere-college").status_code != 409


def test_what_the_hub_could_not_take_may_come_again_as_it_was(hook: Hook, withdrawal: Any) -> None:
    many = json.dumps([{**withdrawal, "id": f"n-{n}"} for n in range(20)])
    assert hook.post(many, hook.headers(many, identity="msg_0")).status_code == 202
    body = json.dumps(withdrawal)
    headers = hook.headers(body)
    slow = hook.post(body, headers)
    assert slow.status_code == 429 and slow.json()["limit"] == {"events_per_second": 10, "burst": 20}
    hook.seconds[0] += 1
    assert hook.post(body, headers).status_code == 202


def test_an_id_is_remembered_for_longer_than_its_signature_counts(hook: Hook, withdrawal: Any) -> None:
    body = json.dumps(withdrawal)
    headers = hook.headers(body, late=299)
    assert hook.post(body, headers).status_code == 202
    hook.seconds[0] += 599
    assert hook.post(body, headers).status_code == 409


def changed(name: str, value: Callable[[str], str]) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda headers: {**headers, name: value(headers[name])}


SPOILT: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "no signature": lambda headers: {k: v for k, v in headers.items() if k != "webhook-signature"},
    "no id": lambda headers: {k: v for k, v in headers.items() if k != "webhook-id"},
    "no time": lambda headers: {k: v for k, v in headers.items() if k != "webhook-timestamp"},
    "another id": changed("webhook-id", lambda value: "msg_2"),
    "another time": changed("webhook-timestamp", lambda value: str(int(value) + 1)),
    "time in words": changed("webhook-timestamp", lambda value: "now"),
    "time below zero": changed("webhook-timestamp", lambda value: f"-{value}"),
    "time with a point": changed("webhook-timestamp", lambda value: f"{value}.0"),
    "signature cut": changed("webhook-signature", lambda value: value[:-4]),
    "another version": changed("webhook-signature", lambda value: value.replace("v1,", "v1a,")),
    "no version": changed("webhook-signature", lambda value: value.replace("v1,", "")),
    "many signatures": changed("webhook-signature", lambda value: " ".join(["v1,AAAA"] * 10 + [value])),
    "empty signature": changed("webhook-signature", lambda value: "v1,"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_signature_that_does_not_hold_is_nobody_s_and_the_answer_says_nothing(
    hook: Hook, withdrawal: Any, what: str
) -> None:
    body = json.dumps(withdrawal)
    same_as_without_a_key(hook, hook.post(body, SPOILT[what](hook.headers(body))))


@pytest.mark.parametrize(
    ("secret_used", "party", "late"),
    [
        (FOREIGN, COLLEGE, 0),
        (NEW, "southmere-college", 0),
        (NEW, "nobody", 0),
        (ENDED, COLLEGE, 0),
        (NEW, COLLEGE, -301),
        (NEW, COLLEGE, 301),
    ],
    ids=["of another party", "for another party", "for nobody", "ended", "too old", "too new"],
)
def test_who_may_not_sign_this_is_nobody(hook: Hook, withdrawal: Any, secret_used: str, party: str, late: int) -> None:
    same_as_without_a_key(hook, hook.send(withdrawal, secret_used, party=party, late=late))


def same_as_without_a_key(hook: Hook, answer: Any) -> None:
    plain = hook.door.client.get("/v1/me")
    assert answer.status_code == 401
    assert (answer.content, dict(answer.headers)) == (plain.content, dict(plain.headers))
    assert not hook.door.facts("submissions")


def test_an_id_with_a_full_stop_is_nobody_s_though_it_is_signed(hook: Hook, withdrawal: Any) -> None:
    # It could move the border between id, time and body under one signature.
    same_as_without_a_key(hook, hook.send(withdrawal, identity="msg.1"))


def test_a_body_changed_on_the_way_is_nobody_s(hook: Hook, withdrawal: Any) -> None:
    body = json.dumps(withdrawal)
    same_as_without_a_key(hook, hook.post(body.replace("Aaliyah", "Aaliyah "), hook.headers(body)))


def test_a_secret_without_the_scope_is_forbidden(hook: Hook, withdrawal: Any) -> None:
    assert hook.send(withdrawal, READER).status_code == 403


def test_a_body_that_is_no_json_is_refused_like_any_other(hook: Hook) -> None:
    assert hook.post("{", hook.headers("{")).status_code == 400


def test_the_edge_of_the_tolerance_still_counts(hook: Hook, withdrawal: Any) -> None:
    assert hook.send(withdrawal, late=-299).status_code == 202


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        ({"secret": "whsec_c2hvcnQ="}, "24 to 64"),
        ({"secret": base64.b64encode(bytes(32)).decode()}, "whsec_"),
        ({"secret": "whsec_%%%"}, "base64"),
        ({"mode": "prod"}, "mode"),
        ({"wrong": 1}, "wrong"),
    ],
)
def test_a_file_of_secrets_with_a_fault_names_it_and_never_the_secret(tmp_path: Path, entry: Any, word: str) -> None:
    path = tmp_path / "webhooks.yaml"
    path.write_text(json.dumps([{**STATED[0], **entry}]))
    with pytest.raises(ValueError, match=word) as fault:
        Secrets.of_file(path)
    assert "c2hvcnQ" not in str(fault.value) and OLD[6:] not in str(fault.value)


def test_what_is_remembered_is_bounded() -> None:
    from spine.who.principal import SCOPES, Principal
    from spine.who.webhooks import Signed

    heard, who = Heard(lambda: 0.0, size=3), Principal("p", "webhook:x", "live", SCOPES)
    for number in range(5):
        assert heard.begin(who, Signed(str(number), 1, ()), b"") == "new"
    assert len(heard._held) == 3
    assert {heard.begin(who, Signed(str(number), 1, ()), b"") for number in (2, 3, 4)} == {"replay"}
