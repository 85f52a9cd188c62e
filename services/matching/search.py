"""Candidates for one observation, each judged by the rules and weighed (POLICY 4.2 and 4.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.matching.blocking import number_keys, queries_of
from services.matching.cluster import Known, Person, View, views_of
from services.matching.compare import BornGrade, FamilyGrade, GivenGrade, NameComparer, NameGrade, born_grade
from services.matching.facts import NAMELESS, Observation, RecordKey
from services.matching.identity import NO_NUMBERS, Identity, Numbers
from services.matching.index import Index
from services.matching.model import Model
from services.matching.normalise import Name
from services.matching.rules import I4_ANOTHER_GIVEN, I4_AUTO, I4_REVIEW, I9, Evidence, Result, Verdict, judge, misfiled
from services.matching.weigh import Comparison, Part, home, presence, weigh

#: POLICY 4.2: what a weighted score may decide. I2, I3, I7 and I8 are never linked without a person.
WEIGHED = frozenset({"I4", "I6", "I9"})
#: What a council, or a measurement, may let the weights decide besides.
WEIGHABLE = WEIGHED | {"I7", "I8"}


@dataclass(frozen=True, slots=True)
class Assessed:
    """A candidate with the rule that fits best and its weight. ``doubted``: no weight may link it."""

    person: Person
    result: Result
    verdict: Verdict
    weight: int
    doubted: bool

    @property
    def reasons(self) -> tuple[str, ...]:
        return (self.verdict.rule, self.verdict.reason)


@dataclass(frozen=True, slots=True)
class Matcher:
    """What decides, apart from the index: names, weights, the types that cannot wait.

    ``weighed``: rules whose question the weights may answer with a link (POLICY 4.2). ``asks_given``: whether a reader
    must look where an identifier and the birth date agree and the given name is another.
    """

    names: NameComparer
    model: Model
    safeguarding_types: frozenset[str]
    weighed: frozenset[str] = WEIGHED
    asks_given: bool = True


@dataclass(slots=True)
class Pair:
    """An observation beside one record: ``mine`` and ``theirs`` are the names that fit best. ``clash``: a strong
    identifier does."""

    evidence: Evidence
    verdict: Verdict
    clash: bool
    mine: Name
    theirs: Name


def people_near(index: Index, seen: Observation) -> list[Person]:
    """Whom the observation may be about, by a reference or a key, but nobody whom an adoption or a decision bars."""
    found = dict.fromkeys(p for ref in seen.identity.refs for p in index.holders(ref) if not p.stub)
    found |= dict.fromkeys(index.candidates(queries_of(seen.identity, seen.named_provider)))
    return [p for p in found if p.adopted_on is None and not index.parted(seen.key, p)]


def certain_of(matcher: Matcher, index: Index, seen: Observation, near: Iterable[Person]) -> list[Assessed]:
    """Those of whom a rule is certain (AUTO), heaviest first: where one is, nobody asks about the others (POLICY 4.3).

    I4 and I5 alone are ever certain, so that nobody else is compared.
    """
    numbered = set(index.candidates(number_keys(seen.identity)))
    maybe = [person for person in near if person in numbered or _may_be_certain(seen, person)]
    return [a for a in assess_all(matcher, index, seen, maybe) if a.result is Result.AUTO]


def assess_all(matcher: Matcher, index: Index, seen: Observation, near: Iterable[Person]) -> list[Assessed]:
    """What is to be said of each, most certain first. Barred pairs are not among them."""
    out = [a for person in near if (a := assess(matcher, index, seen, person)) is not None]
    out.sort(key=lambda a: (-a.result, -a.weight, a.person.person_id))
    return out


def _may_be_certain(seen: Observation, person: Person) -> bool:
    """Whether a reference, or birth date and support are the same: what I4 and I5 ask for first, but an identifier."""
    mine, known = seen.identity, person.known
    assert known is not None
    if _supported(mine, known) and any(mine.born in view.born for view in known.views):
        return True
    return _refers(seen, known.keys, known.refs)


def assess(matcher: Matcher, index: Index, seen: Observation, person: Person) -> Assessed | None:
    """One candidate; None where nothing is to be said or a guard bars the pair."""
    known = person.known
    assert known is not None
    if matcher.names.strangers(seen.identity.names, known.names) and not _numbered_alike(seen, known):
        return None
    pairs = compared(matcher, seen, person, known)
    if pairs[-1].verdict.result is Result.BARRED:
        return None
    best = best_of(pairs)
    model = matcher.model
    measured = index.frequencies.people >= model.population_measured_min
    if best.verdict.result is Result.NONE and not (measured and worth_weighing(best.evidence)):
        return None
    comparison = comparison_of(seen.identity, pairs, known)
    weight = weigh(model, index.frequencies, comparison)
    ruled = with_weight(matcher, pairs, weight, measured)
    if ruled is None:
        return None
    result, verdict = ruled
    return Assessed(person, result, verdict, weight, any(doubts(seen, person, pairs, comparison, verdict)))


def _numbered_alike(seen: Observation, known: Known) -> bool:
    """Whether an identifier or a reference is the same: only these speak for a person of another given name."""
    if _refers(seen, known.keys, known.refs):
        return True
    mine = seen.identity.numbers
    return mine != NO_NUMBERS and any(_numbers(mine, view.numbers)[0] for view in known.views)


def _supported(mine: Identity, known: Known) -> bool:
    return mine.phone in known.phones or mine.email in known.emails or mine.postcode in known.postcodes


def told(matcher: Matcher, index: Index, seen: Observation, person: Person) -> tuple[str, ...]:
    """Every comparison for a reader: kind, grade, millibits against a stranger, and against one of the household."""
    known, parts = person.known, list[Part]()
    assert known is not None
    comparison = comparison_of(seen.identity, compared(matcher, seen, person, known), known)
    weigh(matcher.model, index.frequencies, comparison, parts)
    return tuple(f"{p.kind}:{p.grade}:{p.stranger}:{p.household}" for p in parts if p.grade != "missing")


def compared(matcher: Matcher, seen: Observation, person: Person, known: Known) -> list[Pair]:
    """The observation against each of the person's records, at least one. A barred pair is the last: it ends all."""
    mine = seen.identity
    support = _supported(mine, known)
    reference, same_postcode = _refers(seen, known.keys, known.refs), mine.postcode in known.postcodes
    provider = seen.named_provider is not None and seen.named_provider in person.enrolled
    numbered = mine.numbers != NO_NUMBERS
    pairs: list[Pair] = []
    for view in known.views:
        names, my_name, their_name = matcher.names.closest(mine.names, view.names)
        agree, clash = _numbers(mine.numbers, view.numbers) if numbered else (0, 0)
        evidence = Evidence(
            names=names,
            born=_born(mine, view),
            agree=agree > 0,
            clash=clash > 0,
            reference=reference,
            support=support,
            same_postcode=same_postcode,
            provider=provider,
        )
        verdict = judge(evidence)
        pairs.append(Pair(evidence, verdict, clash > 0, my_name, their_name))
        if verdict.result is Result.BARRED:
            break
    return pairs


