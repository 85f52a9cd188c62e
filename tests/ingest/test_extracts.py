"""A party that sends event by event says how much it read: the hub's own word of it is the same as for a file."""

from __future__ import annotations

from typing import Any

import pytest

TOLD = {"id": "cases-0001", "shape": "snapshot", "rows": 412, "leaver_rows": 6, "on": "2025-11-24"}


def told(http: Any, **other: Any) -> Any:
    body = {name: value for name, value in {**TOLD, **other}.items() if value is not None}
    return http.client.post("/v1/extracts", json=body, headers=http.auth())


def test_a_batch_that_came_is_said_by_the_steward_once_however_often_it_is_told(http: Any) -> None:
    first, second = told(http), told(http)
    http.run()
    third = told(http)
    http.run()
    assert [answer.status_code for answer in (first, second, third)] == [202, 202, 202]
    assert first.json() == second.json() == third.json()
    (observation,) = http.facts("observations")
    assert observation.fields["type"] == "feed.extract_received"
    assert observation.fields["source"] == "northshire-data-steward"
    said = http.catalogue.open("feed.extract_received.data.v1", observation.fields["data"])
    assert said == {"feed_source": "northvale-college", "shape": "snapshot", "rows": 412, "leaver_rows": 6}
    assert not http.facts("refusals")


def test_every_fault_of_what_is_told_of_a_batch_is_named_at_once(http: Any) -> None:
    answer = told(http, shape="half", rows=-1, leaver_rows=None, on="2025-11-26", feed_source="southmere-college")
    assert answer.status_code == 422
    assert {(e["pointer"], e["code"]) for e in answer.json()["errors"]} == {
        ("", "unknown_field"),
        ("/shape", "not_in_list"),
        ("/rows", "number_range"),
        ("/leaver_rows", "missing"),
        ("/on", "date_range"),
    }
    assert not http.facts("submissions")


@pytest.mark.parametrize("body", [b"[]", b"null", b"7", b"{"])
def test_what_is_no_object_is_no_batch(http: Any, body: bytes) -> None:
    answer = http.client.post("/v1/extracts", content=body, headers=http.auth())
    assert answer.status_code in (400, 422)
    assert not http.facts("submissions")


def test_a_party_reads_the_terms_of_its_own_agreement_and_of_no_other(http: Any) -> None:
    items = {item["type"]: item for item in http.client.get("/v1/terms", headers=http.auth()).json()["items"]}
    withdrawn = items["education.enrolment.withdrawn"]
    assert withdrawn["agreement"] == "isa-2024-011@1.0.0" and withdrawn["shrink_hold_percent"] == 10
    assert "data.reason" in withdrawn["fields"] and withdrawn["ages"][0] >= 14
    assert {item["agreement"] for item in items.values()} == {"isa-2024-011@1.0.0"}
    assert http.client.get("/v1/terms").status_code == 401
