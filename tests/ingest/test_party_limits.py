"""Limits of a party: how fast, how much at once, how many bytes; named in the answer, changed while the door runs."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.ingest.gate import Gate
from spine.schema import Catalogue
from spine.who.hearing import Hearing
from spine.who.keys import ApiKey, KeyRing
from spine.who.principal import SCOPES
from spine.who.rate import PartyLimits, Rate, read_limits
from spine.who.watched import LOOK_SECONDS, Watched
from spine.who.webhooks import Heard
from tests.ingest.conftest import CONTRACTS, KEYS, DoorOnMemory, door_on_memory

LIMITED = {"northvale-college": PartyLimits(2, 5, 20_000)}


@pytest.fixture
def small(catalogue: Catalogue, gate: Gate, compiled: Any, tmp_path: Path) -> Iterator[DoorOnMemory]:
    import hashlib

    keys = KeyRing(
        ApiKey(party, f"{name}-1", hashlib.sha256(key.encode()).digest(), mode, ends, SCOPES)
        for name, (party, key, mode, ends, _) in KEYS.items()
    )
    rate = Rate(PartyLimits(1_000, 2_000), lambda: 0.0, lambda: LIMITED)
    with door_on_memory(catalogue, gate, tmp_path, compiled, Hearing(lambda: keys, Heard(lambda: 0.0)), rate) as door:
        yield door


def many(event: Any, count: int) -> list[Any]:
    return [{**copy.deepcopy(event), "id": f"n-{n}"} for n in range(count)]


def test_who_is_too_fast_hears_which_limit_it_was_and_when_to_come_again(small: DoorOnMemory, withdrawal: Any) -> None:
    assert small.post(many(withdrawal, 5)).status_code == 202
    answer = small.post(many(withdrawal, 3))
    assert answer.status_code == 429 and answer.headers["retry-after"] == "2"
    assert answer.json()["limit"] == {"events_per_second": 2, "burst": 5}
    assert small.post(many(withdrawal, 3), "test").status_code == 202, "its rehearsals have a bucket of their own"


def test_another_key_of_the_same_party_is_no_second_allowance(small: DoorOnMemory, withdrawal: Any) -> None:
    assert small.post(many(withdrawal, 5)).status_code == 202
    assert small.post(withdrawal, "reader").status_code == 429


def test_more_at_once_than_ever_may_pass_is_too_many_and_not_for_later(small: DoorOnMemory, withdrawal: Any) -> None:
    answer = small.post(many(withdrawal, 6))
    assert answer.status_code == 413 and "retry-after" not in answer.headers
    assert answer.json()["limit"] == {"request_events": 5}


def test_more_bytes_than_the_party_may_send_are_refused_unread(small: DoorOnMemory, withdrawal: Any) -> None:
    withdrawal["data"]["subject"]["address_line"] = "x" * 20_000
    answer = small.post(withdrawal)
    assert answer.status_code == 413 and answer.json()["limit"] == {"request_bytes": 20_000}
    assert answer.headers["hub-mode"] == "live"
    assert small.post(withdrawal, "jobcentre").status_code == 422


def test_a_party_reads_its_own_limits(small: DoorOnMemory) -> None:
    told = small.client.get("/v1/me", headers=small.auth()).json()
    assert told["limits"] == {"events_per_second": 2, "burst": 5, "request_bytes": 20_000}


def test_the_committed_parties_have_limits_that_can_be_read() -> None:
    assert read_limits(CONTRACTS / "parties.yaml")


def test_limits_change_while_the_door_runs(tmp_path: Path) -> None:
    path, seconds = tmp_path / "parties.yaml", [0.0]
    path.write_text("parties: {a: {limits: {events_per_second: 1, burst: 2}}}")
    rate = Rate(PartyLimits(9, 9), lambda: 0.0, Watched(path, read_limits, lambda: seconds[0]))
    assert rate.limits("a").burst == 2 and rate.limits("b").burst == 9
    path.write_text("parties: {a: {limits: {events_per_second: 10, burst: 20}}}")
    seconds[0] += LOOK_SECONDS
    assert rate.limits("a").burst == 20


@pytest.mark.parametrize(
    "limits", ["{}", "{events_per_second: 0, burst: 1}", "{events_per_second: 1, burst: 1, request_bytes: 5}", "7"]
)
def test_limits_that_make_no_sense_are_named(tmp_path: Path, limits: str) -> None:
    path = tmp_path / "parties.yaml"
    path.write_text(f"parties: {{a: {{limits: {limits}}}}}")
    with pytest.raises(ValueError, match="limits of a"):
        read_limits(path)
