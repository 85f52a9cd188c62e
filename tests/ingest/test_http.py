"""The HTTP door: receipts, refusals with every fault, and nothing that says whether anybody is known."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.ingest.door import PAYLOAD_BYTES_MAX
from spine import traces
from spine.carried import carried, trace_of


def test_an_event_under_an_agreement_gets_a_receipt_and_becomes_an_observation(http: Any, withdrawal: Any) -> None:
    answer = http.post(withdrawal)
    assert answer.status_code == 202
    receipt = answer.json()
    assert receipt == {"id": "nvc-000184", "status": 202, "receipt": receipt["receipt"]}
    assert len(http.facts("submissions")) == 1
    http.run()
    (observation,) = http.facts("observations")
    assert observation.fields["source"] == "northvale-college"
    assert observation.fields["agreement"] == "isa-2024-011@1.0.0"
    said = http.catalogue.open("education.enrolment.withdrawn.data.v1", observation.fields["data"])
    assert said["reason"] == "changed_mind"
    who = http.catalogue.open("subject.v1", observation.fields["subject"])
    assert who["family_name"] == "Khan-Reid"


def test_the_same_message_sent_again_gets_the_same_receipt_and_has_no_second_effect(http: Any, withdrawal: Any) -> None:
    first, second = http.post(withdrawal).json(), http.post(withdrawal).json()
    http.run()
    third = http.post(withdrawal).json()
    http.run()
    assert first == second == third
    assert len(http.facts("observations")) == 1 and not http.facts("refusals")


def test_the_same_id_with_other_content_is_a_conflict(http: Any, withdrawal: Any) -> None:
    http.post(withdrawal)
    other = copy.deepcopy(withdrawal)
    other["data"]["data"]["reason"] = "moved_away"
    answer = http.post(other)
    assert answer.status_code == 409 and answer.headers["content-type"] == "application/problem+json"
    http.run()
    (refusal,) = http.facts("refusals")
    assert refusal.fields["reason"] == "id_reused" and len(http.facts("observations")) == 1


def test_a_refused_message_may_come_again_under_its_id_with_the_fault_mended(http: Any, withdrawal: Any) -> None:
    wrong = copy.deepcopy(withdrawal)
    wrong["data"]["subject"]["uln"] = "7000000015"
    assert http.post(wrong).status_code == 422
    http.run()
    assert http.post(withdrawal).status_code == 202
    http.run()
    assert len(http.facts("observations")) == 1 and len(http.facts("refusals")) == 1


def test_every_fault_is_named_at_once_with_its_place_and_what_would_be_right(http: Any, withdrawal: Any) -> None:
    withdrawal["data"]["effective_on"] = "21/11/2025"
    withdrawal["data"]["subject"]["uln"] = "7E+09"
    withdrawal["data"]["data"]["reason"] = "fed_up"
    del withdrawal["data"]["data"]["destination"]
    problem = http.post(withdrawal).json()
    assert problem["status"] == 422 and problem["reason"] == "invalid"
    assert {(e["pointer"], e["code"]) for e in problem["errors"]} == {
        ("/data/effective_on", "date_form"),
        ("/data/subject/uln", "check_digit"),
        ("/data/data/reason", "not_in_list"),
        ("/data/data/destination", "missing"),
    }
    assert all(e["message"] and e["expected"] for e in problem["errors"])
    http.run()
    (refusal,) = http.facts("refusals")
    assert refusal.fields["submission_id"] == problem["receipt"]
    assert refusal.fields["sealed_body"] is not None
    assert len(refusal.fields["faults"]) == 4


def test_a_list_is_answered_event_by_event(http: Any, withdrawal: Any) -> None:
    wrong = {**copy.deepcopy(withdrawal), "id": "nvc-2", "type": "no.such.type"}
    good = {**copy.deepcopy(withdrawal), "id": "nvc-3"}
    answer = http.post([withdrawal, wrong, good, "nonsense"])
    assert answer.status_code == 207
    assert [item["status"] for item in answer.json()["items"]] == [202, 422, 202, 422]
    http.run()
    assert len(http.facts("observations")) == 2 and len(http.facts("refusals")) == 2
    assert http.post([withdrawal, good]).status_code == 202


def test_two_events_of_one_id_in_one_list_are_judged_one_after_the_other(http: Any, withdrawal: Any) -> None:
    other = copy.deepcopy(withdrawal)
    other["data"]["data"]["reason"] = "moved_away"
    answer = http.post([withdrawal, copy.deepcopy(withdrawal), other])
    assert [item["status"] for item in answer.json()["items"]] == [202, 202, 409]


def test_a_dry_run_says_what_the_gate_would_say_and_keeps_nothing(http: Any, withdrawal: Any) -> None:
    good = http.post(withdrawal, path="/v1/events:validate").json()
    assert good == {"id": "nvc-000184", "valid": True, "dropped": [], "agreement": "isa-2024-011@1.0.0"}
    withdrawal["data"]["subject"]["nhs_number"] = "9990000018"
    bad = http.post([withdrawal], path="/v1/events:validate").json()["items"][0]
    assert not bad["valid"] and bad["reason"] == "not_in_agreement"
    assert not http.facts("submissions")


def test_a_receipt_tells_received_then_accepted_or_refused(http: Any, withdrawal: Any) -> None:
    http.post(withdrawal)
    path = "/v1/receipts/nvc-000184"
    assert http.client.get(path, headers=http.auth()).json()["state"] == "received"
    http.run()
    accepted = http.client.get(path, headers=http.auth()).json()
    assert accepted["state"] == "accepted" and accepted["agreement"] == "isa-2024-011@1.0.0"
    wrong = {**copy.deepcopy(withdrawal), "id": "nvc-9"}
    wrong["data"]["effective_on"] = "1889-01-01"
    http.post(wrong)
    http.run()
    refused = http.client.get("/v1/receipts/nvc-9", headers=http.auth()).json()
    assert refused["state"] == "refused" and [e["code"] for e in refused["errors"]] == ["date_range"]


def test_a_receipt_of_another_party_is_not_found(http: Any, withdrawal: Any) -> None:
    http.post(withdrawal)
    http.run()
    for who in ("minimising", "test"):
        answer = http.client.get("/v1/receipts/nvc-000184", headers=http.auth(who))
        assert answer.status_code == 404


def test_a_test_key_sends_test_events_that_never_meet_the_live_ones(http: Any, withdrawal: Any) -> None:
    assert http.post(withdrawal, "test").status_code == 202
    withdrawal["data"]["data"]["reason"] = "moved_away"
    assert http.post(withdrawal, "college").status_code == 202
    http.run()
    assert sorted(f.fields["test"] for f in http.facts("observations")) == [False, True]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic college-key"}, 401),
        ({"Authorization": "Bearer college-old-key"}, 401),
        ({"Authorization": f"Bearer {'x' * 10_000}"}, 401),
        ({"Authorization": "Bearer college-read-key"}, 403),
    ],
)
def test_without_a_valid_key_nothing_is_taken(http: Any, withdrawal: Any, headers: Any, status: int) -> None:
    answer = http.client.post("/v1/events", json=withdrawal, headers=headers)
    assert answer.status_code == status
    assert not http.facts("submissions")


def test_a_message_over_the_limit_is_refused_before_it_is_parsed(http: Any, withdrawal: Any) -> None:
    withdrawal["data"]["subject"]["address_line"] = "x" * PAYLOAD_BYTES_MAX
    assert http.post(withdrawal).status_code == 413
    assert http.post([withdrawal]).json()["items"][0]["status"] == 413
    assert http.post([withdrawal] * 40).status_code == 413
    assert not http.facts("submissions")


def test_more_than_five_hundred_events_in_one_list_are_too_many(http: Any, withdrawal: Any) -> None:
    assert http.post([{"id": str(n)} for n in range(501)]).status_code == 413


def test_who_sends_too_fast_is_told_when_to_come_back(http: Any, withdrawal: Any) -> None:
    batch = [{**withdrawal, "id": f"n-{n}"} for n in range(500)]
    answers = [http.post(batch) for _ in range(5)]
    assert [a.status_code for a in answers[:4]] == [202] * 4
    assert answers[4].status_code == 429 and int(answers[4].headers["retry-after"]) >= 1
    assert http.post(withdrawal, "minimising").status_code == 422


def test_the_simulated_time_is_the_time_of_receipt_in_the_demo(http: Any, withdrawal: Any) -> None:
    withdrawal["data"]["effective_on"] = "2026-03-01"
    assert http.post(withdrawal).status_code == 422
    assert http.post(withdrawal, **{"Hub-Simulated-Time": "2026-03-02T08:00:00Z"}).status_code == 202
    assert http.post(withdrawal, **{"Hub-Simulated-Time": "soon"}).status_code == 422


def test_the_answer_is_the_same_whether_or_not_the_person_is_known(http: Any, withdrawal: Any) -> None:
    first = http.post(withdrawal)
    http.run()
    stranger = copy.deepcopy(withdrawal)
    stranger["id"], stranger["data"]["subject"]["family_name"] = "nvc-77", "Nobodyknows"
    stranger["data"]["subject"]["source_ref"] = "P-NEW"
    second = http.post(stranger)
    assert second.status_code == first.status_code and set(second.json()) == set(first.json())
    assert set(second.headers) == set(first.headers)


def test_another_address_or_method_is_a_problem_too(http: Any) -> None:
    for method, path, status in [("GET", "/v2", 404), ("GET", "/v1/events", 405), ("DELETE", "/v1/receipts/x", 405)]:
        answer = http.client.request(method, path, headers=http.auth())
        assert answer.status_code == status and answer.json()["status"] == status
        assert answer.headers["content-type"] == "application/problem+json"


def test_the_door_describes_itself(http: Any) -> None:
    described = http.client.get("/v1/openapi.json").json()
    messages = {"/v1/events", "/v1/events:validate", "/v1/receipts/{message_id}", "/v1/webhooks/{party}"}
    others = {"/v1/refusals", "/v1/refusals:redrive", "/v1/me", "/v1/terms", "/v1/extracts"}
    assert set(described["paths"]) == messages | others
    schemes = described["components"]["securitySchemes"]
    assert set(schemes) == {"key", "keyHeader", "token", "certificate", "webhook"}
    for path in described["paths"].values():
        for operation in path.values():
            assert operation["security"] and {name for way in operation["security"] for name in way} <= set(schemes)
    assert "409" in described["paths"]["/v1/events"]["post"]["responses"]
    assert json.dumps(described).count("problem+json") > 5


def test_a_trace_is_taken_over_from_the_hub_s_own_steward_and_from_no_partner(http: Any, withdrawal: Any) -> None:
    click = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    told = {"feed_source": "northvale-college", "shape": "delta", "rows": 5, "leaver_rows": 0}
    event = {**withdrawal, "source": "northshire-data-steward", "type": "feed.extract_received"}
    event["data"] = {"effective_on": "2025-11-24", "subject": {}, "data": told}

    def taken(number: int, who: str, said: dict[str, Any]) -> str:
        assert http.post({**said, "id": f"n{number}"}, who=who, traceparent=click).status_code == 202
        places = [("submissions", n) for n in range(http.log.partitions("submissions"))]
        found = [record for place in places for record in http.log.read({place: 0}, 100)]
        (mine,) = [r for r in found if http.catalogue.fact(r).fields["message_id"] == f"n{number}"]
        return carried(mine.headers).trace

    assert [taken(1, "college", withdrawal), taken(2, "steward", event)] == ["", click]
    spans = InMemorySpanExporter()
    traces.use("door", spans)
    try:
        partner, steward = (trace_of(taken(*one)) for one in ((3, "college", withdrawal), (4, "steward", event)))
    finally:
        traces.end()
    under = {span.context.span_id: span.parent for span in spans.get_finished_spans()}
    assert partner and under[partner.span_id] is None
    assert steward and steward.trace_id == int("ab" * 16, 16) and under[steward.span_id].span_id == int("cd" * 8, 16)