def best_of(pairs: Sequence[Pair]) -> Pair:
    """The record that speaks most for the person."""
    if len(pairs) == 1:
        return pairs[0]
    return max(pairs, key=lambda p: (p.verdict.result, p.evidence.names.agrees, p.evidence.born))


def with_weight(matcher: Matcher, pairs: Sequence[Pair], weight: int, measured: bool) -> tuple[Result, Verdict] | None:
    """Where weights may speak, in a population large enough to know rare from common, they do."""
    model, best = matcher.model, best_of(pairs)
    verdict, clashes = best.verdict, any(pair.clash for pair in pairs)
    names = best.evidence.names
    if verdict is I4_AUTO and matcher.asks_given and names.given is GivenGrade.DIFFERENT and not names.swapped:
        verdict = I4_ANOTHER_GIVEN
    result = verdict.result
    if result is Result.AUTO and clashes:
        # Another record of this person shows a different number: somebody must look (POLICY 4.3).
        return Result.REVIEW, Verdict(verdict.rule, Result.REVIEW, "clash")
    if result is Result.NONE:
        asked = not clashes and weight >= model.review_millibits
        return (Result.REVIEW, Verdict(I9.rule, Result.REVIEW, "weighed")) if asked else None
    if measured and verdict.rule in _UNLIKELY and weight < model.review_millibits:
        return None
    return result, verdict


