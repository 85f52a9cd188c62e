"""Erasing a person from an index: their records, what was kept of them, and every review that shows them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.matching import acts
from services.matching.cluster import Person
from services.matching.index import Review
from services.matching.rows import Ledger, keys_in, person_key, review_key, stored_key
from services.matching.steward import narrow
from spine.record import Effect

ERASED = "erased.v1"
_PASSED_ON = ("erasure_id", "person_id", "at", "ground")


@dataclass(frozen=True, slots=True)
class Erasing:
    """The order as it stands on the log."""

    person_id: str
    at: datetime
    refs: tuple[str, ...]
    fields: Mapping[str, Any]


def erasing(fields: Mapping[str, Any]) -> Erasing:
    return Erasing(fields["person_id"], fields["at"], tuple(fields["refs"]), fields)


def erase(ledger: Ledger, order: Erasing) -> list[Effect]:
    """Forget the person; nothing is said where this index never knew them.

    Whoever was asked about beside them is asked about no longer; a stub that only they could have been becomes a
    person of its own. Human decisions that name one of their records go with them.
    """
    index = ledger.index
    person = index.people.get(order.person_id)
    if person is None:
        return []
    effects: list[Effect] = []
    closed: list[str] = []
    for review in index.reviews_about(person.person_id):
        effects += _unasked(ledger, person, review, order.at, closed)
    row = ledger.body(person_key(index, person.person_id)) or b'{"r":[]}'
    ledger.touch(person_key(index, person.person_id))
    ledger.dropped |= {stored_key(record, n) for record in person.records for n in range(record.stored)}
    index.remove(person)
    _forget_decisions(ledger, person)
    refs = sorted({*order.refs, *keys_in(row)})
    said = {**{name: order.fields[name] for name in _PASSED_ON}, "refs": refs, "choices": [], "reviews": closed}
    effects.append(Effect("attributions", person.person_id, ERASED, said))
    return effects + [Effect("reviews", review_id, ERASED, {**said, "reviews": [review_id]}) for review_id in closed]


def _unasked(ledger: Ledger, person: Person, review: Review, at: datetime, closed: list[str]) -> list[Effect]:
    index = ledger.index
    about = index.people.get(review.person_id)
    if review.person_id != person.person_id and about is not None and about.stub:
        return narrow(ledger, about, review, {person.person_id}, at, "separated")
    # The person's own review, or the question whether they and another are one: there is nothing left to ask.
    ledger.touch(review_key(index, review.review_id))
    index.drop_review(review.review_id)
    closed.append(review.review_id)
    if about is None or about is person:
        others = [index.people.get(candidate) for candidate, _, _ in review.candidates]
        told = [other.person_id for other in others if other is not None and review.reason == "suggested"]
    else:
        told = [about.person_id]
    return [acts.asked_no_longer(one, review, at) for one in told]


def _forget_decisions(ledger: Ledger, person: Person) -> None:
    """Links and separations name records by the source's own reference. Those that another also bears stay."""
    index = ledger.index
    gone = {record.key for record in person.records if not index.holders(record.key)}
    for key, (one, other) in sorted(ledger.pairs.items()):
        if not gone & {one, other}:
            continue
        ledger.touch(key)
        if key.startswith("l:"):
            index.links.pop(one, None)
        else:
            index.unpart(one, other)
