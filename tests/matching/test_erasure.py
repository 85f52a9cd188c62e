"""An order to erase, heard by matching: the person is gone from index and rows, and nobody else is changed by it."""

from __future__ import annotations

from typing import Any

import pytest
from hub_of_matching import CATALOGUE, START, Matching, fresh_processor
from test_reviews import COLLEGE, SCHOOL, STEWARD, apart, linked, suggested

from spine import faults
from spine.record import Outgoing
from spine.step import SEALED

OTHER = {**SCHOOL, "source_ref": "S2", "given_name": "Omar", "family_name": "Farah", "upn": "H201900213099"}


def erase(hub: Matching, person_id: str, *refs: str, run: bool = True) -> list[dict[str, Any]]:
    fields = {
        "event_id": f"order-{person_id}",
        "erasure_id": "e-1",
        "person_id": person_id,
        "at": START,
        "ground": "request",
        "refs": list(refs),
        "choices": [],
        "reviews": [],
    }
    body = CATALOGUE.encode("erased.v1", fields)
    hub.log.append([Outgoing(0, fields["event_id"], "observations", "northshire", "erased.v1", body)])
    return hub.run() if run else []


def rows(hub: Matching) -> dict[str, bytes]:
    states = hub.journal.store.states
    return {key: body for key, (_, body, _) in states.items() if key[0] in "prlxz"}


def test_nothing_of_the_person_stands_in_the_rows_and_others_stand_as_they_stood() -> None:
    hub, alone = Matching(), Matching()
    hub.observe("known", "school", SCHOOL)
    person = hub.whose()["known"]
    for one in (hub, alone):
        one._count = 7
        one.observe("other", "school", OTHER)
    (order,) = erase(hub, person)
    assert (order["person_id"], order["erasure_id"]) == (person, "e-1")
    assert rows(hub) == rows(alone)
    assert hub.processor._partitions["observations", 0].ledgers["northshire"].index.frequencies.people == 1


def test_a_person_of_whom_nothing_is_known_is_told_to_nobody() -> None:
    hub = Matching()
    hub.observe("known", "school", SCHOOL)
    before = rows(hub)
    assert erase(hub, "p-nobody") == []
    assert rows(hub) == before


def test_a_stub_that_only_the_erased_could_have_been_becomes_a_person() -> None:
    hub = Matching()
    hub.observe("known", "school", SCHOOL)
    hub.observe("held", "college", COLLEGE)
    stub = hub.whose()["held"]
    acts = [(row.get("act"), row["person_id"]) for row in erase(hub, hub.whose()["known"])]
    assert acts[:2] == [("released", stub), ("review_closed", stub)] and acts[2][0] is None
    assert not [key for key in rows(hub) if key.startswith("r:")]


def test_a_question_whether_two_are_one_is_gone_with_either() -> None:
    hub = Matching()
    hub.observe("known", "school", SCHOOL)
    hub.observe("other", "college", {**OTHER, "source_ref": "C9"})
    hub.observe("ask", STEWARD, None, "identity.duplicate_suggested", suggested("school", "S1", "college", "C9"))
    assert [key for key in rows(hub) if key.startswith("r:")]
    people = hub.whose()
    told = erase(hub, people["known"])
    assert [(row.get("act"), row["person_id"]) for row in told] == [
        ("review_closed", people["other"]),
        (None, people["known"]),
    ]
    (review,) = told[-1]["reviews"]
    assert [row["review_id"] for row in hub.facts("reviews") if "review_id" in row][-1] == review
    assert hub.facts("reviews")[-1]["reviews"] == [review], "the console hears of it too"
    assert not [key for key in rows(hub) if key.startswith("r:")]


def test_decisions_that_name_one_of_their_records_go_with_them() -> None:
    hub = Matching()
    hub.observe("known", "school", SCHOOL)
    hub.observe("other", "school", OTHER)
    hub.observe("l", STEWARD, None, "identity.linked", linked("college", "C1", "school", "S1"))
    hub.observe("x", STEWARD, None, "identity.separated", apart("school", "S1", "school", "S2"))
    assert {key[0] for key in rows(hub)} >= {"l", "x"}
    erase(hub, hub.whose()["known"])
    assert not {key[0] for key in rows(hub)} & {"l", "x"}
    assert not [body for body in rows(hub).values() if b'"S1"' in body]


@pytest.mark.parametrize("restarted", [False, True])
def test_what_comes_later_under_a_destroyed_reference_is_about_nobody(restarted: bool) -> None:
    hub = Matching()
    hub.observe("known", "school", SCHOOL)
    erase(hub, hub.whose()["known"], "school/opaque")
    if restarted:
        hub.processor = fresh_processor()
    assert hub.observe("late", "school", SCHOOL, sealed_under="school/opaque") == []
    assert hub.journal.decisions[-1].note == SEALED
    assert rows(hub) == {}
    assert hub.observe("fresh", "school", SCHOOL, sealed_under="school/another")[0]["how"] == "new"


def test_a_batch_that_did_not_commit_has_erased_nobody() -> None:
    hub = Matching()
    hub.observe("known", "school", SCHOOL)
    before = rows(hub)
    erase(hub, hub.whose()["known"], "school/opaque", run=False)

    def stop(point: str) -> None:
        if point == "decided":
            raise InterruptedError

    faults.install(stop)
    try:
        with pytest.raises(InterruptedError):
            hub.run()
    finally:
        faults.install(None)
    assert rows(hub) == before
    partition = hub.processor._partitions["observations", 0]
    assert not partition.erasing and len(partition.ledgers["northshire"].index.people) == 1
    hub.run()
    assert rows(hub) == {}
