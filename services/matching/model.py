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


#: What the hub itself compares and counts.
OWN = frozenset(
    {"given", "family", "whole", "swapped", "born", "home", "postcode", "address", "phone", "email", "number"}
)


#: Odds against a household's member that no stranger's are above.
_NO_HOUSEHOLD = -60_000


@dataclass(frozen=True, slots=True)
class Grade:
    """log2 of how often a grade is seen: between records of the same person, a stranger's, a household member's.

    ``by_value``: a stranger shows the grade as often as people bear the value, times two to the ``stranger``.
    """

    same: int
    stranger: int
    household: int
    by_value: bool


@dataclass(frozen=True, slots=True)
class Rarity:
    """Smoothing of a frequency: as if ``population`` more people were known, ``count_milli``/1000 of them so named."""

    population: int
    count_milli: int


@dataclass(frozen=True, slots=True)
class Costs:
    """What an error costs, in questions put to a reader."""

    false_link: int
    missed_link: int

    @property
    def auto_millibits(self) -> int:
        """Odds from which a link that may be false costs less than a question (500 : 1 are 9 bits)."""
        return log2_millibits(self.false_link - 1)

    @property
    def review_millibits(self) -> int:
        """Odds from which a question costs less than a link that may be missed."""
        return -log2_millibits(self.missed_link - 1)


@dataclass(frozen=True, slots=True)
class Register:
    """Of a model that decides a register alone, without the policy's guards and without readers (ADR 22).

    ``link_millibits``: weight from which two groups of records are one person. ``near_millibits``: how far below a pair
    is still remembered, to be weighed again when one of the two has grown. ``once``: each source holds a person once at
    most, as when two cleaned files are linked: no two of its records are ever one person.
    ``households``: whether another member of the household is an alternative, as in the hub; else only strangers are.
    ``slips``: whether names in each other's place are seen though badly typed, pairs are looked for by the sounds of
    two further columns, and names are trained on what further columns alone found: for files of many columns.
    """

    link_millibits: int
    near_millibits: int
    once: bool = False
    households: bool = True
    slips: bool = False


def _register(read: Mapping[str, Any]) -> Register:
    return Register(
        link_millibits=int(read["link_millibits"]),
        near_millibits=int(read["near_millibits"]),
        once=bool(read.get("once", False)),
        households=bool(read.get("households", True)),
        slips=bool(read.get("slips", False)),
    )


@dataclass(frozen=True, slots=True)
class Model:
    """Weights and thresholds of one date.

    Below ``population_measured_min`` known people nobody can say how rare a name is: there the rules decide alone.
    ``gap_millibits``: how far the best candidate must be ahead of the second. ``careful_millibits``: by how much the
    weight of what a rule asks about is too low, as measured. ``further``: columns of a file that are compared besides.
    """

    name: str
    population_floor: int
    population_measured_min: int
    household_prior_millibits: int
    gap_millibits: int
    costs: Costs
    grades: Mapping[tuple[str, str], Grade]
    rarity: Mapping[str, Rarity]
    auto_millibits: int
    review_millibits: int
    careful_millibits: Mapping[str, int]
    further: tuple[str, ...] = ()
    register: Register | None = None

    def link_millibits(self, rule: str) -> int:
        """Weight from which a question of the rule is answered with a link."""
        return self.auto_millibits - self.careful_millibits.get(rule, 0)


def read_model(text: str) -> Model:
    """Parse a model file. Raises KeyError or ValueError for one that is not whole."""
    read: Mapping[str, Any] = json.loads(text)
    grades = {
        (name, grade): Grade(int(row["same"]), int(row["stranger"]), int(row["household"]), bool(row.get("by_value")))
        for name, rows in read["grades"].items()
        for grade, row in rows.items()
    }
    rarity = {name: Rarity(int(row["population"]), int(row["count_milli"])) for name, row in read["rarity"].items()}
    costs = Costs(int(read["costs"]["false_link"]), int(read["costs"]["missed_link"]))
    if min(costs.false_link, costs.missed_link) < 2:
        raise ValueError("costs: a false link and a missed link each cost at least two questions")
    further, alone = tuple(read.get("further", ())), _register(read["register"]) if "register" in read else None
    lacking = [column for column in further if column not in rarity or (column, "equal") not in grades]
    if further and alone is None:
        raise ValueError("further: the hub has no such columns, only a model that decides a register alone")
    nobody_near = alone is not None and not alone.households
    if own := sorted(OWN & set(further)):
        raise ValueError(f"further: {', '.join(own)}: compared anyway")
    if lacking:
        raise ValueError(f"further: {', '.join(lacking)}: a column that is compared has grades and a rarity")
    return Model(
        name=str(read["name"]),
        population_floor=int(read["population_floor"]),
        population_measured_min=int(read["population_measured_min"]),
        household_prior_millibits=_NO_HOUSEHOLD if nobody_near else int(read["household_prior_millibits"]),
        gap_millibits=int(read["gap_millibits"]),
        costs=costs,
        grades=grades,
        rarity=rarity,
        auto_millibits=costs.auto_millibits,
        review_millibits=costs.review_millibits,
        careful_millibits={rule: int(of) for rule, of in read.get("careful_millibits", {}).items()},
        further=further,
        register=alone,
    )
