"""How alerts were dealt with: what is counted of each life, and what stays hidden."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from hub.measures.performance import Life, lines

RAISED = datetime(2026, 10, 5, 8, tzinfo=UTC)
ON, DUE = date(2026, 11, 30), date(2026, 10, 7)


def life(rule: str = "A01", *acts: tuple[str, int], outcome: str = "") -> Life:
    """Acts by hours after raising."""
    return Life(rule, DUE, [("raised", RAISED), *((a, RAISED + timedelta(hours=h)) for a, h in acts)], outcome)


def test_time_to_acknowledge_is_from_raising_to_the_first_acknowledgement() -> None:
    assert life("A01", ("acknowledged", 30), ("acknowledged", 40)).acknowledged_hours == 30
    assert life("A01", ("updated", 2)).acknowledged_hours is None


@pytest.mark.parametrize(
    ("acts", "outcome", "end", "overdue"),
    [
        ([("resolved", 10)], "done", "helped", False),
        ([("resolved", 100)], "declined", "other_outcome", True),
        ([("stood_down", 10)], "", "by_itself", False),
        ([("superseded", 10)], "done", "by_itself", False),
        ([("retracted", 10)], "", "taken_back", False),
        ([("updated", 10)], "", "open", True),
        # An outcome that was taken back: it stands again.
        ([("resolved", 10), ("reopened", 12)], "done", "open", True),
        ([("resolved", 10), ("kept_closed", 12)], "done", "helped", False),
    ],
)
def test_each_alert_has_one_end(acts: list[tuple[str, int]], outcome: str, end: str, overdue: bool) -> None:
    one = life("A01", *acts, outcome=outcome)
    assert (one.end, one.overdue(ON)) == (end, overdue)


def many(rule: str, count: int) -> list[Life]:
    return [life(rule, ("acknowledged", 4), ("resolved", 10), outcome="done") for _ in range(count)]


def test_a_headline_with_few_alerts_is_hidden_and_what_would_tell_it_too() -> None:
    found = {line["title"]: line for line in lines([*many("A01", 20), *many("A02", 9), *many("A03", 3)], ON, 5)}
    a01 = found["Not in education, employment or training: priority group"]
    assert (a01["raised"], a01["hours"], a01["helped"], a01["overdue"]) == (20, 4, 20, 0)
    # Three are few; the next smallest goes with them, or all less the others would tell.
    assert [title for title, line in found.items() if line["hidden"]] == [
        "Left learning, destination unknown",
        "Not in education, employment or training",
    ]
    assert found["all"]["raised"] == 32


def test_one_late_alert_among_many_is_not_told() -> None:
    late = life("A01", ("acknowledged", 4), ("resolved", 100), outcome="done")
    assert all(line["hidden"] for line in lines([*many("A01", 20), late], ON, 5))
    assert lines([], ON, 5) == []
