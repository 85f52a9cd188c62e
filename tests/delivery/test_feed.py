"""The polling feed on a real PostgreSQL: no gap, no double, and nobody reads another's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import FastAPI, Header, HTTPException
from fastapi.testclient import TestClient

from services.alerts.delivery import decide as core
from services.alerts.delivery.agent import SERVICE, processor
from services.alerts.delivery.decide import Delivery
from services.alerts.delivery.feed import feed, router
from spine.journal import Position
from spine.log import MemoryLog
from spine.migrate import migrate
from spine.postgres import PostgresJournal
from spine.schema import Catalogue
from spine.step import Limits, SetAside, encode_effects, step
from spine.telemetry import metrics

pytestmark = pytest.mark.postgres
ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = Catalogue([ROOT / "schemas" / "avro"])
AT = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
COLLEGE = Delivery("", "a", "provider-welfare", "northvale-college", None, "A10", "raised", "2026-11-05", "P2", "inbox")


class Service:
    def __init__(self, url: str) -> None:
        migrate(url, SERVICE, ROOT / "services" / "alerts")
        self.journal = PostgresJournal(url, SERVICE)
        self.log = MemoryLog({"deliveries": 1, "quarantine": 1}, CATALOGUE.frame)
        self.processor = processor(CATALOGUE, ROOT / "contracts")

    def tell(self, *deliveries: Delivery, cause: str = "c") -> None:
        told = [core.told(d, "created", attempt=0, at_ms=core.milliseconds(AT)) for d in deliveries]
        self.log.append(encode_effects("alerts", cause, told, CATALOGUE))
        held = self.journal.positions("deliveries").get(("deliveries", 0), Position(0))
        records = self.log.read({("deliveries", 0): held.next}, 500)
        step(records, self.processor, self.journal, CATALOGUE, SetAside(Limits()))

    def numbers(self, team: str, after: int = 0, limit: int = 100) -> list[tuple[int, str]]:
        return [(i["number"], i["delivery_id"]) for i in feed(self.journal.engine, team, after, limit).items]


@pytest.fixture
def service(fresh_database: str) -> Iterator[Service]:
    made = Service(fresh_database)
    yield made
    made.journal.close()


def college(number: int) -> Delivery:
    return replace(COLLEGE, delivery_id=f"d{number}")


def test_each_outside_team_has_numbers_of_its_own_without_gaps(service: Service) -> None:
    other = replace(college(3), team="southmere-college")
    desk = replace(college(4), team=None, role="dwp-spoc")
    service.tell(college(1), other, college(2), desk)
    service.tell(college(5), cause="later")
    assert service.numbers("northvale-college") == [(1, "d1"), (2, "d2"), (3, "d5")]
    assert service.numbers("southmere-college") == [(1, "d3")]
    assert service.numbers("dwp") == [(1, "d4")]


def test_what_is_told_again_and_what_only_hints_gets_no_second_number(service: Service) -> None:
    service.tell(college(1))
    service.tell(college(1), replace(college(2), channel="email"), college(3), cause="again")
    assert service.numbers("northvale-college") == [(1, "d1"), (2, "d3")]


def test_a_team_of_the_council_has_its_inbox_and_no_feed(service: Service) -> None:
    service.tell(replace(college(1), team="yjt", role="yjt-manager"))
    assert service.numbers("yjt") == []


def test_a_batch_that_is_rolled_back_takes_no_number(service: Service) -> None:
    def torn() -> None:
        raise RuntimeError

    changes = type(service.processor).changes
    service.processor.changes = lambda: (changes(service.processor), torn())[0]  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        service.tell(college(1))
    del service.processor.changes
    service.tell(college(2), cause="then")
    assert service.numbers("northvale-college") == [(1, "d1"), (2, "d2")]


def test_a_caller_reads_on_from_its_number_and_only_its_own(service: Service) -> None:
    def calling(team: Annotated[str, Header()] = "") -> str:
        if not team:
            raise HTTPException(401)
        return team

    service.tell(*[college(n) for n in range(5)])
    app = FastAPI()
    app.include_router(router(service.journal.engine, calling))
    client = TestClient(app)
    mine = {"team": "northvale-college"}
    assert client.get("/v1/feed").status_code == 401
    first = client.get("/v1/feed?limit=3", headers=mine).json()
    rest = client.get(f"/v1/feed?after={first['after']}", headers=mine).json()
    assert [len(first["items"]), first["more"], len(rest["items"]), rest["more"], rest["after"]] == [
        3,
        True,
        2,
        False,
        5,
    ]
    assert all("rule" not in item for item in first["items"])
    assert client.get("/v1/feed?after=5", headers=mine).json() == {"items": [], "after": 5, "more": False}
    assert client.get("/v1/feed", headers={"team": "southmere-college"}).json()["items"] == []
    read = metrics().registry.get_sample_value("hub_feed_read_timestamp_seconds", {"team": "southmere-college"})
    assert read is not None and time.time() - read < 60
    assert client.get("/v1/feed?limit=501", headers=mine).status_code == 422
