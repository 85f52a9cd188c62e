"""Human decisions about identity: they outlive what machines think, and each can be undone by another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.matching import acts
from services.matching.cluster import Person, SourceRecord
from services.matching.compare import BornGrade, born_grade
from services.matching.facts import Linked, RecordKey, Separated, Suggested
from services.matching.identity import Identity
from services.matching.index import Index, Review
from services.matching.rows import Ledger, person_key, review_key, stored_key
from services.matching.rules import Evidence, twin
from services.matching.search import Matcher
from spine.record import Effect

#: Reads observations that were linked earlier, by their row keys.
Store = Callable[[Sequence[str]], Mapping[str, bytes]]


def store(ledger: Ledger, record: SourceRecord, body: Mapping[str, Any]) -> None:
    """Keep an observation with its record, so that a wrong link can be taken apart later."""
    if ledger.keeps:
        ledger.stored[stored_key(record, record.stored)] = ledger.codec.write_observation(body)
    record.stored += 1


def link(ledger: Ledger, stored: Store, fact: Linked) -> list[Effect]:
    """Join a record, or the record behind a held message, to a person. Remembered if either is not known yet."""
    index = ledger.index
    waiting = index.waiting(*fact.message) if fact.message else None
    record = fact.record or (waiting.records[0].key if waiting else None)
    if record is None:
        return []
    _remember_link(ledger, record, fact.person)
    targets = [p for p in index.holders(fact.person) if not p.stub]
    sources = [waiting] if waiting else index.holders(record)
    if not targets or not sources:
        return []
    # Where events of the record wait, they are what was asked about. Somebody who bears the same reference may be the
    # right owner of a file into which these events were put by mistake, and stays as he is.
    asked = [p for p in sources if p.stub] or sources
    effects: list[Effect] = []
    for source in asked:
        if source is not targets[0]:
            effects += join(ledger, stored, source, targets[0], fact.decided_at)
    return effects


def _remember_link(ledger: Ledger, record: RecordKey, person: RecordKey) -> None:
    ledger.touch_link(record, person)
    ledger.index.links[record] = person
    if person in ledger.index.apart.get(record, ()):
        ledger.touch_apart(record, person)
        ledger.index.unpart(record, person)


def join(ledger: Ledger, stored: Store, source: Person, target: Person, at: datetime) -> list[Effect]:
    """Everything of ``source`` goes to ``target``; ``source`` is no more. Nothing is lost: each observation moves."""
    if source.stub:
        return release_stub(ledger, source, target, at, "linked")
    effects: list[Effect] = []
    for record in source.records:
        for body in _observations(ledger, stored, record):
            effects.append(acts.withdrawn(source.person_id, target.person_id, body, at))
            effects.append(acts.released(target.person_id, source.person_id, body, at, "human"))
    _take_over(ledger, source, target)
    effects += _close_suggestions(ledger, {source.person_id, target.person_id}, at, "linked", target)
    _rename_candidate(ledger, source.person_id, target.person_id)
    return effects


def _take_over(ledger: Ledger, source: Person, target: Person) -> None:
    index = ledger.index
    for person in (source, target):
        ledger.touch(person_key(index, person.person_id))
        index.remove(person)
    target.records += source.records
    target.enrolled |= source.enrolled
    dates = [p.adopted_on for p in (source, target) if p.adopted_on is not None]
    target.adopted_on = min(dates) if dates else None
    index.add(target)


def _rename_candidate(ledger: Ledger, old: str, new: str) -> None:
    """Open reviews about somebody who was joined to another are about the other."""
    index = ledger.index
    for review in index.reviews_about(old):
        ledger.touch(review_key(index, review.review_id))
        twice = review.asks_about(new) or review.person_id == new
        others = [c for c in review.candidates if c[0] != old or not twice]
        index.put_review(
            replace(
                review,
                person_id=new if review.person_id == old else review.person_id,
                candidates=tuple((new if c[0] == old else c[0], c[1], c[2]) for c in others),
            )
        )


def release_stub(ledger: Ledger, stub: Person, target: Person, at: datetime, outcome: str) -> list[Effect]:
    """What was held belongs to ``target``, known from ``at``; the review is closed."""
    index = ledger.index
    assert stub.review_id is not None
    review, subject = index.reviews[stub.review_id], stub.best_subject()
    how = "resend" if outcome == "resend" else "human"
    for key in (person_key(index, stub.person_id), person_key(index, target.person_id)):
        ledger.touch(key)
    ledger.touch(review_key(index, review.review_id))
    index.remove(stub)
    index.remove(target)
    effects: list[Effect] = []
    for held in acts.in_order([h for record in stub.records for h in record.held]):
        effects.append(acts.withdrawn(stub.person_id, target.person_id, held.body, at, review))
        effects.append(acts.released(target.person_id, stub.person_id, held.body, at, how, review))
    _settle_records(ledger, stub)
    target.records += stub.records
    index.add(target)
    index.drop_review(review.review_id)
    return effects + acts.review_closed(index, review, subject, at, outcome, target.person_id)


def _settle_records(ledger: Ledger, stub: Person) -> None:
    for record in stub.records:
        for held in acts.in_order(record.held):
            store(ledger, record, held.body)
        record.held = []


def separate(ledger: Ledger, stored: Store, fact: Separated) -> list[Effect]:
    """Two people: remembered for ever, and whatever joined them is undone."""
    index = ledger.index
    if fact.record != fact.person:
        # One reference on both sides says only: what waits was put into the wrong file.
        ledger.touch_apart(fact.record, fact.person)
        index.part(fact.record, fact.person)
    if index.links.get(fact.record) == fact.person:
        ledger.touch_link(fact.record, fact.person)
        del index.links[fact.record]
    effects: list[Effect] = []
    for person in index.holders(fact.record):
        together = not person.stub and any(True for _ in person.records_of(fact.person))
        if together and fact.record != fact.person:
            effects += _split(ledger, stored, person, fact)
        elif person.stub:
            effects += _settle_stub(ledger, person, fact)
    ids = {p.person_id for p in index.holders(fact.record)} | {p.person_id for p in index.holders(fact.person)}
    return effects + _close_suggestions(ledger, ids, fact.decided_at, "separated", None)


def _split(ledger: Ledger, stored: Store, person: Person, fact: Separated) -> list[Effect]:
    """Take the record out of the person; it becomes a person of its own."""
    index = ledger.index
    fresh = Person(acts.person_id(f"{fact.event_id}:{person.person_id}"))
    ledger.touch(person_key(index, person.person_id))
    ledger.touch(person_key(index, fresh.person_id))
    index.remove(person)
    fresh.records = list(person.records_of(fact.record))
    person.records = [record for record in person.records if record.key != fact.record]
    if fact.record[0] in person.enrolled and not any(r.key[0] == fact.record[0] for r in person.records):
        person.enrolled.discard(fact.record[0])
        fresh.enrolled.add(fact.record[0])
    index.add(person)
    index.add(fresh)
    effects: list[Effect] = []
    for record in fresh.records:
        for body in _observations(ledger, stored, record):
            effects.append(acts.withdrawn(person.person_id, fresh.person_id, body, fact.decided_at))
            effects.append(acts.released(fresh.person_id, person.person_id, body, fact.decided_at, "human"))
    return effects


def _settle_stub(ledger: Ledger, stub: Person, fact: Separated) -> list[Effect]:
    """The stub is not that person."""
    assert stub.review_id is not None
    review = ledger.index.reviews[stub.review_id]
    barred = {p.person_id for p in ledger.index.holders(fact.person)}
    return narrow(ledger, stub, review, barred, fact.decided_at, "separated")


def narrow(ledger: Ledger, stub: Person, review: Review, barred: set[str], at: datetime, outcome: str) -> list[Effect]:
    """The stub is none of ``barred``. While others may be it, the review stays; else the stub is somebody new."""
    index = ledger.index
    if not barred & {candidate for candidate, _, _ in review.candidates}:
        return []
    ledger.touch(review_key(index, review.review_id))
    left = tuple(c for c in review.candidates if c[0] not in barred and c[0] in index.people)
    if left:
        review = replace(review, candidates=left)
        index.put_review(review)
        return [acts.review_stands(index, review, stub.best_subject())]
    ledger.touch(person_key(index, stub.person_id))
    index.remove(stub)
    effects = [
        acts.released(stub.person_id, None, held.body, at, "human", review)
        for held in acts.in_order([h for record in stub.records for h in record.held])
    ]
    _settle_records(ledger, stub)
    stub.review_id = None
    index.add(stub)
    index.drop_review(review.review_id)
    return effects + acts.review_closed(index, review, stub.best_subject(), at, outcome, None)


def suggest(matcher: Matcher, ledger: Ledger, fact: Suggested) -> list[Effect]:
    """Ask whether two people are one, unless a guard or an earlier decision bars the pair. Never joins them."""
    index = ledger.index
    one = next((p for p in index.holders(fact.one) if not p.stub), None)
    other = next((p for p in index.holders(fact.other) if not p.stub), None)
    if one is None or other is None or one is other or not _may_suggest(matcher, ledger, one, other):
        return []
    if any(r.person_id in (one.person_id, other.person_id) for r in _asked_of_both(index, one, other)):
        return []
    review = Review(
        review_id=acts.review_id(fact.event_id),
        person_id=one.person_id,
        record=fact.one,
        opened_at=fact.asked_at,
        reason="suggested",
        safeguarding=False,
        candidates=((other.person_id, 0, ("suggested",)),),
    )
    ledger.touch(review_key(index, review.review_id))
    index.put_review(review)
    return acts.review_opened(index, review, one.best_subject(), other.person_id)


def _asked_of_both(index: Index, one: Person, other: Person) -> list[Review]:
    both = index.reviews_about(other.person_id)
    return [review for review in index.reviews_about(one.person_id) if review in both]


def _may_suggest(matcher: Matcher, ledger: Ledger, one: Person, other: Person) -> bool:
    if one.adopted_on is not None or other.adopted_on is not None:
        return False
    if any(ledger.index.parted(record.key, other) for record in one.records):
        return False
    pairs = [(a.identity, b.identity) for a in one.faces() for b in other.faces()]
    return not any(_clash(a.numbers, b.numbers) or _twins(matcher, a, b) for a, b in pairs)


def _clash(mine: Sequence[str | None], theirs: Sequence[str | None]) -> bool:
    return any(a is not None and b is not None and a != b for a, b in zip(mine, theirs, strict=True))


def _twins(matcher: Matcher, mine: Identity, theirs: Identity) -> bool:
    born = born_grade(mine.born, theirs.born)
    if born is not BornGrade.EQUAL:
        return False
    same_postcode = mine.postcode is not None and mine.postcode == theirs.postcode
    return twin(Evidence(matcher.names.best(mine.names, theirs.names), born, same_postcode=same_postcode))


def _close_suggestions(
    ledger: Ledger, people: set[str], at: datetime, outcome: str, target: Person | None
) -> list[Effect]:
    index = ledger.index
    effects: list[Effect] = []
    asked = {review.review_id: review for person_id in people for review in index.reviews_about(person_id)}
    for _, review in sorted(asked.items()):
        pair = {review.person_id, *(candidate for candidate, _, _ in review.candidates)}
        if review.reason == "suggested" and pair <= people:
            ledger.touch(review_key(index, review.review_id))
            index.drop_review(review.review_id)
            of = index.people.get(review.person_id) or target
            subject = of.best_subject() if of else b""
            effects += acts.review_closed(index, review, subject, at, outcome, target.person_id if target else None)
    return effects


def _observations(ledger: Ledger, stored: Store, record: SourceRecord) -> list[Mapping[str, Any]]:
    """Stored observations of a record in the order in which they were received."""
    keys = [stored_key(record, n) for n in range(record.stored)]
    found = dict(stored([key for key in keys if key not in ledger.stored])) | ledger.stored
    assert all(key in found for key in keys), "a stored observation is missing"
    bodies = [ledger.codec.read_observation(found[key]) for key in keys]
    return sorted(bodies, key=lambda body: (body["received_at"], body["message_id"]))
