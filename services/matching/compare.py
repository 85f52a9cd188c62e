"""Comparing one value with another: grades, as POLICY 4.1 names them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum

from rapidfuzz.distance import OSA

from services.matching.aliases import Aliases
from services.matching.normalise import Family, Given, Name, soundex

EDIT_LETTERS_MIN = 4
MEMO_PAIRS_MAX = 400_000


class GivenGrade(IntEnum):
    DIFFERENT = 0
    MISSING = 1
    INITIAL = 2
    ALIAS = 3
    EXACT = 4


class FamilyGrade(IntEnum):
    DIFFERENT = 0
    MISSING = 1
    PART = 2
    NEAR = 3
    EXACT = 4


class BornGrade(IntEnum):
    DIFFERENT = 0
    MISSING = 1
    NEAR = 2
    EQUAL = 3


def one_edit(one: str, other: str) -> bool:
    """At most one letter inserted, left out, replaced or exchanged with its neighbour, in words of four or more."""
    if min(len(one), len(other)) < EDIT_LETTERS_MIN or abs(len(one) - len(other)) > 1:
        return False
    return OSA.distance(one, other, score_cutoff=1) <= 1


def family_grade(one: Family | None, other: Family | None) -> FamilyGrade:
    if one is None or other is None:
        return FamilyGrade.MISSING
    if one.joined == other.joined:
        return FamilyGrade.EXACT
    if one_edit(one.joined, other.joined):
        return FamilyGrade.NEAR
    if one.joined in other.halves or other.joined in one.halves or _same_half(one, other):
        return FamilyGrade.PART
    return FamilyGrade.DIFFERENT


def _same_half(one: Family, other: Family) -> bool:
    return bool(one.halves) and bool(other.halves) and not set(one.halves).isdisjoint(other.halves)


def given_grade(one: Given | None, other: Given | None, aliases: Aliases) -> GivenGrade:
    if one is None or other is None:
        return GivenGrade.MISSING
    if one.joined == other.joined:
        return GivenGrade.EXACT
    if len(one.first) == 1 or len(other.first) == 1:
        return GivenGrade.INITIAL if one.first[0] == other.first[0] else GivenGrade.DIFFERENT
    if _called_differently(one, other, aliases):
        return GivenGrade.DIFFERENT
    if one.first == other.first:
        return GivenGrade.EXACT
    if _alias(one, other, aliases):
        return GivenGrade.ALIAS
    return GivenGrade.DIFFERENT


def _called_differently(one: Given, other: Given, aliases: Aliases) -> bool:
    """Mohammed Ali and Mohammed Hassan are two brothers: behind a common prefix the second name tells them apart."""
    if one.first not in aliases.prefixes or other.first not in aliases.prefixes or not one.others or not other.others:
        return False
    near = (a == b or aliases.same(a, b) or one_edit(a, b) for a in one.others for b in other.others)
    return not any(near)


def _alias(one: Given, other: Given, aliases: Aliases) -> bool:
    a, b = one.first, other.first
    if aliases.same(a, b) or one_edit(a, b):
        return True
    code = soundex(a)
    if code and code == soundex(b):
        return True
    # A middle name in use as first name, or half of a hyphenated one.
    return b in one.parts or a in other.parts or b in one.others or a in other.others


def born_grade(one: date | None, other: date | None) -> BornGrade:
    if one is None or other is None:
        return BornGrade.MISSING
    if one == other:
        return BornGrade.EQUAL
    return BornGrade.NEAR if _near(one, other) else BornGrade.DIFFERENT


def _near(one: date, other: date) -> bool:
    """An assigned day (the 1st or 15th) of the same month; day and month exchanged; one digit different."""
    if one.year == other.year:
        if one.month == other.month and (one.day in (1, 15) or other.day in (1, 15)):
            return True
        if one.month == other.day and one.day == other.month:
            return True
    return sum(a != b for a, b in zip(one.isoformat(), other.isoformat(), strict=True)) == 1


@dataclass(frozen=True, slots=True)
class NameGrade:
    """The best pair of two records' names. ``swapped``: given and family name stand in each other's place."""

    given: GivenGrade
    family: FamilyGrade
    swapped: bool

    @property
    def agrees(self) -> bool:
        """Names as in I5: given exact, alias or initial; family exact, near or part."""
        return self.given >= GivenGrade.INITIAL and self.family >= FamilyGrade.PART

    @property
    def inexact(self) -> int:
        return (self.given != GivenGrade.EXACT) + (self.family != FamilyGrade.EXACT)


NO_NAMES = NameGrade(GivenGrade.MISSING, FamilyGrade.MISSING, False)


@dataclass(slots=True)
class NameComparer:
    """Grades names, and remembers the pairs that it has seen: the same few pairs return all day."""

    aliases: Aliases
    _memo: dict[tuple[Name, Name], NameGrade] = field(default_factory=dict)

    def best(self, mine: tuple[Name, ...], theirs: tuple[Name, ...]) -> NameGrade:
        if len(mine) == 1 and len(theirs) == 1:
            return self.pair(mine[0], theirs[0])
        found = [self.pair(a, b) for a in mine for b in theirs]
        return max(found, key=_rank) if found else NO_NAMES

    def pair(self, one: Name, other: Name) -> NameGrade:
        key = (one, other)
        grade = self._memo.get(key)
        if grade is None:
            if len(self._memo) >= MEMO_PAIRS_MAX:
                self._memo.clear()
            grade = self._memo[key] = self._grade(one, other)
        return grade

    def _grade(self, one: Name, other: Name) -> NameGrade:
        given = given_grade(one.given, other.given, self.aliases)
        family = family_grade(one.family, other.family)
        whole = given >= GivenGrade.INITIAL and family >= FamilyGrade.PART
        return NameGrade(given, family, not whole and self._swapped(one, other))

    def _swapped(self, one: Name, other: Name) -> bool:
        if one.given is None or one.family is None or other.given is None or other.family is None:
            return False
        return self._same(one.given, other.family) and self._same(other.given, one.family)

    def _same(self, given: Given, family: Family) -> bool:
        written = (given.joined, given.first)
        return family.joined in written or self.aliases.same(given.first, family.joined)


def _rank(grade: NameGrade) -> tuple[bool, bool, int, int]:
    return (grade.agrees, grade.swapped, grade.given + grade.family, grade.given)
