"""What makes somebody a priority, as named stretches of days (POLICY 1: looked after, care leaver, YJT-open, …)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from services.status import custody as in_custody
from services.status import days
from services.status.days import FOREVER
from services.status.facts import Disposal, Duty, Facts, PregnancyEnded, Pregnant, State
from services.status.policy import Policy
from services.status.spans import merged, paired

LEAVER = frozenset({"relevant", "former_relevant", "qualifying"})
_LEAVER_UNTIL_AGE, _LOOKED_AFTER_UNTIL_AGE = 25, 18
#: A birth belongs to the pregnancy whose due day is this near.
_TERM_DAYS = 140
_DUTIES = {"prevention_duty_accepted": "prevention", "relief_duty_accepted": "relief", "main_duty_accepted": "main"}
_HOMELESS = "housing.homelessness."
#: What opens an approach or a duty.
_HOUSING = (f"{_HOMELESS}approached", *(f"{_HOMELESS}{name}" for name in _DUTIES))


class Mark(NamedTuple):
    """A named stretch of days."""

    start: int
    end: int
    name: str


def marks(facts: Facts, born: int | None, policy: Policy) -> list[Mark]:
    """Characteristics with their days. An absent flag is no evidence of absence."""
    found: list[Mark] = []

    def add(name: str, stretches: Iterator[tuple[int, int]]) -> None:
        found.extend([Mark(start, end, name) for start, end in merged(stretches)])

    if facts.has("care.episode.started", "yj.custody.entered"):
        add("looked_after", _looked_after(facts, born))
    if facts.has("care.leaver_status.changed"):
        add("care_leaver", _care_leaver(facts, born))
    if facts.has("yj.disposal.started"):
        add("yj_open", _yj_open(facts))
    if facts.has("circumstance.pregnant", "circumstance.birth"):
        add("pregnant_or_parent", _pregnant_or_parent(facts))
        add("quiet", _quiet(facts, policy))
    if facts.has("circumstance.young_carer"):
        add("young_carer", _young_carer(facts))
    if facts.has(*_HOUSING):
        add("homeless", _homeless(facts))
    return found


def care_leaver_on(day: int, facts: Facts, born: int | None) -> bool:
    return any(start <= day <= end for start, end in _care_leaver(facts, born))


def _looked_after(facts: Facts, born: int | None) -> Iterator[tuple[int, int]]:
    """Until the episode ends; at the latest, until the day before the 18th birthday."""
    last = FOREVER if born is None else days.birthday(born, _LOOKED_AFTER_UNTIL_AGE) - 1
    starts = [seen.on for seen in facts.of("care.episode.started")]
    for on, end in zip(starts, paired(starts, [seen.on for seen in facts.of("care.episode.ended")]), strict=True):
        yield on, min(last, FOREVER if end is None else end)
    yield from in_custody.remands(facts, born)


def _care_leaver(facts: Facts, born: int | None) -> Iterator[tuple[int, int]]:
    """By the latest leaver status, until the 25th birthday."""
    last = FOREVER if born is None else days.birthday(born, _LEAVER_UNTIL_AGE) - 1
    changes = facts.of("care.leaver_status.changed")
    for n, seen in enumerate(changes):
        end = changes[n + 1].on - 1 if n + 1 < len(changes) else FOREVER
        if State._make(seen.data).status in LEAVER:
            yield seen.on, min(last, end)


def _yj_open(facts: Facts) -> Iterator[tuple[int, int]]:
    """A disposal has started, has not ended, and its last day has not passed."""
    disposals: list[tuple[int, int]] = []
    for seen in facts.any_of("yj.disposal.started", "yj.disposal.ended"):
        if seen.type == "yj.disposal.started":
            ends_on = Disposal._make(seen.data).ends_on
            disposals.append((seen.on, FOREVER if ends_on is None else ends_on))
        else:
            running = [n for n, (start, end) in enumerate(disposals) if start <= seen.on <= end]
            if running:
                disposals[running[-1]] = (disposals[running[-1]][0], seen.on)
    yield from disposals


def _pregnancies(facts: Facts) -> Iterator[tuple[int, int, int | None, int | None, int | None]]:
    """(day disclosed, due day, birth, day it ended without a birth, pause advised) of each pregnancy."""
    births = [seen.on for seen in facts.of("circumstance.birth")]
    for seen in facts.of("circumstance.pregnant"):
        due = Pregnant._make(seen.data).due_on
        birth = next((on for on in births if abs(on - due) <= _TERM_DAYS), None)
        ended = next(
            (
                e
                for e in facts.of("circumstance.pregnancy_ended")
                if seen.on <= e.on <= due + _TERM_DAYS and birth is None
            ),
            None,
        )
        pause = None if ended is None else PregnancyEnded._make(ended.data).quiet_until
        yield seen.on, due, birth, None if ended is None else ended.on, pause


def _pregnant_or_parent(facts: Facts) -> Iterator[tuple[int, int]]:
    for seen in facts.of("circumstance.birth"):
        yield seen.on, FOREVER
    for disclosed, _, birth, ended, _ in _pregnancies(facts):
        if birth is None or birth > disclosed:
            yield disclosed, FOREVER if ended is None else ended


def _quiet(facts: Facts, policy: Policy) -> Iterator[tuple[int, int]]:
    """From so many days before the due day to so many after the birth; the due day stands in for a birth to come."""
    matched = set()
    for _, due, birth, ended, pause in _pregnancies(facts):
        start = due - policy.quiet_days_before_due
        if birth is not None:
            matched.add(birth)
            start = min(start, birth)
        end = (birth or due) + policy.quiet_days_after_birth
        if ended is not None:
            end = ended if pause is None else pause
        yield start, end
    for seen in facts.of("circumstance.birth"):
        if seen.on not in matched:
            yield seen.on, seen.on + policy.quiet_days_after_birth


def _young_carer(facts: Facts) -> Iterator[tuple[int, int]]:
    since: int | None = None
    for seen in facts.of("circumstance.young_carer"):
        if State._make(seen.data).status == "started":
            since = seen.on if since is None else since
        elif since is not None:
            yield since, seen.on
            since = None
    if since is not None:
        yield since, FOREVER


def _homeless(facts: Facts) -> Iterator[tuple[int, int]]:
    """While an approach or a duty is open. A place to live ends all; a duty ends with its own end or the next duty."""
    open_ones: dict[str, int] = {}
    for seen in facts.any_of(*_HOUSING, f"{_HOMELESS}duty_ended", "housing.tenancy.started", "care.episode.started"):
        word = seen.type.removeprefix(_HOMELESS)
        if word == "approached":
            open_ones.setdefault("none", seen.on)
        elif word in _DUTIES:
            since = min(open_ones.values(), default=seen.on)
            open_ones = {_DUTIES[word]: since}
        else:
            ended = {Duty._make(seen.data).duty, "none"} if word == "duty_ended" else set(open_ones)
            for duty in sorted(ended & open_ones.keys()):
                yield open_ones.pop(duty), seen.on
    for since in open_ones.values():
        yield since, FOREVER
