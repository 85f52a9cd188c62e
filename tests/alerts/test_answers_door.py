"""The read API's door: who may ask, how often, and that every refusal reads the same."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter, Depends
from starlette.testclient import TestClient

from services.alerts.answers.door import Api, caller, codes_of, create_app, team_calling
from services.alerts.answers.overreach import Tried, untold
from services.alerts.delivery import directory, policy
from spine.errors import Retry
from spine.who.hearing import Hearing
from spine.who.keys import ApiKey, KeyRing
from spine.who.principal import ANSWERS, SCOPES, Mode, Principal
from spine.who.rate import PartyLimits, Rate
from spine.who.webhooks import Heard

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
PARTY, ASKS, SENDS = "northvale-college", "asks-key", "sends-key"


def _key(name: str, scopes: frozenset[str]) -> ApiKey:
    return ApiKey(PARTY, name, hashlib.sha256(name.encode()).digest(), "live", scopes=scopes)  # type: ignore[arg-type]


def door(burst: int = 100, *mounted: APIRouter, tried: Tried = untold) -> TestClient:
    ring = KeyRing([_key(ASKS, frozenset({ANSWERS})), _key(SENDS, SCOPES)])
    rate = Rate(PartyLimits(1, burst), lambda: 0.0)
    api = Api(
        Hearing(lambda: ring, Heard(lambda: 0.0)),
        rate,
        lambda: datetime(2026, 1, 30, tzinfo=UTC),
        codes_of(CONTRACTS),
        mounted,
        tried,
    )
    return TestClient(create_app(api), raise_server_exceptions=False)


def signed(key: str, **headers: str) -> dict[str, str]:
    return {"X-Api-Key": key, **headers}


def test_a_caller_reads_the_codes_and_nobody_on_the_way_keeps_them() -> None:
    answer = door().get("/v1/codes", headers=signed(ASKS))
    assert answer.status_code == 200
    assert {"code": "619", "means": "seeking employment, education or training", "group": "NEET"} in answer.json()[
        "items"
    ]
    assert answer.headers["cache-control"] == "no-store"


def test_who_names_the_tag_gets_the_answer_once() -> None:
    client = door()
    tag = client.get("/v1/codes", headers=signed(ASKS)).headers["etag"]
    again = client.get("/v1/codes", headers={**signed(ASKS), "If-None-Match": f'"other", W/{tag}'})
    assert (again.status_code, again.content) == (304, b"")


def test_a_credential_that_names_no_scopes_may_not_ask() -> None:
    told: list[tuple[str, str, str]] = []
    asked = door(tried=lambda who, doing, what: told.append((who.name, doing, what)))
    answer = asked.get("/v1/codes", headers=signed(SENDS))
    assert (answer.status_code, answer.json()["reason"]) == (403, "forbidden")
    assert told == [(f"key:{SENDS}", "scope", "/v1/codes")]


def test_every_refusal_of_nobody_is_the_same_bytes() -> None:
    client = door()
    tried = [{}, signed("wrong"), signed("x" * 5_000), {"Authorization": "Basic a"}, {"Authorization": "Bearer wrong"}]
    answers = [client.get("/v1/codes", headers=headers) for headers in tried]
    assert {(one.status_code, one.content) for one in answers} == {(401, answers[0].content)}
    assert all(one.headers["cache-control"] == "no-store" for one in answers)


def test_who_asks_too_fast_is_told_when_to_come_again() -> None:
    client = door(burst=2)
    statuses = [client.get("/v1/codes", headers=signed(ASKS)).status_code for _ in range(3)]
    late = client.get("/v1/codes", headers=signed(ASKS))
    assert (statuses, late.headers["retry-after"]) == ([200, 200, 429], "2")


def test_what_is_mounted_knows_its_caller_and_fails_as_the_door_does() -> None:
    router = APIRouter()

    @router.get("/v1/feed")
    def feed(who: Principal = Depends(caller)) -> dict[str, str]:
        return {"party": who.party}

    @router.get("/v1/away")
    def away() -> None:
        raise Retry("database: secret")

    @router.get("/v1/broken")
    def broken() -> None:
        raise ValueError("secret")

    client = door(100, router)
    assert client.get("/v1/feed", headers=signed(ASKS)).json() == {"party": PARTY}
    assert client.get("/v1/feed").status_code == 401
    for path, status in (("/v1/away", 503), ("/v1/broken", 500), ("/v1/nowhere", 404)):
        answer = client.get(path, headers=signed(ASKS))
        assert (answer.status_code, "secret" in answer.text) == (status, False)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["cache-control"] == "no-store"


def test_a_partys_own_team_reads_its_feed_and_nobody_else_has_one() -> None:
    people, services = directory.load(CONTRACTS), policy.load(CONTRACTS).feed_services
    router = APIRouter()

    @router.get("/v1/feed")
    def feed(team: str = Depends(team_calling(people, services))) -> dict[str, str]:
        return {"team": team}

    def asks(party: str, mode: Mode = "live") -> tuple[int, object]:
        key = ApiKey(party, "k", hashlib.sha256(b"k").digest(), mode, scopes=frozenset({ANSWERS}))
        ring = KeyRing([key])
        hearing = Hearing(lambda: ring, Heard(lambda: 0.0))
        api = Api(
            hearing, Rate(PartyLimits(9, 9), lambda: 0.0), lambda: datetime(2026, 1, 30, tzinfo=UTC), (), (router,)
        )
        answer = TestClient(create_app(api)).get("/v1/feed", headers=signed("k"))
        return answer.status_code, answer.json().get("team")

    assert asks("northvale-college") == (200, "northvale-college")
    assert asks("jobcentre-plus") == (200, "dwp")
    assert asks("northvale-college", "test") == (404, None)
    assert asks("northshire-youth-justice") == (404, None)
    assert asks("csc-north") == (404, None)
