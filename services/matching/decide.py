"""Who is it? One observation or human decision in, attributions and reviews out (POLICY section 4).

``decide`` changes the index and nothing else: no clock, no random, no I/O. The index of one population is the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from services.matching import acts
from services.matching.cluster import Face, Person, SourceRecord
from services.matching.facts import Fed, Linked, Matter, Observation, Separated, Suggested
from services.matching.index import Candidate, Index, Review, record_in
from services.matching.rows import Ledger, held_of, person_key, review_key
from services.matching.rules import Result
from services.matching.search import Assessed, Matcher, assess_all, certain_of, is_misfiled, people_near, told
from services.matching.steward import Store, link, release_stub, separate, store, suggest
from spine.record import Effect

#: A review shows at most this many candidates.
CANDIDATES_MAX = 10


def decide(matcher: Matcher, ledger: Ledger, stored: Store, fact: Matter) -> list[Effect]:
    """Effects of one fact. ``stored`` reads observations that were linked earlier; only a separation needs them."""
    return acts.at_once(_decided(matcher, ledger, stored, fact))


def _decided(matcher: Matcher, ledger: Ledger, stored: Store, fact: Matter) -> list[Effect]:
    match fact:
        case Observation():
            return observe(matcher, ledger, fact)
        case Linked():
            return link(ledger, stored, fact)
        case Separated():
            return separate(ledger, stored, fact)
        case Suggested():
            return suggest(matcher, ledger, fact)
        case Fed():
            return [acts.fed(fact)]
        case _:
            assert_never(fact)


def observe(matcher: Matcher, ledger: Ledger, seen: Observation) -> list[Effect]:
    index = ledger.index
    holders = [p for p in index.holders(seen.key) if not _adopted_away(p, seen)]
    own = [p for p in holders if not p.stub]
    for person in own:
        if any(record.shows(seen.identity) for record in person.records_of(seen.key)):
            return _keep(ledger, person, seen, "exact", None)
    mine = [p for p in own if not is_misfiled(matcher, seen, p)]
    stubs = [p for p in holders if p.stub and not is_misfiled(matcher, seen, p)]
    near = people_near(index, seen)
    if stubs:
        return _beside_stub(matcher, ledger, seen, stubs[0], mine, near)
    if mine:
        others = certain_of(matcher, index, seen, [p for p in near if p is not mine[0]])
        if others:
            return _hold(matcher, ledger, seen, "two_persons", [_own(mine[0], "I1"), *others])
        return _keep(ledger, mine[0], seen, "exact", None)
    if own:
        autos = certain_of(matcher, index, seen, near)
        if len(autos) == 1 and autos[0].person not in own:
            # The file is another's, and whose event it is has one sure answer (POLICY 4.3).
            return _keep(ledger, autos[0].person, seen, "exact", autos[0].weight)
        candidates = assess_all(matcher, index, seen, near)
        return _hold(matcher, ledger, seen, "misfiled", [_own(own[0], "misfiled"), *candidates])
    return _stranger(matcher, ledger, seen, near)


def _beside_stub(
    matcher: Matcher,
    ledger: Ledger,
    seen: Observation,
    stub: Person,
    mine: Sequence[Person],
    near: Sequence[Person],
) -> list[Effect]:
    """The source's record waits on a stub. A re-send that decides settles it; anything else joins it."""
    autos = certain_of(matcher, ledger.index, seen, near)
    certain = {a.person.person_id: a.person for a in autos} | {p.person_id: p for p in mine}
    if len(certain) == 1 and _resent(ledger, stub, seen):
        (person,) = certain.values()
        return _resend(ledger, seen, stub, person)
    return _join_stub(matcher, ledger, seen, stub, assess_all(matcher, ledger.index, seen, near))


