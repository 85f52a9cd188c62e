"""Who is who in a register that no open file depends on, by weight alone (ADR 22).

POLICY 4.2 and 4.3 bind the hub: a guard bars, a near birth date is asked about, two people are never made one without a
reader. In a register that is cleaned at one go nobody reads, so that every pair is decided: one person or two. Names,
comparisons, frequencies and weights are the hub's.

Rows are grouped from the heaviest pair down. Two groups are weighed record by record, each of them against everything
that the other group has shown, and the mean counts: one record that fits both does not make them one. The result does
not depend on the order of the rows.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from services.matching import acts
from services.matching.bulk import Resolved, observation_of
from services.matching.cluster import Face, Known, SourceRecord, known_of
from services.matching.compare import BornGrade, born_grade
from services.matching.facts import RecordKey
from services.matching.identity import Identity
from services.matching.model import Register as Settings
from services.matching.register_compare import exchanged, further
from services.matching.register_keys import CAPS, TOGETHER, keys_of
from services.matching.search import Matcher, kinds
from services.matching.weigh import Comparison, Frequencies, Part, counted, home, presence, weigh

#: Frequencies are of people, who are known better after each round. A round that joins nobody is the last.
ROUNDS_MAX = 4


@dataclass(slots=True, eq=False)
class Group:
    """Records that stand together. ``faces``: what they show, and how many of them show it."""

    records: list[SourceRecord]
    faces: Counter[Identity]
    known: Known
    born: tuple[date, ...]
    keys: set[str]
    sources: frozenset[str]

    @classmethod
    def of(cls, records: list[SourceRecord]) -> Group:
        faces = Counter(face.identity for record in records for face in record.faces)
        known = known_of(records)
        born = tuple(dict.fromkeys(born for view in known.views for born in view.born))
        sources = frozenset(record.key[0] for record in records)
        return cls(records, faces, known, born, {key for face in faces for key in keys_of(face)}, sources)


@dataclass(slots=True)
class Register:
    """Rows in, then ``resolve``: all answers at once."""

    matcher: Matcher
    settings: Settings
    frequencies: Frequencies = field(default_factory=Frequencies)
    groups: dict[str, Group] = field(default_factory=dict)
    rows: int = 0
    _keys: dict[str, RecordKey] = field(default_factory=dict)
    _faces: dict[RecordKey, list[tuple[str, Identity]]] = field(default_factory=dict)

    def add(self, row: Mapping[str, str | None]) -> str:
        """The row's event id. Raises RowRefused."""
        self.rows += 1
        seen = observation_of(row, self.rows, self.matcher.model.further)
        self._keys[seen.event_id] = seen.key
        # What a source keeps under one reference is one person's, as in the hub.
        self._faces.setdefault(seen.key, []).append((seen.event_id, seen.identity))
        return seen.event_id

    def begin(self) -> None:
        """Every record a group of its own, by the lowest event id of its rows."""
        self.groups = {}
        for key, shown in sorted(self._faces.items(), key=lambda item: min(event_id for event_id, _ in item[1])):
            shown.sort(key=lambda pair: pair[0])
            faces = [Face(b"", 0, identity) for identity in dict.fromkeys(identity for _, identity in shown)]
            name = shown[0][0]
            self.groups[name] = Group.of([SourceRecord(key, name, faces)])
        self.count()

    def count(self) -> None:
        """Frequencies among the groups as they stand."""
        self.frequencies = Frequencies(len(self.groups))
        for group in self.groups.values():
            for kind, value in counted(group.known):
                self.frequencies.add(kind, value, 1)

    def resolve(self) -> list[Resolved]:
        """Where each row stands, in the order in which they came."""
        self.begin()
        for _ in range(ROUNDS_MAX):
            if not self._join():
                break
            self.count()
        put = {record.key: name for name, group in self.groups.items() for record in group.records}
        return [
            Resolved(event_id, acts.person_id(put[key]), "new" if put[key] == event_id else "link", None, None)
            for event_id, key in self._keys.items()
        ]

    def near(self) -> dict[str, set[str]]:
        """For each group those that share a key with it, on a list within its cap."""
        holders: dict[str, list[str]] = defaultdict(list)
        for name, group in self.groups.items():
            for key in group.keys:
                holders[key].append(name)
        near: dict[str, set[str]] = defaultdict(set)
        for key, names in holders.items():
            if key[0] == TOGETHER and not self.settings.slips:
                continue
            if len(names) > 1 and (not CAPS[key[0]] or len(names) <= CAPS[key[0]]):
                for name in names:
                    near[name].update(names)
        for name, names_near in near.items():
            names_near.discard(name)
            if self.settings.once:
                mine = self.groups[name].sources
                names_near -= {other for other in names_near if mine & self.groups[other].sources}
        return near

    def _join(self) -> int:
        """One round: the heaviest pair first, until no pair is heavy enough. How many were joined."""
        weights: dict[str, dict[str, int]] = defaultdict(dict)
        heap: list[tuple[int, str, str]] = []
        least = self.settings.link_millibits - self.settings.near_millibits

        def put(one: str, other: str) -> None:
            barred = self.settings.once and self.groups[one].sources & self.groups[other].sources
            weight = self.weight(self.groups[one], self.groups[other]) if not barred else least - 1
            if weight < least:
                weights[one].pop(other, None)
                weights[other].pop(one, None)
                return
            weights[one][other] = weights[other][one] = weight
            if weight >= self.settings.link_millibits:
                heapq.heappush(heap, (-weight, min(one, other), max(one, other)))

        for one, others in sorted(self.near().items()):
            for other in sorted(others):
                if one < other:
                    put(one, other)
        joined = 0
        while heap:
            weight, one, other = heapq.heappop(heap)
            if weights[one].get(other) != -weight:
                # One of them has grown since, or is no more.
                continue
            joined += 1
            self.groups[one] = Group.of(self.groups[one].records + self.groups.pop(other).records)
            around = (weights[one].keys() | weights[other].keys()) - {one, other}
            for third in weights.pop(other):
                weights[third].pop(other, None)
            for third in sorted(around):
                put(one, third)
        return joined

    def weight(self, one: Group, other: Group) -> int:
        """The mean over all records of both, each against the other group."""
        if len(one.faces) == len(other.faces) == 1:
            return self._beside(one, other)[0]
        (here, mine), (there, theirs) = self._beside(one, other), self._beside(other, one)
        return (here * mine + there * theirs) // (mine + theirs)

    def _beside(self, one: Group, other: Group) -> tuple[int, int]:
        """The mean of one group's records against the other, and how many they are."""
        weights = sum(self.compare(face, other) * times for face, times in one.faces.items())
        return weights // one.faces.total(), one.faces.total()

    def compare(self, mine: Identity, group: Group, parts: list[Part] | None = None) -> int:
        known = group.known
        names, name, other = self.matcher.names.closest(mine.names, known.names)
        differ = names.given.differs and names.family.differs
        if self.settings.slips and differ and exchanged(mine.names, known.names):
            names = replace(names, swapped=True)
        agree, clash = kinds(mine.numbers, known)
        comparison = Comparison(
            names=names,
            name=name,
            other=other,
            born=_born(mine.born, group.born),
            born_on=mine.born,
            agree=agree,
            clash=clash,
            home=home(mine.postcode, mine.address, known.postcodes, known.addresses),
            phone=presence(mine.phone, known.phones),
            email=presence(mine.email, known.emails),
            further=tuple(further(mine.further, known.further, self.matcher.model.grades)),
        )
        return weigh(self.matcher.model, self.frequencies, comparison, parts)


def _born(mine: date | None, theirs: Sequence[date]) -> BornGrade:
    if mine is None or not theirs:
        return BornGrade.MISSING
    return BornGrade.EQUAL if mine in theirs else max(born_grade(mine, born) for born in theirs)
