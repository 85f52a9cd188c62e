"""A partner reads its own refusals; the door follows the head that ingest has seen."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from starlette.testclient import TestClient

from services.ingest.agent import Gates
from services.ingest.channels.appender import Appender
from services.ingest.channels.desk import Desk
from services.ingest.channels.http import Api, create_app
from services.ingest.channels.live import LOOK_SECONDS, LiveGate
from services.ingest.channels.receipts import JournalReceipts, Recent
from services.ingest.door import Door
from services.ingest.gate import Gate, No, Said
from services.ingest.parse import from_event
from spine.headed import Head, encode_head, head_key
from spine.journal import MemoryJournal
from spine.record import Changes
from spine.schema import Catalogue
from spine.seal import Sealer
from spine.who.hearing import Hearing
from spine.who.keys import KeyRing
from spine.who.principal import SCOPES, Principal
from spine.who.rate import PartyLimits, Rate
from spine.who.webhooks import Heard
from tests.ingest.conftest import CONTRACTS, RECEIVED, DoorOnMemory


def wrong(event: Any, number: int) -> Any:
    event = copy.deepcopy(event)
    event["id"] = f"nvc-{number}"
    event["data"]["data"]["reason"] = "because-of-CANARY"
    return event


def test_a_partner_reads_its_refusals_newest_first_without_any_content(http: DoorOnMemory, withdrawal: Any) -> None:
    for number in (1, 2):
        http.post(wrong(withdrawal, number))
    http.run()
    answer = http.client.get("/v1/refusals", headers=http.auth())
    items = answer.json()["items"]
    assert answer.status_code == 200 and {item["id"] for item in items} == {"nvc-1", "nvc-2"}
    assert items[0]["errors"][0]["code"] == "not_in_list" and items[0]["open"] and items[0]["kept"]
    assert "CANARY" not in answer.text and "Khan" not in answer.text and "P100881" not in answer.text


def test_a_refusal_that_was_mended_is_no_longer_open(http: DoorOnMemory, withdrawal: Any) -> None:
    http.post(wrong(withdrawal, 1))
    http.run()
    http.post({**withdrawal, "id": "nvc-1"})
    http.run()
    (item,) = http.client.get("/v1/refusals", headers=http.auth()).json()["items"]
    assert not item["open"]


def test_a_message_taken_early_and_refused_by_ingest_may_come_again_mended(http: DoorOnMemory, withdrawal: Any) -> None:
    told = {"scope": "all_other_information", "given_by": "young_person"}
    http.post({**withdrawal, "id": "nvc-1", "type": "sharing.instruction_recorded", "data": data(withdrawal, told)})
    http.run()
    http.run()
    # The door knows nothing of what a person has instructed: it takes the message, and ingest refuses it.
    assert http.post({**withdrawal, "id": "nvc-2"}).status_code == 202
    http.run()
    assert http.client.get("/v1/receipts/nvc-2", headers=http.auth()).json()["state"] == "refused"
    # The same id with other content binds nothing yet, so it is no reuse.
    other = {**withdrawal, "id": "nvc-2", "data": data(withdrawal, {**withdrawal["data"]["data"], "reason": "unknown"})}
    assert http.post(other).status_code == 202
    # The one taken last is remembered until ingest has judged it too.
    assert http.post(other).json()["receipt"] == http.post(other).json()["receipt"]
    assert http.post({**withdrawal, "id": "nvc-2"}).status_code == 409


def data(event: Any, told: dict[str, Any]) -> dict[str, Any]:
    return {**event["data"], "data": told}


def test_nobody_reads_the_refusals_of_another_party_or_of_a_test_key(http: DoorOnMemory, withdrawal: Any) -> None:
    http.post(wrong(withdrawal, 1))
    http.run()
    for who in ("minimising", "test", "jobcentre"):
        assert http.client.get("/v1/refusals", headers=http.auth(who)).json() == {"items": []}
    assert http.client.get("/v1/refusals").status_code == 401


def test_a_limit_is_a_small_number(http: DoorOnMemory, withdrawal: Any) -> None:
    for number in (1, 2, 3):
        http.post(wrong(withdrawal, number))
    http.run()
    assert len(http.client.get("/v1/refusals?limit=2", headers=http.auth()).json()["items"]) == 2
    for limit in ("0", "201", "x", "1e3", "٣", "99999999999999999999"):
        assert http.client.get("/v1/refusals", params={"limit": limit}, headers=http.auth()).status_code == 422


def test_the_door_follows_the_head_that_ingest_has_seen(catalogue: Catalogue, compiled: Any, withdrawal: Any) -> None:
    from hub.sharing import ensure_built

    policy = ensure_built(CONTRACTS)
    journal, seconds = MemoryJournal(), [0.0]
    gate = LiveGate(journal, Gates(catalogue, CONTRACTS), lambda: seconds[0])
    envelope = from_event(withdrawal)
    assert isinstance(gate.examine("northvale-college", RECEIVED, envelope), Said) and gate.stand == policy
    place = ("submissions", 1)
    head = Head(2, policy, (), ("northvale-college",))
    with journal.transaction() as transaction:
        transaction.save(place, Changes({head_key(place): (encode_head(head), None)}))
    assert isinstance(gate.examine("northvale-college", RECEIVED, envelope), Said)
    seconds[0] += LOOK_SECONDS
    verdict = gate.examine("northvale-college", RECEIVED, envelope)
    assert isinstance(verdict, No) and verdict.reason == "suspended" and gate.stand == f"{policy}#2"


def test_a_policy_that_is_not_there_or_not_itself_stops_the_gate(catalogue: Catalogue, tmp_path: Path) -> None:
    import pytest

    from spine.errors import Halt, Retry

    gates = Gates(catalogue, tmp_path)
    with pytest.raises(Retry):
        gates.under(Head(1, "a" * 64))
    (tmp_path / "compiled").mkdir()
    (tmp_path / "compiled" / f"policy-{'a' * 64}.json").write_text(json.dumps({}))
    with pytest.raises(Halt):
        gates.under(Head(1, "a" * 64))


class Moving:
    """A gate that moves each time that somebody looks, and counts how often."""

    def __init__(self, gate: Gate) -> None:
        self.known, self.looks = gate, 0

    def now(self) -> Gate:
        self.looks += 1
        return replace(self.known, head=self.looks)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} asks again")


def test_all_events_of_a_request_are_judged_under_one_head(http: DoorOnMemory, gate: Gate, withdrawal: Any) -> None:
    moving: Any = Moving(gate)
    desk = Desk(
        Door(Sealer(bytes(32)), http.catalogue), moving, Appender(http.log), JournalReceipts(http.journal), Recent()
    )
    who = Principal("northvale-college", "key:x", "live", SCOPES)
    events = [{**withdrawal, "id": f"nvc-{n}"} for n in range(5)]
    assert all(isinstance(answer, dict) for answer in desk.take(who, events, RECEIVED))
    assert moving.looks == 1
    desk.validate(who, events, RECEIVED)
    assert moving.looks == 2
    desk.appender.close()


def test_health_tells_what_is_known_and_asks_no_database(http: DoorOnMemory, gate: Gate) -> None:
    moving: Any = Moving(gate)
    desk: Any = SimpleNamespace(gate=moving)
    hearing, rate = Hearing(lambda: KeyRing([]), Heard(lambda: 0.0)), Rate(PartyLimits(1, 1), lambda: 0.0)
    with TestClient(create_app(Api(desk, hearing, rate, lambda: RECEIVED))) as client:
        assert client.get("/health").json() == {"status": "up", "policy": gate.policy_hash}
    assert moving.looks == 0


def test_a_live_gate_shows_what_it_knows_without_looking(catalogue: Catalogue) -> None:
    journal: Any = SimpleNamespace()
    gate = LiveGate(journal, Gates(catalogue, CONTRACTS), lambda: 0.0)
    assert gate.known.head == 0