def _stranger(matcher: Matcher, ledger: Ledger, seen: Observation, near: Sequence[Person]) -> list[Effect]:
    """A record that is not known by its reference."""
    index = ledger.index
    promised = index.links.get(seen.key)
    if promised is not None:
        people = [p for p in index.holders(promised) if not p.stub]
        if people:
            return _keep(ledger, people[0], seen, "human", None)
    autos = certain_of(matcher, index, seen, near)
    if len(autos) == 1:
        best = autos[0]
        waiting = _waiting_for(ledger, best.person, seen)
        if len(waiting) == 1:
            return _resend(ledger, seen, waiting[0], best.person)
        return _keep(ledger, best.person, seen, "exact", best.weight)
    candidates = assess_all(matcher, index, seen, near)
    if len(autos) > 1:
        return _hold(matcher, ledger, seen, "two_persons", candidates)
    reviews = [a for a in candidates if a.result is Result.REVIEW]
    if not reviews:
        return _begin(ledger, seen)
    certain = weighed(matcher, ledger, reviews)
    if certain is not None:
        return _keep(ledger, certain.person, seen, "weighed", certain.weight)
    return _hold(matcher, ledger, seen, reviews[0].verdict.reason, reviews)


def weighed(matcher: Matcher, ledger: Ledger, reviews: Sequence[Assessed]) -> Assessed | None:
    """The one candidate whom the weights decide where the rules would ask, far ahead of everybody else."""
    model = matcher.model
    if ledger.index.frequencies.people < model.population_measured_min:
        return None
    first, *rest = sorted(reviews, key=lambda a: (-a.weight, a.person.person_id))
    if rest and first.weight - rest[0].weight < model.gap_millibits:
        return None
    may = first.verdict.rule in matcher.weighed and not first.doubted
    return first if may and first.weight >= model.link_millibits(first.verdict.rule) else None


def _own(person: Person, rule: str) -> Candidate:
    return (person.person_id, 0, (rule, "same_reference"))


def _adopted_away(person: Person, seen: Observation) -> bool:
    """After an adoption the old file stays as it was: another name under the old reference is not put to it."""
    if person.adopted_on is None or seen.effective_on <= person.adopted_on:
        return False
    names = {name for face in person.faces() for name in face.identity.names}
    return not names.issuperset(seen.identity.names)


def _resent(ledger: Ledger, stub: Person, seen: Observation) -> bool:
    """Whether the same statement of the same source waits on the stub."""
    said = (seen.type, seen.effective_on)
    waiting = (held for record in stub.records if record.key[0] == seen.source for held in record.held)
    same = [held for held in waiting if (held.type, held.effective_on) == said]
    # Facts are opened here only, where two statements must be compared: otherwise they pass matching sealed.
    opened = ledger.codec.opened
    return bool(same) and any(opened(h.type, h.data) == opened(seen.type, seen.data) for h in same)


def _waiting_for(ledger: Ledger, person: Person, seen: Observation) -> list[Person]:
    """Stubs that may be this person and hold this statement. Many learners share one day and one set of facts, so the
    statement alone says nothing."""
    index = ledger.index
    asking = [review for review in index.reviews_about(person.person_id) if review.asks_about(person.person_id)]
    stubs = [index.people[review.person_id] for review in asking]
    return [stub for stub in stubs if stub.stub and _resent(ledger, stub, seen)]


def _face(seen: Observation) -> Face:
    return Face(seen.subject, round(seen.received_at.timestamp() * 1000), seen.identity)


def _begin(ledger: Ledger, seen: Observation) -> list[Effect]:
    """Nobody known: a new person."""
    person = Person(acts.person_id(seen.event_id))
    ledger.touch(person_key(ledger.index, person.person_id))
    ledger.index.add(person)
    return _keep(ledger, person, seen, "new", None)


def _keep(ledger: Ledger, person: Person, seen: Observation, how: str, weight: int | None) -> list[Effect]:
    """Give the observation to the person and remember what it showed."""
    index = ledger.index
    ledger.touch(person_key(index, person.person_id))
    record = record_in(person, seen.key)
    if record is None or not record.shows(seen.identity):
        record = index.show(person, seen.key, seen.event_id, _face(seen))
    if seen.enrols and seen.source not in person.enrolled:
        index.enrol(person, seen.source)
    if seen.adopted and (person.adopted_on is None or seen.effective_on < person.adopted_on):
        person.adopted_on = seen.effective_on
    store(ledger, record, seen.body)
    return [acts.linked(person, seen, how, weight)]


