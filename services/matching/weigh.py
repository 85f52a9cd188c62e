"""Fellegi and Sunter's weight of a record against a person, in whole millibits, beside the rules.

Two alternatives are weighed: another person of the population, and another member of the same household (a twin, a
sibling). The lower of the two odds counts: an address says much against a stranger and nothing against a brother.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from services.matching.compare import BornGrade, FamilyGrade, GivenGrade, NameGrade
from services.matching.model import Model, log2_millibits
from services.matching.normalise import Name

_GIVEN = {g: g.name.lower() for g in GivenGrade}
_FAMILY = {g: g.name.lower() for g in FamilyGrade}
_BORN = {g: g.name.lower() for g in BornGrade}
Value = str | date


@dataclass(slots=True)
class Frequencies:
    """How many people carry a value. Counted live, per person and value once."""

    people: int = 0
    counts: dict[str, dict[Value, int]] = field(
        default_factory=lambda: {n: {} for n in ("given", "family", "born", "postcode", "phone", "email")}
    )

    def add(self, kind: str, value: Value, by: int) -> None:
        counts = self.counts[kind]
        left = counts.get(value, 0) + by
        if left > 0:
            counts[value] = left
        else:
            counts.pop(value, None)

    def of(self, kind: str, value: Value) -> int:
        return self.counts[kind].get(value, 0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that is weighed. A value of agreement is given for grades that the frequency decides."""

    names: NameGrade
    name: Name
    born: BornGrade
    born_on: date | None
    agree: int
    clash: int
    postcode: tuple[str, str | None]
    address: str
    phone: tuple[str, str | None]
    email: tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison with its weight in millibits against a stranger and against a member of the household."""

    kind: str
    grade: str
    stranger: int
    household: int
    times: int = 1


@dataclass(slots=True)
class _Sum:
    model: Model
    frequencies: Frequencies
    stranger: int = 0
    household: int = 0
    #: Where the comparisons are noted one by one, for those who ask why.
    parts: list[Part] | None = None

    def add(self, kind: str, grade: str, value: Value | None = None, times: int = 1) -> None:
        row = self.model.grades[kind, grade]
        stranger = row.stranger
        if stranger is None:
            assert value is not None
            stranger = -rarity_millibits(self.model, self.frequencies, kind, value)
        against_stranger, against_household = times * (row.same - stranger), times * (row.same - row.household)
        self.stranger += against_stranger
        self.household += against_household
        if self.parts is not None:
            self.parts.append(Part(kind, grade, against_stranger, against_household, times))


def rarity_millibits(model: Model, frequencies: Frequencies, kind: str, value: Value) -> int:
    """-log2 of the share of people that carry ``value``, smoothed so that a small population claims little."""
    smooth = model.rarity[kind]
    everybody = (frequencies.people + smooth.population) * 1000
    carriers = frequencies.of(kind, value) * 1000 + smooth.count_milli
    return max(0, log2_millibits(everybody) - log2_millibits(carriers))


def weigh(model: Model, frequencies: Frequencies, c: Comparison, parts: list[Part] | None = None) -> int:
    """Odds for "the same person" in millibits, against the stronger alternative. ``parts`` receives the summands."""
    total = _Sum(model, frequencies, parts=parts)
    if c.names.swapped:
        total.add("swapped", "swapped")
    else:
        given, family = c.name.given, c.name.family
        total.add("given", _GIVEN[c.names.given], given.first if given else None)
        total.add("family", _FAMILY[c.names.family], family.joined if family else None)
    total.add("born", _BORN[c.born], c.born_on)
    total.add("postcode", *c.postcode)
    if c.postcode[0] != "equal":
        total.add("address", c.address)
    total.add("phone", *c.phone)
    total.add("email", *c.email)
    if c.agree:
        total.add("number", "agree", times=c.agree)
    if c.clash:
        total.add("number", "clash", times=c.clash)
    stranger, household = priors(model, frequencies)
    if parts is not None:
        parts.append(Part("prior", "prior", stranger, household))
    return min(total.stranger + stranger, total.household + household)


def priors(model: Model, frequencies: Frequencies) -> tuple[int, int]:
    """Odds before anything is compared: against one of all strangers, against one of the household."""
    people = max(model.population_floor, frequencies.people)
    return -log2_millibits(people), -model.household_prior_millibits


def presence(mine: str | None, theirs: Mapping[str, int] | Iterable[str]) -> tuple[str, str | None]:
    """Grade of one value against all known ones."""
    known = theirs if isinstance(theirs, Mapping) else list(theirs)
    if mine is None or not known:
        return ("missing", None)
    return ("equal", mine) if mine in known else ("different", None)
