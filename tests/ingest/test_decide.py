"""One message id, one accepted content."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingest.agent import decode_state, encode_state
from services.ingest.decide import Heard, Ingest, Submission
from services.ingest.gate import Gate
from services.ingest.parse import from_event
from spine.schema import Catalogue
from spine.step import encode_effects

RECEIVED = datetime(2025, 11, 24, 8, 5, tzinfo=UTC)


def submission(event: Any, fingerprint: str = "a", number: int = 1, party: str = "northvale-college") -> Submission:
    envelope = from_event(event)
    return Submission(
        event_id=f"s{number}",
        party=party,
        door="http",
        received_at=RECEIVED,
        message_id=str(event["id"]),
        type=str(event["type"]),
        form="json",
        schema=None,
        test=False,
        attempt=1,
        sealed_body=b"sealed",
        envelope=envelope,
        fingerprint=fingerprint,
    )


@pytest.fixture
def ingest(gate: Gate, catalogue: Catalogue) -> Ingest:
    return Ingest(gate)


def test_an_accepted_submission_becomes_one_observation_keyed_by_authority(ingest: Ingest, withdrawal: Any) -> None:
    heard, (effect,) = ingest.decide(Heard(), submission(withdrawal))
    assert (effect.topic, effect.key, effect.kind) == ("observations", "northshire", "observation.v1")
    assert heard.outcome == "accepted" and heard.submission_id == "s1"


def test_the_same_content_again_has_no_effect_and_keeps_the_receipt(ingest: Ingest, withdrawal: Any) -> None:
    heard, _ = ingest.decide(Heard(), submission(withdrawal))
    again, effects = ingest.decide(heard, submission(withdrawal, number=2))
    assert not effects and again.submission_id == "s1" and again.repeats == 1


def test_other_content_under_an_accepted_id_is_refused_and_changes_nothing(ingest: Ingest, withdrawal: Any) -> None:
    heard, _ = ingest.decide(Heard(), submission(withdrawal))
    after, (effect,) = ingest.decide(heard, submission(withdrawal, "b", 2))
    assert after == heard and effect.topic == "refusals" and effect.fields["reason"] == "id_reused"
    assert effect.fields["sealed_body"] == b"sealed"


def test_a_refused_id_may_be_used_again(ingest: Ingest, withdrawal: Any) -> None:
    wrong = copy.deepcopy(withdrawal)
    wrong["data"]["data"] = {}
    heard, (refusal,) = ingest.decide(Heard(), submission(wrong))
    assert refusal.topic == "refusals" and heard.outcome == "refused" and not heard.fingerprint
    heard, (effect,) = ingest.decide(heard, submission(withdrawal, "b", 2))
    assert effect.topic == "observations" and heard.outcome == "accepted"


def test_without_a_basis_nothing_is_kept_but_the_kind_of_fault(ingest: Ingest, withdrawal: Any) -> None:
    _, (effect, breach) = ingest.decide(Heard(), submission(withdrawal, party="southmere-college"))
    assert effect.fields["reason"] == "wrong_principal" and effect.fields["sealed_body"] is None
    assert breach.topic == "statuses" and breach.fields["party"] == "southmere-college"
    _, (refusal,) = ingest.decide(Heard(), replace(submission(withdrawal, party="southmere-college"), test=True))
    assert refusal.topic == "refusals"


def test_every_effect_fits_its_schema(ingest: Ingest, catalogue: Catalogue, withdrawal: Any) -> None:
    another = {**withdrawal, "source": "southmere-college"}
    for event in (withdrawal, another, {**withdrawal, "type": "x.y"}, {**withdrawal, "specversion": None}):
        effects = ingest.decide(Heard(), submission(event))[1]
        for out in encode_effects("ingest", "e", effects, catalogue):
            assert catalogue.decode(out.kind, out.body)["event_id"] == out.event_id


@given(
    st.builds(
        Heard,
        outcome=st.sampled_from(["accepted", "refused"]),
        submission_id=st.text(),
        codes=st.lists(st.text()).map(tuple),
        repeats=st.integers(0, 2**40),
    )
)
def test_a_state_survives_its_bytes(heard: Heard) -> None:
    assert decode_state(encode_state(heard)) == heard
    assert encode_state(decode_state(encode_state(heard))) == encode_state(heard)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(order=st.permutations([("a", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 5)]))
def test_whatever_the_order_one_content_is_accepted_once(
    ingest: Ingest, withdrawal: Any, order: list[tuple[str, int]]
) -> None:
    heard, topics = Heard(), []
    for print_, number in order:
        heard, effects = ingest.decide(heard, submission(withdrawal, print_, number))
        topics += [effect.topic for effect in effects]
    first = order[0][0]
    assert topics.count("observations") == 1
    assert topics.count("refusals") == sum(print_ != first for print_, _ in order)
    assert heard.repeats == sum(print_ == first for print_, _ in order) - 1
