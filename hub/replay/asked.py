"""Of which decisions a replay is asked: all of a service's, those about one person, those at given places.

A state follows from everything before it at its place, so a part is judged alone but never decided alone: its places
are replayed from their first record. Places that nothing is asked of are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Protocol

from hub.replay.child import Made, Tell
from hub.replay.sources import Source
from hub.replay.verdicts import Verdict
from spine.journal import DecisionRow
from spine.log import Place

#: Services whose records are keyed by person (contracts/topics.yaml); matching's are by authority.
BY_PERSON = frozenset({"status", "alerts"})
_NOBODY: Tell = MappingProxyType({})
_PEOPLE: Tell = dict.fromkeys(("attribution.v1", "attribution.v2", "review.v1"), ("person_id", "other_person"))
_WRITTEN = re.compile(r"(?P<topic>[a-z0-9._-]+)/(?P<partition>\d+)[@:](?P<first>\d+)(?P<open>\.\.(?P<last>\d*))?")


class Part(Protocol):
    """Which decisions of one service are asked for."""

    @property
    def tell(self) -> Tell:
        """What must be told of effects to know it."""
        ...

    def ends(self, source: Source, service: str) -> Mapping[Place, int]:
        """Places that must be replayed for it, each to which offset."""
        ...

    def has(self, place: Place, offset: int, key: str, verdict: Verdict, made: Made | None) -> bool:
        """Whether a decision belongs to it. ``key`` is its record's."""
        ...


@dataclass(frozen=True, slots=True)
class Everything:
    """All decisions."""

    tell: ClassVar[Tell] = _NOBODY

    def ends(self, source: Source, service: str) -> Mapping[Place, int]:
        return _last(source, service)

    def has(self, place: Place, offset: int, key: str, verdict: Verdict, made: Made | None) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Person:
    """Decisions about one person, by the hub's id.

    A decision that is keyed by nobody, such as a tick's, is about them if it reaches them now; and if it does not come
    out the same, since whom it was about cannot be read from what is recorded. So it is with all of matching's.
    """

    person: str
    service: str

    @property
    def tell(self) -> Tell:
        return _NOBODY if self.service in BY_PERSON else _PEOPLE

    def ends(self, source: Source, service: str) -> Mapping[Place, int]:
        last = _last(source, service)
        if service not in BY_PERSON:
            return last
        mine = {
            place: end
            for place, end in last.items()
            if any(record.key == self.person for record in source.records(place, end))
        }
        return _with_firsts(source, service, mine, last)

    def has(self, place: Place, offset: int, key: str, verdict: Verdict, made: Made | None) -> bool:
        if key and self.service in BY_PERSON:
            return key == self.person
        if verdict is not Verdict.SAME or made is None:
            return True
        return any(one == self.person for one, _ in made.reached) or any(self.person in told for told in made.told)


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets ``first`` to ``last`` of a place, both included; without ``last`` all from ``first`` on."""

    place: Place
    first: int
    last: int | None

    @classmethod
    def read(cls, text: str) -> Span:
        """``statuses/3@17`` as findings name a place, ``statuses/3@17..20``, ``statuses/3@17..``. Raises ValueError."""
        found = _WRITTEN.fullmatch(text)
        first = int(found["first"]) if found else 0
        last = int(found["last"]) if found and found["last"] else None
        if found is None or (last is not None and last < first):
            raise ValueError(f"{text} is no place: write TOPIC/PARTITION@OFFSET, @FIRST..LAST or @FIRST..")
        return cls((found["topic"], int(found["partition"])), first, last if found["open"] else first)

    def holds(self, place: Place, offset: int) -> bool:
        return place == self.place and self.first <= offset and (self.last is None or offset <= self.last)


@dataclass(frozen=True, slots=True)
class Places:
    """Decisions at given places."""

    spans: Sequence[Span]
    tell: ClassVar[Tell] = _NOBODY

    def ends(self, source: Source, service: str) -> Mapping[Place, int]:
        last, ends = _last(source, service), dict[Place, int]()
        for span in self.spans:
            if span.place in last and span.first <= last[span.place]:
                end = last[span.place] if span.last is None else min(span.last, last[span.place])
                ends[span.place] = max(end, ends.get(span.place, 0))
        return _with_firsts(source, service, ends, last)

    def has(self, place: Place, offset: int, key: str, verdict: Verdict, made: Made | None) -> bool:
        return any(span.holds(place, offset) for span in self.spans)


def _last(source: Source, service: str) -> dict[Place, int]:
    """The last offset decided at each place."""
    ends: dict[Place, int] = {}
    for place in source.places(service):
        for row, _ in source.decisions(service, place):
            ends[place] = row.offset
    return ends


def _with_firsts(
    source: Source, service: str, ends: Mapping[Place, int], last: Mapping[Place, int]
) -> Mapping[Place, int]:
    """``ends``; and all places where an event is repeated there that was decided first in another partition."""
    rows = [row for place, end in ends.items() for row in _until(source, service, place, end)]
    decided = {row.event_id for row in rows if row.note != "repeated"}
    elsewhere = any(row.note == "repeated" and row.event_id not in decided for row in rows)
    return {**last, **ends} if elsewhere else ends


def _until(source: Source, service: str, place: Place, end: int) -> Iterator[DecisionRow]:
    return (row for row, _ in source.decisions(service, place) if row.offset <= end)
