"""The model: dated, hashed weights in whole millibits (thousandths of a bit), read from ``models/*.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TABLE = tuple(round(1000 * math.log2(n)) if n else 0 for n in range(4096))


def log2_millibits(number: int) -> int:
    """log2 in millibits of a whole number above 0, from its twelve leading bits."""
    assert number > 0
    shift = max(0, number.bit_length() - 12)
    return shift * 1000 + _TABLE[number >> shift]


@dataclass(frozen=True, slots=True)
class Grade:
    """log2 of how often a grade is seen: between records of the same person, a stranger's, a household member's.

    ``stranger`` None: the frequency of the value decides.
    """

    same: int
    stranger: int | None
    household: int


@dataclass(frozen=True, slots=True)
class Rarity:
    """Smoothing of a frequency: as if ``population`` more people were known, ``count_milli``/1000 of them so named."""

    population: int
    count_milli: int


@dataclass(frozen=True, slots=True)
class Model:
    """Weights and thresholds of one date.

    Below ``population_measured_min`` known people nobody can say how rare a name is: there the rules decide alone.
    """

    name: str
    population_floor: int
    population_measured_min: int
    household_prior_millibits: int
    auto_millibits: int
    unruled_auto_millibits: int
    review_millibits: int
    unruled_review_millibits: int
    gap_millibits: int
    grades: Mapping[tuple[str, str], Grade]
    rarity: Mapping[str, Rarity]


def read_model(text: str) -> Model:
    """Parse a model file. Raises KeyError or ValueError for one that is not whole."""
    read: Mapping[str, Any] = json.loads(text)
    grades = {
        (name, grade): Grade(
            int(row["same"]), None if row["stranger"] is None else int(row["stranger"]), int(row["household"])
        )
        for name, rows in read["grades"].items()
        for grade, row in rows.items()
    }
    rarity = {name: Rarity(int(row["population"]), int(row["count_milli"])) for name, row in read["rarity"].items()}
    limits = read["thresholds"]
    return Model(
        name=str(read["name"]),
        population_floor=int(read["population_floor"]),
        population_measured_min=int(read["population_measured_min"]),
        household_prior_millibits=int(read["household_prior_millibits"]),
        auto_millibits=int(limits["auto_millibits"]),
        unruled_auto_millibits=int(limits["unruled_auto_millibits"]),
        review_millibits=int(limits["review_millibits"]),
        unruled_review_millibits=int(limits["unruled_review_millibits"]),
        gap_millibits=int(limits["gap_millibits"]),
        grades=grades,
        rarity=rarity,
    )