def doubts(
    seen: Observation, person: Person, pairs: Sequence[Pair], comparison: Comparison, verdict: Verdict
) -> Iterator[str]:
    """Why a reader must look whatever the weight: a number clashes (``clash``), the rest contradicts an identifier
    (``contradicted``), the ``names_alone`` agree, or the source keeps the two apart (``kept_apart``)."""
    if any(pair.clash for pair in pairs):
        yield "clash"
    if _contradicted(pairs):
        yield "contradicted"
    if verdict.rule == I9.rule and not comparison.corroborated:
        yield "names_alone"
    if not comparison.agree and _kept_apart(seen, person):
        yield "kept_apart"


def _kept_apart(seen: Observation, person: Person) -> bool:
    """The source has another record of this person, under another reference: to it they are two people."""
    if seen.ref is None or person.known is None:
        return False
    keys = person.known.keys
    return any(source == seen.source and ref != seen.ref and not ref.startswith(NAMELESS) for source, ref in keys)


def _contradicted(pairs: Sequence[Pair]) -> bool:
    """An identifier that agrees does not outweigh another given name or another birth date (MATCHING 4)."""
    best = best_of(pairs)
    if best.verdict.rule != I4_REVIEW.rule or best.evidence.names.swapped:
        return False
    return best.evidence.names.given.differs or all(pair.evidence.born is BornGrade.DIFFERENT for pair in pairs)


#: Rules whose question is not worth asking where the weight is low. An identifier that agrees or clashes always is.
_UNLIKELY = frozenset({"I6", "I7", "I8"})


def worth_weighing(e: Evidence) -> bool:
    """Where no rule fits: a record with another given name or birth date and nothing to make up for it is not."""
    if e.clash or (e.names.given <= GivenGrade.SIMILAR and not e.names.swapped):
        return False
    return e.names.family > FamilyGrade.DIFFERENT or e.support or e.born >= BornGrade.NEAR


def comparison_of(mine: Identity, pairs: Sequence[Pair], known: Known) -> Comparison:
    """All that is weighed of a record beside a person: the best of each kind among all that the person has shown."""
    best = best_of(pairs)
    agree, clash = kinds(mine.numbers, known)
    return Comparison(
        names=best.evidence.names,
        name=best.mine,
        other=best.theirs,
        born=max(pair.evidence.born for pair in pairs),
        born_on=mine.born,
        agree=agree or best.evidence.reference,
        clash=clash,
        home=home(mine.postcode, mine.address, known.postcodes, known.addresses),
        phone=presence(mine.phone, known.phones),
        email=presence(mine.email, known.emails),
    )


def kinds(mine: Numbers, known: Known) -> tuple[bool, int]:
    """Whether an identifier agrees with one that the person has shown, and how many kinds clash with all of them."""
    agree, clash = False, 0
    for kind, number in enumerate(mine):
        theirs = {view.numbers[kind] for view in known.views} if number is not None else set()
        if number in theirs and number is not None:
            agree = True
        elif theirs - {None}:
            clash += 1
    return agree, clash


def _refers(seen: Observation, keys: Sequence[RecordKey], refs: Sequence[RecordKey]) -> bool:
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
    if len(view.born) == 1:
        return born_grade(mine.born, view.born[0])
    return max(born_grade(mine.born, born) for born in view.born)


def is_misfiled(matcher: Matcher, seen: Observation, person: Person) -> bool:
    """Whether the source's own record of this person is about somebody else (the exception of I1)."""
    return all(_faces_differ(matcher, seen.identity, view) for view in own_views(person, seen.key))


def own_views(person: Person, key: RecordKey) -> Sequence[View]:
    """The record as its own source shows it."""
    return views_of(person.records_of(key))


def _faces_differ(matcher: Matcher, mine: Identity, view: View) -> bool:
    names: NameGrade = matcher.names.best(mine.names, view.names)
    return misfiled(names, _born(mine, view), _numbers(mine.numbers, view.numbers)[0] > 0)
