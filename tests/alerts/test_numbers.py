"""Each number and each date of the policy is held by an example: moved by one, at least one example must break.

A number without such an example is listed in UNHELD, which may only become shorter: a number that an example holds by
now must leave it, and a new number may not enter unheld.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from typing import Any

import pytest

from services.alerts.policy import Policy, month_day
from tests.alerts.test_examples import outcome, rows
from tests.alerts.world import policy

GENERAL = {
    "cool_down_days": ("A04", "A05", "A09", "A10", "A11", "A30"),
    "attendance_ground_days": ("A09", "A10", "A11"),
    "soon_start_days": ("A06", "A19"),
    "late_event_days": ("A15", "A16", "A38"),
    "escalate_after": ("A10",),
}
#: Days of the year: a month and a day, moved by one day.
A_DAY = re.compile(r"\d\d-\d\d")

#: Numbers that no example holds yet.
UNHELD: frozenset[str] = frozenset(
    [
        "MR.sla",
        "MR.sla_safeguarding",
    ]
)


def numbers() -> list[str]:
    held = policy()
    found = [f"{name}.{key}" for name, row in held.rules.items() for key in row.numbers]
    return [*found, *GENERAL, "long_neet_days.0", "long_neet_days.1", *dates()]


def dates() -> list[str]:
    """``A08.checkpoints.0`` and the like, and the ends of terms."""
    held = policy()
    found = [
        f"{name}.{key}.{place}"
        for name, row in held.rules.items()
        for key, words in row.words.items()
        for place, word in enumerate(words)
        if A_DAY.fullmatch(word)
    ]
    return [*found, *(f"term_ends.{place}" for place in range(len(held.term_ends)))]


def next_to(month: int, day: int, by: int) -> date:
    """In a year without 29 February."""
    return date(2025, month, day) + timedelta(days=by)


def with_date_moved(held: Policy, number: str, by: int) -> Policy:
    if number.startswith("term_ends."):
        ends = list(held.term_ends)
        place = int(number.partition(".")[2])
        there = next_to(*ends[place], by)
        ends[place] = (there.month, there.day)
        return replace(held, term_ends=tuple(ends))
    name, key, place_of = number.split(".")
    row = held.rules[name]
    words = list(row.words[key])
    words[int(place_of)] = f"{next_to(*month_day(words[int(place_of)]), by):%m-%d}"
    rules: Mapping[str, Any] = {**held.rules, name: replace(row, words={**row.words, key: tuple(words)})}
    return replace(held, rules=rules)


def moved(held: Policy, number: str, by: int) -> Policy:
    """The policy with one number moved."""
    if number in dates():
        return with_date_moved(held, number, by)
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


@cache
def as_it_is(place: int) -> tuple[list[str], ...]:
    """Outcome of an example under the policy that stands."""
    return outcome(*rows()[place])


def concerned(number: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    name = number.split(".")[0]
    wanted = GENERAL.get(number) or {"long_neet_days": ("A06",), "term_ends": ("A16",)}.get(name, (name,))
    return ((place, rule, row) for place, (rule, row) in enumerate(rows()) if rule in wanted)


def value(number: str) -> int:
    held = policy()
    if number in GENERAL:
        return int(getattr(held, number))
    name, key = number.split(".")
    return held.long_neet_days[int(key)] if name == "long_neet_days" else held.number(name, key)


def held_by_an_example(number: str) -> bool:
    """Whether examples break on either side; below nothing there is no neighbour."""
    for by in (1, -1) if number in dates() or value(number) > 0 else (1,):
        under = moved(policy(), number, by)
        if not any(outcome(rule, row, under) != as_it_is(n) for n, rule, row in concerned(number)):
            return False
    return True


@pytest.mark.parametrize("number", numbers())
def test_a_number_moved_by_one_breaks_an_example(number: str) -> None:
    if number in UNHELD:
        assert not held_by_an_example(number), f"{number} is held by now: take it out of UNHELD"
    else:
        assert held_by_an_example(number), f"no example tells {number} from its neighbours: write one on either side"
