"""Working days, months and school years, as the rules count them (POLICY 1)."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache

from spine.clock import WorkingDays

DAY = timedelta(days=1)
#: Days that are remembered: the same are asked for at each step of the same people.
REMEMBERED = 4_096


@dataclass(frozen=True, slots=True)
class Calendar:
    """The council's working days."""

    country: str = "GB"
    subdivision: str = "ENG"
    closed: frozenset[date] = frozenset()
    days: WorkingDays = field(init=False, repr=False, compare=False)
    _known: dict[date, bool] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", WorkingDays(self.country, self.subdivision, self.closed))

    def is_working(self, day: date) -> bool:
        known = self._known.get(day)
        if known is None:
            known = self._known[day] = self.days.is_working(day)
        return known

    def after(self, day: date, count: int) -> date:
        """``count`` working days after ``day``; ``day`` itself for 0."""
        while count > 0:
            day += DAY
            if self.is_working(day):
                count -= 1
        return day

    def on_or_after(self, day: date) -> date:
        while not self.is_working(day):
            day += DAY
        return day

    def on_or_before(self, day: date) -> date:
        while not self.is_working(day):
            day -= DAY
        return day


@lru_cache(maxsize=REMEMBERED)
def months_after(day: date, months: int) -> date:
    """The same day ``months`` calendar months later, or the last day of that month."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def age_on(born: date, day: date) -> int:
    """Completed years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


@lru_cache(maxsize=REMEMBERED)
def birthday(born: date, years: int) -> date:
    """Day on which ``years`` are completed (1 March for a leap-day child in a common year)."""
    try:
        return born.replace(year=born.year + years)
    except ValueError:
        return date(born.year + years, 3, 1)


def school_year_end(day: date) -> int:
    """Calendar year in which the school year of ``day`` ends (it begins on 1 September)."""
    return day.year + 1 if day.month >= 9 else day.year


def year_group(born: date, ends: int) -> int:
    """National curriculum year of the school year that ends in summer ``ends``."""
    return ends - school_year_end(born) - 5


def compulsory_until(born: date) -> date:
    """Last day of compulsory school age: last Friday in June of the school year of the 16th birthday."""
    last = date(school_year_end(birthday(born, 16)), 6, 30)
    return last - timedelta(days=(last.weekday() - 4) % 7)
