"""How good a resolution is, measured against the truth: pairs, B³, false merges, merged twins, by group, by threshold.

A record that waits for a reader stands with its stub: an unanswered question is a miss, not a merge. All counts are
whole numbers and none depends on the order of the records.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

Groups = tuple[tuple[str, str], ...]
PER_PEOPLE = 10_000


@dataclass(frozen=True, slots=True)
class Placed:
    """One record: who it truly is about (``truth``), and where it was put (``person``).

    ``weight``: millibits of the link, or of the best of the ``candidates`` of a review; None where no weight was asked.
    ``groups``: name and value, one value a name, of the person whom it is about. People with one ``household`` live
    together, those with one ``twins`` were also born together; empty: not told.
    """

    truth: str
    person: str
    source: str
    decision: str = "link"
    weight: int | None = None
    candidates: tuple[str, ...] = ()
    groups: Groups = ()
    household: str = ""
    twins: str = ""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of records: put together (``joined``), of one person (``wanted``), and both (``right``)."""

    right: int
    joined: int
    wanted: int

    @property
    def precision(self) -> float:
        """1 where nothing was put together: nothing was put together wrongly."""
        return self.right / self.joined if self.joined else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.wanted if self.wanted else 1.0

    @property
    def f1(self) -> float:
        return harmonic(self.precision, self.recall)

    def __sub__(self, other: Pairs) -> Pairs:
        return Pairs(self.right - other.right, self.joined - other.joined, self.wanted - other.wanted)


@dataclass(frozen=True, slots=True)
class BCubed:
    """Mean over records: of its cluster, the share that is its person; of its person, the share in its cluster."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        return harmonic(self.precision, self.recall)


@dataclass(frozen=True, slots=True)
class Mates:
    """Pairs of people of one household: how many there are, and how many stand in one cluster."""

    merged: int
    pairs: int


@dataclass(frozen=True, slots=True)
class Group:
    """``pairs`` that touch a record of the group; ``mixed``: its people whose records stand with somebody else's."""

    name: str
    value: str
    records: int
    people: int
    reviews: int
    pairs: Pairs
    mixed: int

    @property
    def review_share(self) -> float:
        return self.reviews / self.records if self.records else 0.0

    @property
    def mixed_per_10000(self) -> float:
        return self.mixed * PER_PEOPLE / self.people if self.people else 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """``false_merges``: people too many in the clusters, so that three people in one cluster count two."""

    records: int
    people: int
    clusters: int
    pairs: Pairs
    cross_source: Pairs
    b_cubed: BCubed
    false_merges: int
    twins: Mates
    siblings: Mates
    reviews: int
    groups: tuple[Group, ...]

    @property
    def false_merges_per_10000(self) -> float:
        return self.false_merges * PER_PEOPLE / self.people if self.people else 0.0

    @property
    def review_share(self) -> float:
        return self.reviews / self.records if self.records else 0.0


