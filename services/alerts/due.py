"""When time alone could raise or close something. When unsure, tomorrow: too early costs little."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from services.alerts import escalation
from services.alerts.belief import days_of_change
from services.alerts.calendar import DAY, birthday
from services.alerts.case import Case
from services.alerts.rules import ORDER

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
    for day in candidates(case):
        if not today - PAST < day < first:
            continue
        for moved in (day, calendar.on_or_after(day)):
            if today < moved < first:
                first = moved
    return first


def candidates(case: Case) -> Iterator[date]:
    """Days on which a ground may begin or end."""
    yield from days_of_change(case.belief)
    for rule in ORDER:
        if not rule.wants or case.holds_any(rule.wants):
            yield from rule.timers(case)
    for fact in reversed(case.state.facts):
        # In order of their days: what is long past begins nothing more.
        if fact.effective_on < case.today - PAST:
            break
        yield fact.effective_on
        yield fact.effective_on + DAY
    for fact in case.state.facts:
        if "expires_on" in fact.data and (expires := fact.day("expires_on")) is not None:
            yield expires + DAY
    for alert in case.alerts:
        if escalation.waiting(alert):
            yield escalation.falls_on(case, alert)
        if alert.closed_on is not None and alert.rule in case.policy.cool_down_rules:
            yield alert.closed_on + timedelta(days=case.policy.cool_down_days + 1)
    if case.born is not None:
        for years in _AGES:
            yield birthday(case.born, years)
        end = birthday(case.born, 25)
        yield date(end.year + 1 if end.month >= 9 else end.year, 9, 1)
    yield date(case.today.year, 9, 1)
