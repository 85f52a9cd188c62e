"""What matching says: attributions about a person, and reviews. Ids here are opaque and stable."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.matching.cluster import Held, Person
from services.matching.facts import Fed, Observation
from services.matching.index import Candidate, Index, Review
from spine.record import Effect


def person_id(event_id: str) -> str:
    """Id of the person or stub that began with this observation."""
    return "p-" + hashlib.sha256(event_id.encode()).hexdigest()[:20]


def review_id(event_id: str) -> str:
    return "r-" + hashlib.sha256(event_id.encode()).hexdigest()[:20]


#: What stands under this is a partner's feed, not a person.
FEED = "feed:"


def feed_id(feed: str) -> str:
    """Id under which a feed is decided."""
    return FEED + hashlib.sha256(feed.encode()).hexdigest()[:20]


def _act(person: str, act: str, known_at: datetime, **fields: Any) -> Effect:
    body: dict[str, Any] = {"person_id": person, "act": act, "known_at": known_at, **fields}
    return Effect("attributions", person, "attribution.v1", body)


#: Acts that give or take an observation.
_MOVES = frozenset({"linked", "held", "released", "withdrawn"})


def at_once(effects: list[Effect]) -> list[Effect]:
    """The same effects; of what one decision gives to one person or takes, all but the last say that more follows.

    A file that goes over whole is known from one moment: nobody may conclude anything from half of it (POLICY P4).
    """
    if len(effects) < 2:
        return effects
    followed: set[str] = set()
    told: list[Effect] = []
    for effect in reversed(effects):
        if effect.kind == "attribution.v1" and effect.fields["act"] in _MOVES:
            if effect.key in followed:
                effect = replace(effect, kind="attribution.v2", fields={**effect.fields, "more": True})
            followed.add(effect.key)
        told.append(effect)
    told.reverse()
    return told


def linked(person: Person, seen: Observation, how: str, weight: int | None) -> Effect:
    return _act(
        person.person_id,
        "linked",
        seen.received_at,
        how=how,
        weight_millibits=weight,
        observation_id=seen.event_id,
        observation=seen.body,
    )


def fed(seen: Fed) -> Effect:
    """About a feed, not about a person: under ``feed:``, so that rule A40 has a place to stand. By the name's hash:
    what a partner wrote as the name of a feed must not stand in clear as a key on the topics."""
    return _act(
        feed_id(seen.feed),
        "linked",
        seen.received_at,
        how="exact",
        observation_id=seen.event_id,
        observation=seen.body,
    )


def held(stub: Person, seen: Observation, review: Review) -> Effect:
    return _act(
        stub.person_id,
        "held",
        seen.received_at,
        how="held",
        review_id=review.review_id,
        safeguarding=review.safeguarding,
        weight_millibits=review.candidates[0][1] if review.candidates else None,
        observation_id=seen.event_id,
        observation=seen.body,
    )


def withdrawn(
    from_person: str, to_person: str, body: Mapping[str, Any], at: datetime, review: Review | None = None
) -> Effect:
    return _act(
        from_person,
        "withdrawn",
        at,
        other_person=to_person,
        review_id=review.review_id if review else None,
        safeguarding=review.safeguarding if review else False,
        observation_id=body["event_id"],
    )


def released(
    to_person: str,
    from_person: str | None,
    body: Mapping[str, Any],
    at: datetime,
    how: str,
    review: Review | None = None,
) -> Effect:
    return _act(
        to_person,
        "released",
        at,
        other_person=from_person,
        review_id=review.review_id if review else None,
        safeguarding=review.safeguarding if review else False,
        how=how,
        observation_id=body["event_id"],
        observation=body,
    )


def review_opened(index: Index, review: Review, subject: bytes, other: str | None = None) -> list[Effect]:
    act = _act(
        review.person_id,
        "review_opened",
        review.opened_at,
        other_person=other,
        review_id=review.review_id,
        safeguarding=review.safeguarding,
    )
    return [act, review_stands(index, review, subject)]


def review_stands(index: Index, review: Review, subject: bytes) -> Effect:
    """The review as a reader should see it now."""
    return _review(index, review, subject, "open", None, "")


def review_closed(
    index: Index, review: Review, subject: bytes, at: datetime, outcome: str, other: str | None
) -> list[Effect]:
    act = _act(
        review.person_id,
        "review_closed",
        at,
        other_person=other,
        review_id=review.review_id,
        safeguarding=review.safeguarding,
        how="resend" if outcome == "resend" else "human",
    )
    return [act, _review(index, review, subject, "closed", at, outcome)]


def asked_no_longer(person: str, review: Review, at: datetime) -> Effect:
    """The question whether they are somebody who was erased is gone with the other."""
    return _act(person, "review_closed", at, review_id=review.review_id, safeguarding=review.safeguarding, how="human")


def _review(
    index: Index, review: Review, subject: bytes, state: str, closed_at: datetime | None, outcome: str
) -> Effect:
    source, ref = review.record
    fields: dict[str, Any] = {
        "review_id": review.review_id,
        "state": state,
        "authority": index.population.removesuffix(TEST_SUFFIX),
        "person_id": review.person_id,
        "source": source,
        "source_ref": None if ref.startswith("~") else ref,
        "opened_at": review.opened_at,
        "closed_at": closed_at,
        "safeguarding": review.safeguarding,
        "reason": review.reason,
        "subject": subject,
        "candidates": _candidates(index, review.candidates),
        "outcome": outcome,
        "test": index.population.endswith(TEST_SUFFIX),
        "message_id": _message(index, review) if ref.startswith("~") else None,
    }
    return Effect("reviews", review.review_id, "review.v1", fields)


def _candidates(index: Index, candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    rows = []
    for candidate, weight, reasons in candidates:
        person = index.people.get(candidate)
        if person is not None and person.records:
            rows.append(
                {
                    "person_id": candidate,
                    "weight_millibits": weight,
                    "reasons": list(reasons),
                    "subject": person.best_subject(),
                    **_named(person),
                }
            )
    return rows


def _named(person: Person) -> dict[str, str | None]:
    """A record by which a steward's decision can name the person."""
    source, ref = min((r.key for r in person.records if not r.key[1].startswith("~")), default=("", None))
    return {"source": source, "source_ref": ref}


def _message(index: Index, review: Review) -> str | None:
    """The held message that names a record without a reference of its own."""
    stub = index.people.get(review.person_id)
    waiting = [held.message_id for record in stub.records for held in record.held] if stub else []
    return min(waiting, default=None)


#: Test observations meet only test observations: their population is the authority with this suffix.
TEST_SUFFIX = "~test"


def in_order(waiting: Sequence[Held]) -> list[Held]:
    """Held observations in the order in which they were received."""
    return sorted(waiting, key=lambda h: (h.received_at, h.message_id))
