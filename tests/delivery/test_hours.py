"""When what is not urgent is told."""

from __future__ import annotations

from datetime import datetime, time

import pytest

from services.alerts.delivery.hours import Hours, WorkingHours, parse
from spine.clock import LONDON, WorkingDays

OFFICE = Hours(time(8, 30), time(17))
MADE = WorkingHours({"default": OFFICE, "team:yjt": Hours(time(9), time(17), time(9, 30))})


def at(day: int, hour: int, minute: int = 0, month: int = 12) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=LONDON)


def test_within_hours_nobody_waits() -> None:
    assert MADE.waits_until("team:est", at(2, 12), at(2, 12)) is None
    assert WorkingHours().waits_until("team:est", at(5, 3), at(5, 3)) is None


def test_evenings_weekends_and_bank_holidays_wait_for_the_next_working_morning() -> None:
    assert MADE.waits_until("team:est", at(2, 7), at(2, 7)) == at(2, 8, 30)
    assert MADE.waits_until("team:est", at(4, 17), at(4, 17)) == at(7, 8, 30)
    assert MADE.waits_until("team:est", at(24, 18), at(24, 18)) == at(29, 8, 30)


def test_a_digest_leaves_once_at_its_time() -> None:
    assert MADE.waits_until("team:yjt", at(2, 10), at(2, 10)) == at(3, 9, 30)
    assert MADE.waits_until("team:yjt", at(2, 10), at(3, 9, 30)) is None
    # Missed while the hub was down in the evening: the next opening, not the next digest.
    assert MADE.waits_until("team:yjt", at(2, 10), at(3, 20)) == at(4, 9)


def test_the_morning_is_the_days_own_when_the_clock_changes() -> None:
    monday = MADE.waits_until("team:est", at(24, 12, month=10), at(24, 12, month=10))
    assert monday is not None
    assert (monday.isoformat(), monday.utcoffset()) == ("2026-10-26T08:30:00+00:00", at(1, 0).utcoffset())


def test_every_fault_of_the_hours_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"hours\.a: write.*hours\.b: opens comes before"):
        parse({"a": {"opens": "soon"}, "b": {"opens": "17:00", "closes": "08:00"}}, WorkingDays())
