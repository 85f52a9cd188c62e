"""A service's recorded decisions, made again: by the build that each names, place by place in recorded order."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from hub.replay.asked import Everything, Part
from hub.replay.child import RECORDS_AT_ONCE, Child, Code, KeysOf, Made, NoReplay, Tell
from hub.replay.sources import Source
from hub.replay.verdicts import Judge, Verdict
from spine.build import rules_of
from spine.journal import DecisionRow
from spine.ledger.leaves import FIELDS, body_of
from spine.log import Place
from spine.record import Record

#: Recorded decisions that are looked at together.
WINDOW = 4_000
_BUILD = FIELDS.index("build")
#: When a decision was recorded, where, at which offset; the record, and the decision if one was recorded.
Recorded = tuple[datetime, Place, int, Record, DecisionRow | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is replayed and how.

    ``code_of``: the code of a recorded build and rules (``spine.build.rules_of``); None where it is not kept.
    ``regardless``: this build decides whatever build is recorded, and the name alone is no difference.
    ``seen``: hears of each batch's records. ``expect``: hears how many there are, ``advance`` how many were decided.
    ``judged``: whether a decision recorded then is judged; the others are made, too, since states follow from them.
    ``part``: of which records.
    """

    service: str
    source: Source
    code: Code
    keys: KeysOf
    code_of: Callable[[str, str], Code | None] = lambda build, rules: None
    regardless: bool = False
    judged: Callable[[datetime], bool] = lambda at: True
    part: Part = field(default_factory=Everything)
    advance: Callable[[int], object] = lambda count: None
    seen: Callable[[Sequence[Record]], object] = lambda records: None
    expect: Callable[[int], object] = lambda count: None


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
    child = Child(plan.code, plan.keys, seed=seed, tell=plan.part.tell)
    found.builds.append(child.build)
    lost = False
    try:
        for batch in batches(recorded(plan.source, plan.service, plan.part, plan.expect)):
            plan.advance(len(batch))
            plan.seen([one[3] for one in batch])
            found.decisions += len(batch)
            wanted = _by(batch[0]) or (child.build, rules_of(child.settings))
            if wanted != (child.build, rules_of(child.settings)) and not plan.regardless and not lost:
                other = _child(plan, wanted, seed)
                if other is not None:
                    other.take(child.journal())
                    child.close()
                    child = other
                    found.builds.append(child.build)
                else:
                    # Neither the build nor, under its own rules, any later state can be known.
                    lost = True
            _judged(plan, judge, batch, None if lost else child)
    finally:
        child.close()
    return found


def _child(plan: Plan, wanted: tuple[str, str], seed: int) -> Child | None:
    """The build that is wanted; None where it is not kept, or is from before its service could be replayed."""
    code = plan.code_of(*wanted)
    try:
        return None if code is None else Child(code, plan.keys, seed=seed, tell=plan.part.tell)
    except NoReplay:
        return None


def _judged(plan: Plan, judge: Judge, batch: Sequence[Recorded], child: Child | None) -> None:
    made: Sequence[Made | None] = [None] * len(batch)
    if child is not None:
        made = child.decide([one[3] for one in batch])
    for (at, place, offset, record, row), mine in zip(batch, made, strict=True):
        body = None if row is None else body_of(row)
        if row is not None and body is not None and not judge.whole(row, body):
            continue
        if child is None and row is None:
            continue
        if plan.regardless and row is not None and mine is not None:
            body = body_of(replace(row, build=orjson.loads(mine.body)[_BUILD]))
        said = Verdict.NO_BUILD if child is None else judge.judge(body, mine, record.key, child.hashes)
        if plan.judged(at) and plan.part.has(place, offset, record.key, said, mine):
            judge.count(said, body, mine, at.date().isoformat())


def recorded(
    source: Source, service: str, part: Part, expect: Callable[[int], object] = lambda count: None
) -> Iterator[Recorded]:
    """Everything that a service decided and that ``part`` needs, in the order in which it was recorded: an event that
    stands in two partitions was decided where it came first. ``expect`` is told how many there are."""
    ends = part.ends(source, service)
    expect(sum(last + 1 for last in ends.values()))
    return heapq.merge(*(_of_place(source, service, *one) for one in sorted(ends.items())), key=lambda one: one[:3])