def harmonic(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def pairs_in(n: int) -> int:
    return n * (n - 1) // 2


def measure(rows: Sequence[Placed]) -> Measured:
    """All measures of a resolution in which reviews wait. ``answered`` gives the one in which they do not."""
    table = Counter((row.person, row.truth) for row in rows)
    all_pairs = _pairs(rows)
    by_source: dict[str, list[Placed]] = defaultdict(list)
    for row in rows:
        by_source[row.source].append(row)
    cross = all_pairs
    for _, of_source in sorted(by_source.items()):
        cross -= _pairs(of_source)
    twins, siblings = _mates(rows, table)
    people = len({row.truth for row in rows})
    clusters = len({row.person for row in rows})
    return Measured(
        records=len(rows),
        people=people,
        clusters=clusters,
        pairs=all_pairs,
        cross_source=cross,
        b_cubed=_b_cubed(rows, table),
        false_merges=len(table) - clusters,
        twins=twins,
        siblings=siblings,
        reviews=sum(row.decision == "review" for row in rows),
        groups=tuple(_groups(rows, table)),
    )


def answered(rows: Sequence[Placed]) -> list[Placed]:
    """The same with every review answered rightly: the record goes to the candidates that are its person, as one.

    A reader sees all candidates side by side; where two of them are the person, they are joined. A right answer is
    never "the same" for a candidate whose records are mostly somebody else's.
    """
    owners = _owners(rows)
    joined: dict[str, str] = {}

    def of(person: str) -> str:
        while person in joined:
            person = joined[person]
        return person

    for row in rows:
        if row.decision != "review":
            continue
        people = {of(c) for c in row.candidates if owners.get(c) == row.truth}
        if people:
            first = min(people)
            joined.update((person, first) for person in {*people, of(row.person)} if person != first)
    return [replace(row, person=of(row.person)) for row in rows]


def found(rows: Sequence[Placed]) -> int:
    """Reviews in which the person is among the candidates."""
    owners = _owners(rows)
    return sum(row.decision == "review" and any(owners.get(c) == row.truth for c in row.candidates) for row in rows)


def _owners(rows: Sequence[Placed]) -> dict[str, str]:
    """Whose most of a cluster's records are; the first by name where two are equal."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row.decision != "review":
            counts[row.person][row.truth] += 1
    return {person: min(of, key=lambda truth: (-of[truth], truth)) for person, of in counts.items()}


def _pairs(rows: Iterable[Placed]) -> Pairs:
    clusters, truths, both = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    for row in rows:
        clusters[row.person] += 1
        truths[row.truth] += 1
        both[row.person, row.truth] += 1
    return Pairs(
        sum(map(pairs_in, both.values())), sum(map(pairs_in, clusters.values())), sum(map(pairs_in, truths.values()))
    )


def _b_cubed(rows: Sequence[Placed], table: Mapping[tuple[str, str], int]) -> BCubed:
    if not rows:
        return BCubed(1.0, 1.0)
    clusters, truths = Counter(row.person for row in rows), Counter(row.truth for row in rows)
    # fsum is exact before it rounds, so that the order of the records cannot show.
    precision = math.fsum(n * n / clusters[person] for (person, _), n in table.items()) / len(rows)
    recall = math.fsum(n * n / truths[truth] for (_, truth), n in table.items()) / len(rows)
    return BCubed(precision, recall)


def _mates(rows: Iterable[Placed], table: Mapping[tuple[str, str], int]) -> tuple[Mates, Mates]:
    """Twins, and people of one household who are no twins."""
    twin_sets, households = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for row in rows:
        if row.twins:
            twin_sets[row.twins].add(row.truth)
        if row.household:
            households[row.household].add(row.truth)
    twins = _couples(twin_sets)
    siblings = _couples(households) - twins
    together: set[tuple[str, str]] = set()
    members: dict[str, list[str]] = defaultdict(list)
    for person, truth in table:
        members[person].append(truth)
    for of in members.values():
        together.update((min(pair), max(pair)) for pair in combinations(of, 2))
    return Mates(len(twins & together), len(twins)), Mates(len(siblings & together), len(siblings))


def _couples(sets: Mapping[str, set[str]]) -> set[tuple[str, str]]:
    return {couple for members in sets.values() for couple in combinations(sorted(members), 2)}


def _groups(rows: Sequence[Placed], table: Mapping[tuple[str, str], int]) -> Iterable[Group]:
    whole = _pairs(rows)
    sharing = Counter(person for person, _ in table)
    mixed = {truth for person, truth in table if sharing[person] > 1}
    names = sorted({group for row in rows for group in row.groups})
    for name, value in names:
        inside = [row for row in rows if (name, value) in row.groups]
        outside = (row for row in rows if (name, value) not in row.groups)
        people = {row.truth for row in inside}
        reviews = sum(row.decision == "review" for row in inside)
        pairs = whole - _pairs(outside)
        yield Group(name, value, len(inside), len(people), reviews, pairs, len(people & mixed))


@dataclass(frozen=True, slots=True)
class Point:
    """What would stand if exactly the links and best candidates of at least ``threshold`` millibits were made."""

    threshold: int
    pairs: Pairs
    false_merges: int


class _Clusters:
    """Clusters that grow by one record at a time, with their pairs."""

    def __init__(self) -> None:
        self.right = self.joined = self.false_merges = 0
        self._sizes = Counter[str]()
        self._both = Counter[tuple[str, str]]()
        self._kinds = Counter[str]()

    def put(self, person: str, truth: str) -> None:
        self.joined += self._sizes[person]
        self.right += self._both[person, truth]
        if not self._both[person, truth]:
            self.false_merges += self._kinds[person] > 0
            self._kinds[person] += 1
        self._sizes[person] += 1
        self._both[person, truth] += 1


def curve(rows: Sequence[Placed], points_max: int = 200) -> list[Point]:
    """Precision and recall over the automatic threshold, from the highest down; at most ``points_max`` points.

    An estimate from one run: each record is linked to the person or best candidate that it was weighed against, or
    stands alone. Another threshold would also have changed what later records met. Links without a weight (a record
    that is known by its reference) stand at every threshold.
    """
    assert points_max > 1
    clusters, wanted = _Clusters(), _pairs(rows).wanted
    waiting: list[tuple[int, str, str]] = []
    for row in rows:
        to = next(iter(row.candidates), None) if row.decision == "review" else row.person
        if row.decision == "new" or (row.decision == "link" and row.weight is None):
            clusters.put(row.person, row.truth)
        elif to is not None and row.weight is not None:
            waiting.append((row.weight, to, row.truth))
    waiting.sort(key=lambda w: -w[0])
    levels = sorted({weight for weight, _, _ in waiting}, reverse=True)
    step = max(1, math.ceil(len(levels) / points_max))
    shown = {*levels[step - 1 :: step], *levels[-1:]}
    out: list[Point] = []
    for number, (weight, to, truth) in enumerate(waiting):
        clusters.put(to, truth)
        last_of_level = number + 1 == len(waiting) or waiting[number + 1][0] != weight
        if last_of_level and weight in shown:
            out.append(Point(weight, Pairs(clusters.right, clusters.joined, wanted), clusters.false_merges))
    return out
