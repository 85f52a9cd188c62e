"""Dates and working days. The shell's clock is here too; the core never reads it: time is a tick on the log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

LONDON = ZoneInfo("Europe/London")


def now() -> datetime:
    """The shell's clock, UTC. Never called from a core module (ruff TID251)."""
    return datetime.now(UTC)


def local_date(moment: datetime) -> date:
    """London date of a UTC moment."""
    assert moment.tzinfo is not None
    return moment.astimezone(LONDON).date()


@lru_cache(maxsize=256)
def _bank_holidays(country: str, subdivision: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, subdiv=subdivision, years=year))


@dataclass(frozen=True)
class WorkingDays:
    """Monday to Friday except bank holidays and named closures. Pure: the same days on every machine."""

    country: str = "GB"
    subdivision: str = "ENG"
    closed: frozenset[date] = frozenset()

    @classmethod
    def with_closures(cls, country: str, subdivision: str, closed: Iterable[date]) -> WorkingDays:
        return cls(country, subdivision, frozenset(closed))

    def is_working(self, day: date) -> bool:
        if day.weekday() >= 5 or day in self.closed:
            return False
        return day not in _bank_holidays(self.country, self.subdivision, day.year)

    def after(self, day: date, count: int) -> date:
        """``count`` working days after ``day``, counting from the day after it; ``count`` 0 is ``day`` itself."""
        assert count >= 0
        while count > 0:
            day += timedelta(days=1)
            if self.is_working(day):
                count -= 1
        return day

    def on_or_after(self, day: date) -> date:
        """``day`` if it is a working day, else the next one."""
        while not self.is_working(day):
            day += timedelta(days=1)
        return day
