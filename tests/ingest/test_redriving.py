"""What was refused is brought before the gate again at the door: by its party, or for the hub's people by two."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from services.ingest.channels import quarantine
from services.ingest.channels.redriving import alone_max
from tests.ingest.conftest import ALONE_MAX, CONTRACTS, DoorOnMemory

PATH = "/v1/refusals:redrive"
PARTY = {"party": "northvale-college", "reason": "invalid"}


def refused(http: DoorOnMemory, event: Any, many: int, who: str = "college") -> None:
    """Events of a day that had not come when they were sent: refused then, and right by now."""
    told = [{**copy.deepcopy(event), "id": f"nvc-{n}"} for n in range(many)]
    answer = http.post(told, who, **{"Hub-Simulated-Time": "2025-09-10T08:00:00Z"})
    assert [item["reason"] for item in answer.json()["items"]] == ["invalid"] * many
    http.run()


def test_a_party_hears_what_the_gate_would_say_and_redrives_its_own_once(http: DoorOnMemory, withdrawal: Any) -> None:
    refused(http, withdrawal, 1)
    told = http.post({"dry_run": True, "ids": ["nvc-0"]}, "redriving", PATH)
    assert told.status_code == 200 and told.json()["items"] == [
        {"id": "nvc-0", "type": "education.enrolment.withdrawn", "outcome": "accepted", "codes": []}
    ]
    before = len(http.facts("submissions"))
    for _ in range(2):
        assert http.post({"dry_run": False, "ids": ["nvc-0"]}, "redriving", PATH).json()["redriven"] == 1
    sent = http.facts("submissions")[before:]
    # Asked twice: the second is the same submission, which ingest recognises.
    assert len({fact.event_id for fact in sent}) == 1 and sent[0].fields["attempt"] == 2
    assert sent[0].fields["principal"] == "redrive:key:redriving-1"
    http.run()
    (observation,) = http.facts("observations")
    assert observation.fields["message_id"] == "nvc-0"
    assert http.post({"dry_run": True, "ids": ["nvc-0"]}, "redriving", PATH).json()["waiting"] == 0


def test_what_would_be_refused_again_is_counted_with_its_codes_and_goes_on_waiting(
    http: DoorOnMemory, withdrawal: Any
) -> None:
    withdrawal["data"]["data"]["reason"] = "because-of-CANARY"
    http.post(withdrawal)
    http.run()
    answer = http.post({"dry_run": False, "reason": "invalid"}, "redriving", PATH)
    (outcome,) = answer.json()["outcomes"]
    assert outcome["outcome"] == "invalid" and outcome["codes"] == ["not_in_list"] and outcome["count"] == 1
    assert answer.json()["redriven"] == 0 and "CANARY" not in answer.text and len(http.facts("submissions")) == 1


def test_many_for_the_hubs_people_take_two_of_them_and_both_stand_on_the_log(
    http: DoorOnMemory, withdrawal: Any
) -> None:
    refused(http, withdrawal, ALONE_MAX + 1)
    before = len(http.facts("submissions"))
    for by in (["operator"], ["operator", "Operator"]):
        answer = http.post({"dry_run": False, "by": by, **PARTY}, "steward", PATH)
        assert answer.status_code == 403 and answer.json()["reason"] == "two_people"
        assert answer.json()["limit"] == {"redrive_alone_max": ALONE_MAX}
    assert http.post({"dry_run": False, **PARTY}, "steward", PATH).json()["reason"] == "two_people"
    # A party alone redrives no more at once either, whatever names it gives.
    assert http.post({"dry_run": False}, "redriving", PATH).status_code == 403
    assert len(http.facts("submissions")) == before
    done = http.post({"dry_run": False, "by": ["operator", "data-manager"], **PARTY}, "steward", PATH)
    assert done.status_code == 202 and done.json()["redriven"] == ALONE_MAX + 1
    assert {fact.fields["principal"] for fact in http.facts("submissions")[before:]} == {
        "redrive:operator+data-manager"
    }


def test_nobody_redrives_anothers_or_without_the_scope_and_a_rehearsals_stay_its_own(
    http: DoorOnMemory, withdrawal: Any
) -> None:
    refused(http, withdrawal, 1, "test")
    assert http.post({"dry_run": True}, "college", PATH).status_code == 403
    assert http.post({"dry_run": True, "party": "southmere-college"}, "redriving", PATH).status_code == 403
    assert http.post({"dry_run": True, "by": ["operator"]}, "redriving", PATH).status_code == 403
    assert http.post({"dry_run": True}, "redriving", PATH).json()["waiting"] == 0
    wrong = http.post({"dry_run": 1, "CANARY": 2, "by": ["a+b"]}, "steward", PATH)
    assert wrong.status_code == 422 and {f["pointer"] for f in wrong.json()["errors"]} == {"/dry_run", "", "/by/0"}
    assert "CANARY" not in wrong.text


def test_a_long_quarantine_is_read_over_several_requests_and_remembers_the_newest(
    http: DoorOnMemory, withdrawal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "READ_MAX", 1)
    monkeypatch.setattr(quarantine, "SECONDS_MAX", -1.0)
    monkeypatch.setattr(quarantine, "MESSAGES_MAX", 2)
    refused(http, withdrawal, 3)
    answers = [http.post({"dry_run": True}, "redriving", PATH) for _ in range(3)]
    assert [answer.status_code for answer in answers[:2]] == [503, 503]
    monkeypatch.setattr(quarantine, "SECONDS_MAX", 10.0)
    assert {i["id"] for i in http.post({"dry_run": True}, "redriving", PATH).json()["items"]} == {"nvc-1", "nvc-2"}


def test_what_retention_took_meanwhile_is_neither_judged_nor_sent(
    http: DoorOnMemory, withdrawal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(http, withdrawal, 2)
    assert http.post({"dry_run": True}, "redriving", PATH).json()["judged"] == 2
    monkeypatch.setattr(http.log, "start", lambda place: 1)
    told = http.post({"dry_run": False}, "redriving", PATH).json()
    assert (told["waiting"], told["judged"], told["redriven"]) == (2, 1, 1)


def test_how_many_one_person_redrives_alone_stands_in_the_contracts(tmp_path: Path) -> None:
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "governance.yaml").write_text("redrive_alone_max: 7\n")
    assert alone_max(tmp_path) == 7 and alone_max(CONTRACTS) > 0
