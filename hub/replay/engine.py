"""A service's recorded decisions, made again: by the build that each names, place by place in recorded order."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hub.replay.child import RECORDS_AT_ONCE, Child, Code, KeysOf, Tell
from hub.replay.sources import Source
from hub.replay.verdicts import Judge
from spine.build import rules_of
from spine.journal import DecisionRow
from spine.ledger.leaves import FIELDS
from spine.log import Place
from spine.record import Record

_BUILD = FIELDS.index("build")
#: When a decision was recorded, where, at which offset; the record, and the decision if one was recorded.
Recorded = tuple[datetime, Place, int, Record, DecisionRow | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is replayed and how.

    ``code_of``: the code of a recorded build and rules (``spine.build.rules_of``); None where it is not kept.
    ``regardless``: this build decides whatever build is recorded, and the name alone is no difference.
    ``seen``: hears of each batch's records.
    ``judged``: whether a decision recorded then is judged; the others are made, too, since states follow from them.
    """

    service: str
    source: Source
    code: Code
    keys: KeysOf
    code_of: Callable[[str, str], Code | None] = lambda build, rules: None
    regardless: bool = False
    judged: Callable[[datetime], bool] = lambda at: True
    advance: Callable[[int], object] = lambda count: None
    seen: Callable[[Sequence[Record]], object] = lambda records: None


@dataclass(slots=True)
class Replayed:
    """How it went. ``builds``: those that decided, in order."""

    judge: Judge
    builds: list[str] = field(default_factory=list)
    decisions: int = 0


def replayed(plan: Plan, seed: int) -> Replayed:
    """Replay under one hash seed. Raises ReplayFailed, LookupError for a record that is gone, Retry."""
    judge = Judge(plan.service)
    found = Replayed(judge)
    child = Child(plan.code, plan.keys, seed=seed)
    found.builds.append(child.build)
    lost = False
    try:
        for batch in batches(recorded(plan.source, plan.service)):
            plan.advance(len(batch))
            plan.seen([one[3] for one in batch])
            found.decisions += len(batch)
            wanted = _by(batch[0]) or (child.build, rules_of(child.settings))
            if wanted != (child.build, rules_of(child.settings)) and not plan.regardless and not lost:
                code = plan.code_of(*wanted)
                if code is not None:
                    held = child.journal()
                    child.close()
                    child = Child(code, plan.keys, seed=seed)
                    child.take(held)
                    found.builds.append(child.build)
                else:
                    # Neither the build nor, under its own rules, any later state can be known.
                    lost = True
            _judged(plan, judge, batch, None if lost else child)
    finally:
        child.close()
    return found


def _judged(plan: Plan, judge: Judge, batch: Sequence[Recorded], child: Child | None) -> None:
    made = {} if child is None else {tuple(row[:3]): row[:-1] for row in child.decide([one[3] for one in batch])}
    for at, place, offset, record, row in batch:
        if row is not None and not judge.whole(row):
            continue
        if not plan.judged(at):
            continue
        day = at.date().isoformat()
        if child is None:
            if row is not None:
                judge.without_build(row, day)
            continue
        mine = made.get((*place, offset))
        if plan.regardless and row is not None and mine is not None:
            row = replace(row, build=mine[_BUILD])
        judge.judge(row, mine, record.key, day)


def recorded(source: Source, service: str) -> Iterator[Recorded]:
    """Everything that a service decided, in the order in which it was recorded: an event that stands in two partitions
    was decided where it came first."""
    places = source.places(service)
    return heapq.merge(*(_of_place(source, service, place) for place in places), key=lambda one: one[:3])


def _of_place(source: Source, service: str, place: Place) -> Iterator[Recorded]:
    rows = list(_ends(source, service, place))
    if not rows:
        return
    records = source.records(place, rows[0])
    offset = 0
    for row, at in source.decisions(service, place):
        while offset < row.offset:
            # A decision is not there: the record is decided all the same, and found to be one too many.
            yield at, place, offset, next(records), None
            offset += 1
        yield at, place, offset, next(records), row
        offset += 1


def _ends(source: Source, service: str, place: Place) -> Iterator[int]:
    """The last offset decided, if any."""
    last = None
    for row, _ in source.decisions(service, place):
        last = row.offset
    if last is not None:
        yield last


def batches(found: Iterator[Recorded]) -> Iterator[list[Recorded]]:
    """Neighbours of one place and one build, as many as a step takes."""
    batch: list[Recorded] = []
    for one in found:
        if batch and (one[1] != batch[-1][1] or len(batch) >= RECORDS_AT_ONCE or _by(one) != _by(batch[-1])):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def _by(one: Recorded) -> tuple[str, str] | None:
    """By which build and rules it was decided."""
    return None if one[4] is None else (one[4].build, rules_of(one[4].settings))


@dataclass(frozen=True, slots=True)
class Difference:
    """What another policy or build would have decided otherwise. ``rows``: (what, now, then) with what is told."""

    decisions: int
    otherwise: int
    people: int
    told: Mapping[str, tuple[int, int, int]]


def compared(plan: Plan, other: Code, tell: Tell) -> Difference:
    """The same records under both codes, side by side. Nothing is judged and nothing is written."""
    decisions, otherwise, people = 0, 0, set[str]()
    now: dict[str, set[tuple[Any, ...]]] = {}
    then: dict[str, set[tuple[Any, ...]]] = {}
    with Child(plan.code, plan.keys, tell=tell) as mine, Child(other, plan.keys, tell=tell) as theirs:
        for batch in batches(recorded(plan.source, plan.service)):
            plan.advance(len(batch))
            records = [one[3] for one in batch]
            for a, b, record in zip(mine.decide(records), theirs.decide(records), records, strict=True):
                decisions += 1
                for found, row in ((now, a), (then, b)):
                    for kind, what, *rest in row[-1] or ():
                        found.setdefault(f"{kind}: {what}", set()).add(tuple(rest))
                if a[-1] != b[-1]:
                    otherwise += 1
                    people |= {record.key} if record.key else set()
    told = {}
    for what in sorted(now.keys() | then.keys()):
        a_set, b_set = now.get(what, set()), then.get(what, set())
        told[what] = (len(a_set & b_set), len(a_set - b_set), len(b_set - a_set))
    return Difference(decisions, otherwise, len(people), told)
