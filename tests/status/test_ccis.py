"""The dates that a CCIS record carries beside its activity code."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from hub.story import Told, play, read_story
from services.status.bitemporal import live
from services.status.ccis import Currency, currency
from services.status.days import to_date
from services.status.state import decode
from services.status.story import believed, default_policy

ROOT = Path(__file__).resolve().parents[2]
WARN_DAYS = 30


@pytest.fixture(scope="module")
def carer() -> Told:
    """S26: sixth form, left, NEET by a claim, then a carer; the status lapses and an apprenticeship begins."""
    return play(read_story(ROOT / "tests" / "stories" / "S26.yaml"), ROOT / "contracts", ROOT / "schemas" / "avro")


def asked(told: Told, on: str, known: str = "2030-01-01") -> Currency:
    policy, state = default_policy(), decode(told.hub.states("status")[told.person_of["E1"]])
    at = datetime.fromisoformat(known).replace(tzinfo=UTC)
    facts = live(state.seen, policy, int(at.timestamp() * 1000))
    return currency(believed(state, at, policy), facts, date.fromisoformat(on).toordinal(), WARN_DAYS, policy)


def day(number: int | None) -> str | None:
    return None if number is None else to_date(number).isoformat()


def test_learning_is_current_until_the_summer_that_follows_its_planned_end(carer: Told) -> None:
    found = asked(carer, "2025-10-01", known="2025-10-02")
    assert (day(found.start), day(found.ascertained)) == ("2025-09-03", "2025-09-10")
    assert (day(found.predicted_end), day(found.due_to_lapse), day(found.review)) == ("2026-08-31",) * 2 + (
        "2026-08-01",
    )
    assert (found.neet_start, found.lapsed) == (None, False)


def test_a_contact_verifies_and_moves_the_day_of_lapse(carer: Told) -> None:
    found = asked(carer, "2026-03-10")
    assert (day(found.start), day(found.verified), day(found.due_to_lapse)) == (
        "2026-03-02",
        "2026-03-02",
        "2026-09-01",
    )
    assert day(found.neet_start) == "2025-11-29"
    assert found.predicted_end is None


def test_what_ran_out_is_lapsed_and_what_was_left_is_not(carer: Told) -> None:
    assert asked(carer, "2026-10-01").lapsed
    assert not asked(carer, "2025-12-05", known="2025-12-06").lapsed


def test_nothing_is_said_of_a_day_before_the_first_fact(carer: Told) -> None:
    assert asked(carer, "2024-01-01") == Currency(None, None, None, None, None, False, None, None)
