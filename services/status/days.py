"""Days as whole numbers (proleptic ordinals): the fold compares and counts them thousands of times."""

from __future__ import annotations

import calendar
from datetime import date
from functools import lru_cache
from typing import Final

FOREVER: Final = date.max.toordinal()


def of(day: date) -> int:
    return day.toordinal()


@lru_cache(maxsize=65_536)
def to_date(day: int) -> date:
    return date.fromordinal(day)


def end_date(day: int) -> date | None:
    """A last day; None while it is open."""
    return None if day >= FOREVER else to_date(day)


def months_after(day: date, months: int) -> date:
    """Same day of a later month; the last day of that month where it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


@lru_cache(maxsize=65_536)
def birthday(born: int, years: int) -> int:
    """Day on which that age is reached; somebody born on 29 February has 1 March in other years."""
    day = date.fromordinal(born)
    try:
        return day.replace(year=day.year + years).toordinal()
    except ValueError:
        return date(day.year + years, 3, 1).toordinal()


@lru_cache(maxsize=65_536)
def carried(day: int, first: tuple[int, int], last: tuple[int, int]) -> int:
    """``day``, or the last day of the summer if it falls into it (P8)."""
    found = date.fromordinal(day)
    if first <= (found.month, found.day) <= last:
        return date(found.year, *last).toordinal()
    return day


@lru_cache(maxsize=65_536)
def next_month_day(day: int, month_day: tuple[int, int]) -> int:
    """First such day on or after ``day``."""
    found = date.fromordinal(day)
    year = found.year if (found.month, found.day) <= month_day else found.year + 1
    return date(year, *month_day).toordinal()
