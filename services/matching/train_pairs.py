"""What a model is trained on: a file's records beside people, compared as matching compares them, and counted.

Rows are resolved in order, as in the hub. Each record that is new to its source stands beside the people whom blocking
or a shared home finds, and beside some people picked blindly. Of a pair only its grades are kept, how rare the agreeing
values are, and which passes found it: never a value.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from services.matching import blocking
from services.matching.bulk import Bulk, Resolved, observation_of
from services.matching.cluster import Person
from services.matching.facts import Observation, RecordKey
from services.matching.identity import Identity
from services.matching.model import Model
from services.matching.search import Matcher, compared, comparison_of
from services.matching.weigh import Frequencies, Part, Value, rarity_millibits, weigh

#: Pairs of strangers are picked for each new record.
BLIND_PAIRS = 12
#: Of more people with one home or telephone, nobody is put beside a record: it is no household.
HOUSEHOLD_MAX = 12
#: Rarities of patterns are kept to the quarter of a bit, so that like pairs count together.
RARITY_STEP_MILLIBITS = 250
_HOME = frozenset({"home", "postcode", "address"})
_GIVEN, _FAMILY = frozenset({"given", "swapped"}), frozenset({"family", "swapped"})
#: A shared address, beside the passes of blocking.
ADDRESS = "a"
#: What a pass looks at, by the first letter of its keys: among pairs that it found, these kinds agree by selection.
LOOKS_AT: Mapping[str, frozenset[str]] = {
    "#": frozenset({"number"}),
    "d": frozenset({"born"}),
    "f": _FAMILY | {"born"},
    "g": _GIVEN | {"born"},
    "n": _GIVEN | _FAMILY,
    "y": _GIVEN | _FAMILY | {"born"},
    "p": _FAMILY | _HOME,
    "e": _FAMILY,
    "h": frozenset({"phone"}),
    "m": frozenset({"email"}),
    ADDRESS: _HOME,
}
#: The same with the passes that a register has besides (``register_keys``).
PASSES: Mapping[str, frozenset[str]] = {
    **LOOKS_AT,
    "b": _GIVEN | _FAMILY | {"born"},
    "s": _GIVEN | _FAMILY | _HOME,
    "q": _HOME,
    "o": _GIVEN | _FAMILY | _HOME | {"born"},
    "w": _GIVEN | _FAMILY,
    # These look at further columns besides, whose names follow the letter.
    "u": frozenset(),
    "x": frozenset(),
    "v": frozenset(),
    "z": _GIVEN | _FAMILY | {"born"},
}
#: Passes that make a household.
SHARED = frozenset({ADDRESS, "h"})
Seen = tuple[str, str, int]
Reviewed = Mapping[RecordKey, Mapping[RecordKey, bool]]


@dataclass(frozen=True, slots=True)
class Pattern:
    """All that is kept of a pair. ``rarity``: steps that its agreeing values are worth against a stranger.

    ``same``: a reader's word, or None. ``passes``: first letters of the passes that found it, with the column's name
    (``x:occupation``) where a pass looks at a further one.
    """

    grades: tuple[Seen, ...]
    rarity: int
    passes: frozenset[str]
    same: bool | None = None

    def free(self, kind: str, passes: frozenset[str] | None = None) -> bool:
        """Whether a pass, one of ``passes`` if they are named, found the pair without looking at ``kind``."""
        found = self.passes if passes is None else self.passes & passes
        return any(kind not in looks_at(one) for one in found)


@lru_cache(maxsize=256)
def looks_at(found: str) -> frozenset[str]:
    """Kinds of comparison that a pass selects by."""
    letter, *columns = found.split(":")
    return PASSES[letter].union(columns)


@dataclass(slots=True)
class Strangers:
    """Pairs picked blindly: how often each grade, and how often a value of each kind would be borne by chance."""

    pairs: int = 0
    grades: Counter[tuple[str, str]] = field(default_factory=Counter)
    borne: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class Pairs:
    """Pairs of one file, with their number. ``possible``: of each new record with each person known by then.

    ``households``: whether members of one household may be among them.
    """

    possible: int = 0
    households: bool = True
    patterns: Counter[Pattern] = field(default_factory=Counter)
    strangers: Strangers = field(default_factory=Strangers)
    reviewed_met: int = 0


@dataclass(slots=True)
class Gathering:
    """Reads rows one after the other. ``frequencies``: of the whole file, so that early rows count as late ones."""

    matcher: Matcher
    frequencies: Frequencies
    reviewed: Reviewed
    pairs: Pairs = field(default_factory=Pairs)
    _bulk: Bulk = field(init=False)
    _begun: list[str] = field(default_factory=list)
    _homes: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._bulk = Bulk(self.matcher)
        index = self._bulk.ledger.index
        for one, others in self.reviewed.items():
            for other, same in others.items():
                if same:
                    index.links[one] = other
                else:
                    index.part(one, other)

    def take(self, row: Mapping[str, str | None]) -> Resolved:
        """Raises RowRefused."""
        seen = observation_of(row, self._bulk.rows + 1)
        new = not self._bulk.ledger.index.holders(seen.key)
        found = list(self._found(seen)) if new else []
        blind = list(self._blind(seen)) if new else []
        self.pairs.possible += len(self._begun) if new else 0
        resolved = self._bulk.resolve(row)
        self.pairs.patterns.update(pattern for _, pattern in found)
        for person_id, parts in blind:
            if person_id != resolved.person_id:
                self.count_stranger(seen.identity, parts)
        self._remember(resolved, seen.identity)
        return resolved

    def _found(self, seen: Observation) -> Iterator[tuple[str, Pattern]]:
        index = self._bulk.ledger.index
        queries = blocking.queries_of(seen.identity, None)
        people = {person.person_id: person for person in index.candidates(queries)}
        for person_id in self._housed(seen.identity):
            if person_id in index.people and not index.people[person_id].stub:
                people.setdefault(person_id, index.people[person_id])
        for person in people.values():
            passes = passes_of(queries, seen.identity, person)
            if passes:
                same = self._word(seen.key, person)
                self.pairs.reviewed_met += same is not None
                yield person.person_id, self._pattern(seen, person, passes, same)

    def _pattern(self, seen: Observation, person: Person, passes: frozenset[str], same: bool | None) -> Pattern:
        return pattern_of(self.matcher.model, graded(self.matcher, self.frequencies, seen, person), passes, same)

    def _word(self, key: RecordKey, person: Person) -> bool | None:
        """What readers said, where they did not say both."""
        said = self.reviewed.get(key)
        words = {said[record.key] for record in person.records if record.key in said} if said else set()
        return words.pop() if len(words) == 1 else None

    def _blind(self, seen: Observation) -> Iterator[tuple[str, list[Part]]]:
        """People picked by a hash of the event: as good as chance, and the same tomorrow."""
        index, housed = self._bulk.ledger.index, set(self._housed(seen.identity))
        for number in range(BLIND_PAIRS if self._begun else 0):
            digest = hashlib.sha256(f"{seen.event_id}:{number}".encode()).digest()
            person = index.people.get(self._begun[int.from_bytes(digest[:8]) % len(self._begun)])
            if person is not None and not person.stub and person.person_id not in housed:
                yield person.person_id, graded(self.matcher, self.frequencies, seen, person)

    def count_stranger(self, mine: Identity, parts: Iterable[Part]) -> None:
        strangers = self.pairs.strangers
        strangers.pairs += 1
        for part in parts:
            strangers.grades[part.kind, part.grade] += part.times
            if part.grade != "missing":
                for of, share in self._chances(part.kind, mine):
                    strangers.borne[part.kind, of] += share

    def _chances(self, kind: str, mine: Identity) -> Iterator[tuple[str, int]]:
        """For each value of a kind: of a thousand million others, how many bear it."""
        for of, value in values_of(mine).items():
            if value is not None and of in self.matcher.model.rarity and of in rarities_of(kind):
                rarity = rarity_millibits(self.matcher.model, self.frequencies, of, value)
                yield of, round(1e9 * 2 ** (-rarity / 1000))

    def _remember(self, resolved: Resolved, mine: Identity) -> None:
        if resolved.decision == "new":
            self._begun.append(resolved.person_id)
        for shared in _shared(mine):
            people = self._homes.setdefault(shared, [])
            if resolved.person_id not in people:
                people.append(resolved.person_id)

    def _housed(self, mine: Identity) -> list[str]:
        lists = [self._homes.get(shared, []) for shared in _shared(mine)]
        return [person_id for people in lists if len(people) <= HOUSEHOLD_MAX for person_id in people]


def pattern_of(model: Model, parts: Iterable[Part], passes: frozenset[str], same: bool | None = None) -> Pattern:
    grades, rarity = [], 0
    for part in parts:
        row = model.grades[part.kind, part.grade]
        grades.append((part.kind, part.grade, part.times))
        if row.by_value:
            rarity += part.stranger - part.times * (row.same - row.stranger)
    return Pattern(tuple(grades), round(rarity / RARITY_STEP_MILLIBITS), passes, same)


def _shared(mine: Identity) -> Iterator[tuple[str, str]]:
    if mine.address is not None and mine.postcode is not None:
        yield ADDRESS, f"{mine.address} {mine.postcode}"
    if mine.phone is not None:
        yield "h", mine.phone


def graded(matcher: Matcher, frequencies: Frequencies, seen: Observation, person: Person) -> list[Part]:
    """The comparisons of a record with a person as they are weighed, without the prior."""
    assert person.known is not None
    pairs = compared(matcher, seen, person, person.known)
    parts: list[Part] = []
    weigh(matcher.model, frequencies, comparison_of(seen.identity, pairs, person.known), parts)
    return [part for part in parts if (part.kind, part.grade) in matcher.model.grades]


def passes_of(queries: Iterable[str], mine: Identity, person: Person) -> frozenset[str]:
    """First letters of the keys under which the person is found, and a shared address."""
    assert person.known is not None
    theirs = {key for face in person.faces() for key in blocking.keys_of(face.identity)}
    found = {key[0] for key in queries if key in theirs}
    if mine.address is not None and mine.address in person.known.addresses and mine.postcode in person.known.postcodes:
        found.add(ADDRESS)
    return frozenset(found)


def values_of(mine: Identity) -> dict[str, Value | None]:
    """Values whose frequency may count, by the names that the model's rarities have."""
    name = mine.names[0]
    return {
        "given": name.given.first if name.given else None,
        "family": name.family.joined if name.family else None,
        "born": mine.born,
        "postcode": mine.postcode,
        "address": mine.address,
        "phone": mine.phone,
        "email": mine.email,
        **dict(mine.further),
    }


def rarities_of(kind: str) -> tuple[str, ...]:
    """Names of the rarities that a kind of comparison draws on."""
    return ("address", "postcode") if kind == "home" else (kind,)