def _hold(
    matcher: Matcher,
    ledger: Ledger,
    seen: Observation,
    reason: str,
    candidates: Sequence[Assessed | Candidate],
) -> list[Effect]:
    """Put the observation on a stub of its own and ask."""
    index = ledger.index
    stub = Person(acts.person_id(seen.event_id), review_id=acts.review_id(seen.event_id))
    rows: dict[str, Candidate] = {}
    for entry in candidates:
        row = _asked(matcher, index, seen, entry) if isinstance(entry, Assessed) else entry
        rows.setdefault(row[0], row)
    review = Review(
        review_id=acts.review_id(seen.event_id),
        person_id=stub.person_id,
        record=seen.key,
        opened_at=seen.received_at,
        reason=reason,
        safeguarding=seen.type in matcher.safeguarding_types,
        candidates=tuple(rows.values())[:CANDIDATES_MAX],
    )
    ledger.touch(person_key(index, stub.person_id))
    ledger.touch(review_key(index, review.review_id))
    index.put_review(review)
    record = SourceRecord(seen.key, seen.event_id, [_face(seen)], 0, [held_of(seen.body)])
    stub.records.append(record)
    index.add(stub)
    return [acts.held(stub, seen, review), *acts.review_opened(index, review, seen.subject)]


def _join_stub(
    matcher: Matcher, ledger: Ledger, seen: Observation, stub: Person, candidates: Sequence[Assessed]
) -> list[Effect]:
    """One more event of a record that waits: same stub, same review."""
    index = ledger.index
    assert stub.review_id is not None
    review = index.reviews[stub.review_id]
    ledger.touch(person_key(index, stub.person_id))
    ledger.touch(review_key(index, review.review_id))
    index.remove(stub)
    record = record_in(stub, seen.key)
    assert record is not None
    if not record.shows(seen.identity):
        record.show(_face(seen))
    record.held.append(held_of(seen.body))
    index.add(stub)
    urgent = seen.type in matcher.safeguarding_types
    have = {candidate for candidate, _, _ in review.candidates}
    fresh = [_asked(matcher, index, seen, a) for a in candidates if a.person.person_id not in have]
    asked = (*review.candidates, *fresh)[: max(len(have), CANDIDATES_MAX)]
    news = replace(review, safeguarding=review.safeguarding or urgent, candidates=asked)
    effects = [acts.held(stub, seen, news)]
    if news != review:
        index.put_review(news)
        effects.append(acts.review_stands(index, news, stub.best_subject()))
    return effects


def _asked(matcher: Matcher, index: Index, seen: Observation, of: Assessed) -> Candidate:
    """A candidate as a reader is shown it, with what was weighed."""
    return (of.person.person_id, of.weight, of.reasons + told(matcher, index, seen, of.person))


def _resend(ledger: Ledger, seen: Observation, stub: Person, person: Person) -> list[Effect]:
    """The same statement again, now with an identity that decides: the held one was its duplicate."""
    effects = _keep(ledger, person, seen, "resend", None)
    return effects + release_stub(ledger, stub, person, seen.received_at, "resend")


def repeat(
    matcher: Matcher, ledger: Ledger, seen: Observation, person_id: str, candidate: Candidate | None
) -> list[Effect]:
    """As ``observe``, where an earlier run has decided: nobody is compared. ``candidate``: the best one of a review."""
    person = ledger.index.people.get(person_id)
    if person is None:
        return _hold(matcher, ledger, seen, "repeated", [candidate]) if candidate else _begin(ledger, seen)
    return _join_stub(matcher, ledger, seen, person, ()) if person.stub else _keep(ledger, person, seen, "exact", None)
