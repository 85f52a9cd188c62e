"""Each number of the policy is held by an example: moved by one, at least one example must break.

A number without such an example is listed in UNHELD, which may only become shorter: a number that an example holds by
now must leave it, and a new number may not enter unheld.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from services.alerts.policy import Policy
from tests.alerts.test_examples import outcome, rows
from tests.alerts.world import policy

GENERAL = {
    "cool_down_days": ("A04", "A05", "A09", "A10", "A11", "A30"),
    "attendance_ground_days": ("A09", "A10", "A11"),
    "soon_start_days": ("A06", "A19"),
    "late_event_days": ("A15", "A16", "A38"),
}

#: Numbers that no example holds yet.
UNHELD: frozenset[str] = frozenset(
    (
        "MR.sla MR.sla_safeguarding A02.sla A03.min_age A04.warn_days A08.sla_september A09.min_days "
        "A10.below_percent A10.min_days A11.days_priority A11.days_general A13.no_school_days "
        "A17.neet_update_working_days A21.est_weeks A21.pa_months A22.within_days A22.hours_below A28.sla "
        "A29.decision_days A29.final_plan_days A29.between_post16_months A30.hours_school_age "
        "A30.hours_above_school_age A33.days_before_release A34.days_before_18 A36.sla_16_17 A39.sla A40.sla "
        "A40.volume_drop_percent A40.leaver_rise_percent cool_down_days attendance_ground_days "
        "soon_start_days late_event_days long_neet_days.0 long_neet_days.1"
    ).split()
)


def numbers() -> list[str]:
    held = policy()
    found = [f"{name}.{key}" for name, row in held.rules.items() for key in row.numbers]
    return [*found, *GENERAL, "long_neet_days.0", "long_neet_days.1"]


def moved(held: Policy, number: str, by: int) -> Policy:
    """The policy with one number moved."""
    if number in GENERAL:
        return replace(held, **{number: getattr(held, number) + by})
    name, key = number.split(".")
    if name == "long_neet_days":
        days = list(held.long_neet_days)
        days[int(key)] += by
        return replace(held, long_neet_days=tuple(days))
    row = held.rules[name]
    changed = {**row.numbers, key: row.numbers[key] + by}
    row = replace(row, numbers=changed, sla=changed["sla"])
    rules: Mapping[str, Any] = {**held.rules, name: row}
    return replace(held, rules=rules)


def concerned(number: str) -> Iterator[tuple[str, dict[str, Any]]]:
    name = number.split(".")[0]
    wanted = GENERAL.get(number, ("A06",) if name == "long_neet_days" else (name,))
    return ((rule, row) for rule, row in rows() if rule in wanted)


def held_by_an_example(number: str) -> bool:
    for by in (1, -1):
        if not any(
            outcome(rule, row, moved(policy(), number, by)) != outcome(rule, row) for rule, row in concerned(number)
        ):
            return False
    return True


@pytest.mark.parametrize("number", numbers())
def test_a_number_moved_by_one_breaks_an_example(number: str) -> None:
    if number in UNHELD:
        assert not held_by_an_example(number), f"{number} is held by now: take it out of UNHELD"
    else:
        assert held_by_an_example(number), f"no example tells {number} from its neighbours: write one on either side"
