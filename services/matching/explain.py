"""Why two records would be linked, asked about or kept apart: every comparison with its weight, as it is decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.matching.bulk import Bulk
from services.matching.cluster import Known, Person
from services.matching.decide import observe
from services.matching.facts import Observation
from services.matching.identity import STRONG
from services.matching.rules import I4_REVIEW, Result, Verdict
from services.matching.search import (
    Matcher,
    Pair,
    best_of,
    compared,
    comparison_of,
    doubts,
    is_misfiled,
    with_weight,
    worth_weighing,
)
from services.matching.weigh import Frequencies, Part, weigh

SAME_REFERENCE = Verdict("I1", Result.AUTO, "same_reference")


@dataclass(frozen=True, slots=True)
class Explained:
    """``weight``: the lower of the two sums of ``parts``, in millibits. ``threshold``: what it had to reach for an
    automatic link, None where a rule decides whatever the weight. ``decision``: link, review or apart.

    ``guards``: name and words of what stands in the way of a link, or lets no weight speak.
    """

    parts: tuple[Part, ...]
    stranger: int
    household: int
    weight: int
    rule: Verdict
    threshold: int | None
    review_threshold: int | None
    decision: str
    how: str
    guards: tuple[tuple[str, str], ...]
    people: int


def explain(matcher: Matcher, one: Observation, other: Observation, frequencies: Frequencies) -> Explained:
    """``other`` as it would be decided if ``one`` were the only person known to it, in a population so large.

    The frequencies are counted on by what is decided; give a copy of those that are still needed.
    """
    bulk = Bulk(matcher)
    ledger, model = bulk.ledger, matcher.model
    observe(matcher, ledger, one)
    (person,) = ledger.index.people.values()
    ledger.index.frequencies = frequencies
    known = person.known
    assert known is not None
    people = frequencies.people
    pairs = compared(matcher, other, person, known)
    best = best_of(pairs)
    parts: list[Part] = []
    comparison = comparison_of(other.identity, pairs, known)
    weight = weigh(model, frequencies, comparison, parts)
    ruled = with_weight(matcher, pairs, weight, people >= model.population_measured_min)
    verdict = best.verdict if ruled is None or best.verdict.result is Result.BARRED else ruled[1]
    doubted = [(name, DOUBTS[name]) for name in doubts(other, person, pairs, comparison, verdict) if name in DOUBTS]
    guards = (*_guards(matcher, other, person, best, people), *doubted)
    rule = SAME_REFERENCE if any(name == SAME_REFERENCE.reason for name, _ in guards) else verdict
    threshold, review_threshold = _thresholds(matcher, rule, people)
    decision, how = _decision(observe(matcher, ledger, other)[0].fields)
    return Explained(
        parts=tuple(parts),
        stranger=sum(part.stranger for part in parts),
        household=sum(part.household for part in parts),
        weight=weight,
        rule=rule,
        threshold=threshold,
        review_threshold=review_threshold,
        decision=decision,
        how=how,
        guards=guards,
        people=people,
    )


def _thresholds(matcher: Matcher, verdict: Verdict, people: int) -> tuple[int | None, int | None]:
    model = matcher.model
    if people < model.population_measured_min or verdict.result is Result.AUTO or verdict.rule in ("I1", "I2", "I3"):
        return None, None
    return (
        model.link_millibits(verdict.rule) if verdict.rule in matcher.weighed else None,
        model.review_millibits if verdict.rule != "I4" else None,
    )


def _decision(fields: Mapping[str, object]) -> tuple[str, str]:
    if fields["act"] == "held":
        return "review", "held"
    return ("apart" if fields["how"] == "new" else "link"), str(fields["how"])


def _guards(matcher: Matcher, other: Observation, person: Person, best: Pair, people: int) -> Iterator[tuple[str, str]]:
    known = person.known
    assert known is not None
    if best.verdict.result is Result.BARRED:
        yield "twin", "same birth date, family name and postcode under another given name: never linked, never asked"
    for name in _clashing(other, known):
        yield "clash", f"both show a valid {name}, and not the same: no automatic link"
    if other.key in known.keys:
        if is_misfiled(matcher, other, person):
            yield "misfiled", "one reference of one source, but another given name and birth date: somebody must look"
        else:
            yield SAME_REFERENCE.reason, "one source's own reference of one record: linked without a weight"
    if best.verdict is I4_REVIEW:
        yield "identifier_only", "an identifier agrees, but name or birth date does not bear it out"
    if best.verdict.result is Result.NONE and not best.clash and not worth_weighing(best.evidence):
        yield "too_little", "too little agrees for a weight to count"
    if people < matcher.model.population_measured_min:
        yield "few_people", "too few people are known to say how rare a value is: the rules decide alone"


def _clashing(other: Observation, known: Known) -> list[str]:
    mine = other.identity.numbers
    return [
        name
        for n, name in enumerate(STRONG)
        if mine[n] and any(view.numbers[n] not in (None, mine[n]) for view in known.views)
    ]


#: Why somebody must look whatever the weight. A clash is told with the identifier's name.
DOUBTS = {
    "contradicted": "an identifier agrees under another given name or birth date: somebody must look",
    "names_alone": "nothing but the names agrees: somebody must look",
    "kept_apart": "the source has another record of this person, so to it they are two: somebody must look",
}
#: What was compared, and what came out, in words.
KINDS = {
    "given": "given name",
    "family": "family name",
    "swapped": "given and family name",
    "born": "birth date",
    "home": "home",
    "phone": "phone",
    "email": "e-mail",
    "number": "identifiers",
    "prior": "before comparing",
}
GRADES = {
    "similar": "similar, and no form of one name",
    "partly": "the same in part",
    "address": "the same address",
    "postcode": "the same postcode",
    "door": "the same postcode, another door",
    "district": "a postcode beside it",
    "exact": "the same",
    "equal": "the same",
    "alias": "one name in two forms",
    "initial": "an initial that fits",
    "near": "nearly the same",
    "part": "a part of a double name",
    "different": "different",
    "missing": "missing on a side",
    "swapped": "in each other's place",
    "agree": "agree",
    "clash": "clash",
    "prior": "how many others it could be",
}


def in_words(part: Part) -> str:
    """A comparison in words, without a value."""
    words = f"{KINDS[part.kind]}: {GRADES[part.grade]}"
    if part.times > 1:
        words += f" ({part.times} times)"
    lower = min(part.stranger, part.household)
    if part.grade == "missing" or lower == 0 == max(part.stranger, part.household):
        return f"{words}; says nothing"
    return f"{words}; {_bits(part.stranger)} against a stranger, {_bits(part.household)} against a sibling or twin"


def _bits(millibits: int) -> str:
    return f"{millibits / 1000:+.1f} bits"
