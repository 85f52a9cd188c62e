"""Candidates for one observation, each judged by the rules and weighed (POLICY 4.2 and 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.matching.blocking import queries_of
from services.matching.cluster import Known, Person, View, known_of
from services.matching.compare import BornGrade, GivenGrade, NameComparer, NameGrade, born_grade
from services.matching.facts import Observation, RecordKey
from services.matching.identity import Identity, Numbers
from services.matching.index import Index
from services.matching.model import Model
from services.matching.rules import I9, Evidence, Result, Verdict, judge, misfiled
from services.matching.weigh import Comparison, presence, weigh


@dataclass(frozen=True, slots=True)
class Assessed:
    """A candidate with the rule that fits best and its weight."""

    person: Person
    result: Result
    verdict: Verdict
    weight: int
    clash: bool

    @property
    def reasons(self) -> tuple[str, ...]:
        return (self.verdict.rule, self.verdict.reason)


@dataclass(frozen=True, slots=True)
class Matcher:
    """What decides, apart from the index: names, weights, the types that cannot wait."""

    names: NameComparer
    model: Model
    safeguarding_types: frozenset[str]


@dataclass(slots=True)
class Pair:
    """An observation beside one record. ``agree``, ``clash``: how many strong identifiers do."""

    evidence: Evidence
    verdict: Verdict
    agree: int
    clash: int


def assess_all(matcher: Matcher, index: Index, seen: Observation) -> list[Assessed]:
    """People whom the observation may be about, most certain first. Barred pairs are not among them."""
    found: dict[str, Person] = {}
    for ref in seen.identity.refs:
        for person in index.holders(ref):
            if not person.stub:
                found[person.person_id] = person
    for person in index.candidates(queries_of(seen.identity, seen.named_provider)):
        found.setdefault(person.person_id, person)
    out: list[Assessed] = []
    for person in found.values():
        if person.adopted_on is not None or index.parted(seen.key, person):
            continue
        assessed = assess(matcher, index, seen, person)
        if assessed is not None:
            out.append(assessed)
    out.sort(key=lambda a: (-a.result, -a.weight, a.person.person_id))
    return out


def assess(matcher: Matcher, index: Index, seen: Observation, person: Person) -> Assessed | None:
    """One candidate; None where nothing is to be said or a guard bars the pair."""
    known = person.known
    assert known is not None
    pairs = compared(matcher, seen, person, known)
    if pairs[-1].verdict.result is Result.BARRED:
        return None
    best = best_of(pairs)
    clashes = any(pair.clash for pair in pairs)
    model = matcher.model
    measured = index.frequencies.people >= model.population_measured_min
    if best.verdict.result is Result.NONE and not (measured and worth_weighing(best.evidence)):
        return None
    weight = weigh(model, index.frequencies, comparison_of(seen.identity, best, known))
    return _with_weight(model, person, best, weight, clashes, measured)


def compared(matcher: Matcher, seen: Observation, person: Person, known: Known) -> list[Pair]:
    """The observation against each of the person's records, at least one. A barred pair is the last: it ends all."""
    mine = seen.identity
    support = mine.phone in known.phones or mine.email in known.emails or mine.postcode in known.postcodes
    reference = _refers(seen, known.keys, known.refs)
    pairs: list[Pair] = []
    for view in known.views:
        names = matcher.names.best(mine.names, view.names)
        agree, clash = _numbers(mine.numbers, view.numbers)
        evidence = Evidence(
            names=names,
            born=_born(mine, view),
            agree=agree > 0,
            clash=clash > 0,
            reference=reference,
            support=support,
            same_postcode=mine.postcode in known.postcodes,
            provider=seen.named_provider is not None and seen.named_provider in person.enrolled,
        )
        verdict = judge(evidence)
        pairs.append(Pair(evidence, verdict, agree, clash))
        if verdict.result is Result.BARRED:
            break
    return pairs


def best_of(pairs: Sequence[Pair]) -> Pair:
    """The record that speaks most for the person."""
    return max(pairs, key=lambda p: (p.verdict.result, p.evidence.names.agrees, p.evidence.born))


def _with_weight(
    model: Model, person: Person, best: Pair, weight: int, clashes: bool, measured: bool
) -> Assessed | None:
    """Where weights may speak (I6 and I9, in a population large enough to know rare from common), they do."""
    verdict, result = best.verdict, best.verdict.result
    if result is Result.AUTO and clashes:
        # Another record of this person shows a different number: somebody must look (POLICY 4.3).
        result, verdict = Result.REVIEW, Verdict(verdict.rule, Result.REVIEW, "clash")
    elif verdict.rule == "I6" and measured and weight < model.review_millibits:
        return None
    elif result is Result.NONE:
        if best.clash or clashes or weight < model.unruled_review_millibits:
            return None
        result, verdict = Result.REVIEW, Verdict(I9.rule, Result.REVIEW, "weighed")
    return Assessed(person, result, verdict, weight, clashes)


def worth_weighing(e: Evidence) -> bool:
    """Where no rule fits: only a record with an agreeing given name and more is worth a reader's time."""
    if e.clash or e.names.given is GivenGrade.DIFFERENT:
        return False
    signs = (e.names.given >= GivenGrade.INITIAL) + e.names.agrees + (e.born is BornGrade.EQUAL) + e.support
    return signs >= 2 and (e.born is not BornGrade.DIFFERENT or e.support)


def comparison_of(mine: Identity, pair: Pair, known: Known) -> Comparison:
    """All that is weighed of a pair."""
    return Comparison(
        names=pair.evidence.names,
        name=mine.names[0],
        born=pair.evidence.born,
        born_on=mine.born,
        agree=pair.agree + pair.evidence.reference,
        clash=pair.clash,
        postcode=presence(mine.postcode, known.postcodes),
        address=presence(mine.address, known.addresses)[0],
        phone=presence(mine.phone, known.phones),
        email=presence(mine.email, known.emails),
    )


def _refers(seen: Observation, keys: frozenset[RecordKey], refs: frozenset[RecordKey]) -> bool:
    """A reference counts in both directions: it names a known record, or a known record names this one."""
    return (bool(refs) and seen.key in refs) or any(ref in keys for ref in seen.identity.refs)


def _numbers(mine: Numbers, theirs: Numbers) -> tuple[int, int]:
    agree = clash = 0
    for a, b in zip(mine, theirs, strict=True):
        if a is not None and b is not None:
            if a == b:
                agree += 1
            else:
                clash += 1
    return agree, clash


def _born(mine: Identity, view: View) -> BornGrade:
    if mine.born is None or not view.born:
        return BornGrade.MISSING
    return max(born_grade(mine.born, born) for born in view.born)


def is_misfiled(matcher: Matcher, seen: Observation, person: Person) -> bool:
    """Whether the source's own record of this person is about somebody else (the exception of I1)."""
    return all(_faces_differ(matcher, seen.identity, view) for view in own_views(person, seen.key))


def own_views(person: Person, key: RecordKey) -> Sequence[View]:
    """The record as its own source shows it."""
    return known_of(person.records_of(key)).views


def _faces_differ(matcher: Matcher, mine: Identity, view: View) -> bool:
    names: NameGrade = matcher.names.best(mine.names, view.names)
    return misfiled(names, _born(mine, view))
