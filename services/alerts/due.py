"""When time alone could raise or close something. When unsure, tomorrow: too early costs little."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import chain

from services.alerts import escalation
from services.alerts.belief import days_of_change
from services.alerts.calendar import DAY, REMEMBERED, birthday
from services.alerts.case import Case
from services.alerts.reads import timed, timing
from services.alerts.state import Seen

_AGES = (16, 18, 19, 25)
#: A day so long past, moved to the next working day, is past too.
PAST = timedelta(days=10)


def due_on(case: Case) -> date:
    """First day after ``case.today`` on which a tick could matter; at the latest in a month."""
    today, calendar = case.today, case.policy.calendar
    tomorrow = today + DAY
    if any(today in (alert.raised_on, alert.closed_on) for alert in case.alerts):
        return tomorrow
    first = today + timedelta(days=28)
    if not calendar.is_working(today):
        first = min(first, calendar.on_or_after(tomorrow))
    return _first(case, candidates(case), first)


def with_fact(case: Case, settled: date, kind: str) -> date:
    """As ``due_on`` of a case that was settled until ``settled`` and has learned one fact of this kind since."""
    calendar, tomorrow = case.policy.calendar, case.today + DAY
    first = settled if calendar.is_working(case.today) else min(settled, calendar.on_or_after(tomorrow))
    moved = (rule for rule in timed(kind) if not rule.wants or case.holds_any(rule.wants))
    days = (day for rule in moved for day in rule.timers(case))
    return _first(case, chain(days, _of_facts(case, case.facts(kind))), first)


def _first(case: Case, days: Iterable[date], first: date) -> date:
    today, on_or_after = case.today, case.policy.calendar.on_or_after
    past = today - PAST
    for day in days:
        if past < day < first:
            if day > today:
                first = day
            elif today < (moved := on_or_after(day)) < first:
                first = moved
    return first


def candidates(case: Case) -> Iterator[date]:
    """Days on which a ground may begin or end."""
    yield from days_of_change(case.belief)
    for rule in timing(case.kinds):
        yield from rule.timers(case)
    yield from _of_facts(case, case.state.facts)
    for alert in case.alerts:
        if escalation.waiting(alert):
            yield escalation.falls_on(case, alert)
        if alert.closed_on is not None and alert.rule in case.policy.cool_down_rules:
            yield alert.closed_on + timedelta(days=case.policy.cool_down_days + 1)
    if case.born is not None:
        yield from _days_of_age(case.born)
    yield date(case.today.year, 9, 1)


@lru_cache(maxsize=REMEMBERED)
def _days_of_age(born: date) -> tuple[date, ...]:
    end = birthday(born, 25)
    return (*(birthday(born, years) for years in _AGES), date(end.year + 1 if end.month >= 9 else end.year, 9, 1))


def _of_facts(case: Case, facts: Sequence[Seen]) -> Iterator[date]:
    """Days of facts, in order of their days, and of what expires."""
    for fact in reversed(facts):
        # What is long past begins nothing more.
        if fact.effective_on < case.today - PAST:
            break
        yield fact.effective_on
        yield fact.effective_on + DAY
    for fact in facts:
        if "expires_on" in fact.data and (expires := fact.day("expires_on")) is not None:
            yield expires + DAY