def _of_place(source: Source, service: str, place: Place, last: int) -> Iterator[Recorded]:
    records = source.records(place, last)
    offset = 0
    for row, at in source.decisions(service, place):
        if row.offset > last:
            return
        while offset < row.offset:
            # A decision is not there: the record is decided all the same, and found to be one too many.
            yield at, place, offset, next(records), None
            offset += 1
        yield at, place, offset, next(records), row
        offset += 1


def batches(found: Iterator[Recorded]) -> Iterator[list[Recorded]]:
    """Records of one place and one build, as many as a step takes: states are loaded once for all of them.

    A window of what was recorded is parted by place, where that cannot matter: places share nothing but the events that
    stand in several of them. Each place keeps its order.
    """
    window: list[Recorded] = []
    for one in found:
        if window and (len(window) >= WINDOW or _by(one) != _by(window[-1])):
            yield from _parted(window)
            window = []
        window.append(one)
    yield from _parted(window)


def _parted(window: Sequence[Recorded]) -> Iterator[list[Recorded]]:
    if _apart(window):
        window = sorted(window, key=lambda one: (one[1], one[2]))
    batch: list[Recorded] = []
    for one in window:
        if batch and (one[1] != batch[-1][1] or len(batch) >= RECORDS_AT_ONCE):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def _apart(window: Sequence[Recorded]) -> bool:
    """Whether no event of the window stands at two places, as far as its rows tell."""
    places: dict[str, Place] = {}
    for _, place, _, _, row in window:
        # Which event was set aside, or is not recorded, the row does not say.
        if row is None or row.note.startswith("poison:") or places.setdefault(row.event_id, place) != place:
            return False
    return True


def _by(one: Recorded) -> tuple[str, str] | None:
    """By which build and rules it was decided."""
    return None if one[4] is None else (one[4].build, rules_of(one[4].settings))


@dataclass(frozen=True, slots=True)
class Difference:
    """What another policy or build would have decided otherwise.

    ``told``: kind of act -> how many are told by both, only as it is, only as it would be. ``by_day``: day of recording
    -> (decided alike, otherwise).
    """

    decisions: int
    otherwise: int
    people: int
    told: Mapping[str, tuple[int, int, int]]
    by_day: Mapping[str, tuple[int, int]]


def compared(plan: Plan, other: Code, tell: Tell) -> Difference:
    """The same records under both codes, side by side. Nothing is judged and nothing is written.

    ``tell`` gives of each effect what kind of act it is, what makes it another one, and whom it is about, last.
    """
    by_day, people = dict[str, tuple[int, int]](), set[str]()
    now: dict[str, set[tuple[Any, ...]]] = {}
    then: dict[str, set[tuple[Any, ...]]] = {}
    with Child(plan.code, plan.keys, tell=tell) as mine, Child(other, plan.keys, tell=tell) as theirs:
        for batch in batches(recorded(plan.source, plan.service, Everything(), plan.expect)):
            plan.advance(len(batch))
            records = [one[3] for one in batch]
            for a, b, one in zip(mine.decide(records), theirs.decide(records), batch, strict=True):
                acts = [[tuple(act) for act in row.told] if row is not None else [] for row in (a, b)]
                for found, told_of in zip((now, then), acts, strict=True):
                    for kind, what, *rest in told_of:
                        found.setdefault(f"{kind}: {what}", set()).add(tuple(rest))
                differs = acts[0] != acts[1]
                day = one[0].date().isoformat()
                alike, otherwise = by_day.get(day, (0, 0))
                by_day[day] = (alike + (not differs), otherwise + differs)
                if differs:
                    people |= {str(act[-1]) for act in set(acts[0]) ^ set(acts[1])}
    told = {}
    for what in sorted(now.keys() | then.keys()):
        a_set, b_set = now.get(what, set()), then.get(what, set())
        told[what] = (len(a_set & b_set), len(a_set - b_set), len(b_set - a_set))
    decisions = sum(map(sum, by_day.values()))
    return Difference(decisions, sum(n for _, n in by_day.values()), len(people), told, by_day)
