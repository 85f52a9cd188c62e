"""Comparing one value with another: grades, as POLICY 4.1 names them, and finer ones that weights alone may hear.

To the rules SIMILAR and PARTLY are DIFFERENT: they never link, suggest or bar by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum

from rapidfuzz.distance import OSA, JaroWinkler

from services.matching.aliases import Aliases
from services.matching.normalise import Family, Given, Name, is_particle, soundex, spelling

EDIT_LETTERS_MIN = 4
#: Jaro-Winkler likeness from which two words of a name are similar.
SIMILAR_MIN = 0.83
#: The same for values that are no names.
ALIKE_MIN = 0.9
MEMO_PAIRS_MAX = 400_000


class GivenGrade(IntEnum):
    DIFFERENT = 0
    SIMILAR = 1
    MISSING = 2
    INITIAL = 3
    ALIAS = 4
    EXACT = 5

    @property
    def differs(self) -> bool:
        """Whether POLICY 4.1 calls it different."""
        return self <= GivenGrade.SIMILAR


class FamilyGrade(IntEnum):
    DIFFERENT = 0
    SIMILAR = 1
    MISSING = 2
    PART = 3
    NEAR = 4
    EXACT = 5

    @property
    def differs(self) -> bool:
        """Whether POLICY 4.1 calls it different."""
        return self <= FamilyGrade.SIMILAR


class BornGrade(IntEnum):
    DIFFERENT = 0
    PARTLY = 1
    MISSING = 2
    NEAR = 3
    EQUAL = 4

    @property
    def differs(self) -> bool:
        """Whether POLICY 4.1 calls it different."""
        return self <= BornGrade.PARTLY


def one_edit(one: str, other: str, least: int = EDIT_LETTERS_MIN) -> bool:
    """At most one letter inserted, left out, replaced or exchanged with the next, in words of ``least`` and more."""
    if min(len(one), len(other)) < least or abs(len(one) - len(other)) > 1:
        return False
    return OSA.distance(one, other, score_cutoff=1) <= 1


def one_word(one: str, other: str, aliases: Aliases) -> bool:
    """Whether two given names are one: by the list, a spelling, or a slip of one letter that makes no other known name.

    What only sounds alike is not one name: Jack and Joshua share a Soundex code, and twins bear such names.
    """
    if one == other or aliases.same(one, other):
        return True
    if aliases.apart(one, other) or _woman_and_man(one, other, aliases) or _woman_and_man(other, one, aliases):
        return False
    if one_edit(one, other) or _spelt_alike(one, other):
        return True
    return _slip(one, other, aliases) or _slip(other, one, aliases)


def _woman_and_man(woman: str, man: str, aliases: Aliases) -> bool:
    """Fathia is Fathi's sister. Hann is nobody's brother, but a slip of the known Hanna."""
    return woman == man + "a" and (aliases.known(man) or not aliases.known(woman))


def _slip(slip: str, name: str, aliases: Aliases) -> bool:
    """Fiasal is no name, but a slip of Faisal, and so of Feisal; Lcy is one of Lucy. A known name is no slip."""
    if aliases.known(slip) or len(slip) < EDIT_LETTERS_MIN - 1:
        return False
    if len(slip) < EDIT_LETTERS_MIN:
        return len(name) >= EDIT_LETTERS_MIN and aliases.known(name) and one_edit(slip, name, len(slip))
    return any(one_edit(slip, spelling_) for spelling_ in aliases.spellings_of(name))


def _spelt_alike(one: str, other: str) -> bool:
    return min(len(one), len(other)) >= EDIT_LETTERS_MIN and spelling(one) == spelling(other)


def family_grade(one: Family | None, other: Family | None, aliases: Aliases) -> FamilyGrade:
    if one is None or other is None:
        return FamilyGrade.MISSING
    if one.joined == other.joined:
        return FamilyGrade.EXACT
    if _near_family(one.joined, other.joined, aliases):
        return FamilyGrade.NEAR
    if one.joined in other.halves or other.joined in one.halves or _same_half(one, other):
        return FamilyGrade.PART
    if _cut_to_particle(one, other) or _cut_to_particle(other, one):
        return FamilyGrade.PART
    return FamilyGrade.SIMILAR if _similar(one.joined, other.joined) else FamilyGrade.DIFFERENT


def _near_family(one: str, other: str, aliases: Aliases) -> bool:
    if one_edit(one, other) or _spelt_alike(one, other):
        return True
    if min(len(one), len(other)) >= EDIT_LETTERS_MIN and aliases.spelt(one, other):
        return True
    return _of_one_house(one, other) or _of_one_house(other, one)


#: Family names that a daughter or a wife bears with another ending than the men of the house.
_WOMANS_ENDINGS = {"ova": ("",), "skaya": ("sky", "ski", "skiy"), "aite": ("as",), "iene": ("as", "is", "ys", "us")}
_WOMANS_ENDINGS |= {"yte": ("is", "ys"), "ute": ("us",)}


def _of_one_house(woman: str, man: str) -> bool:
    for ending, mens in _WOMANS_ENDINGS.items():
        stem = woman.removesuffix(ending)
        if stem != woman and len(stem) >= EDIT_LETTERS_MIN and any(stem + end == man for end in mens):
            return True
    return False


def _cut_to_particle(short: Family, whole: Family) -> bool:
    """El is what a form left of El-Sayed."""
    return bool(whole.halves) and is_particle(short.joined) and whole.joined.startswith(short.joined)


def alike(one: str, other: str) -> bool:
    """Whether one value that is no name may be the other, badly typed."""
    return one_edit(one, other) or JaroWinkler.similarity(one, other) >= ALIKE_MIN


def _similar(one: str, other: str) -> bool:
    """Alike in letters or in sound, and yet no slip of one letter."""
    return JaroWinkler.similarity(one, other) >= SIMILAR_MIN or (soundex(one) == soundex(other) != "")


def _same_half(one: Family, other: Family) -> bool:
    return bool(one.halves) and bool(other.halves) and not set(one.halves).isdisjoint(other.halves)


def given_grade(one: Given | None, other: Given | None, aliases: Aliases) -> GivenGrade:
    if one is None or other is None:
        return GivenGrade.MISSING
    if one.joined == other.joined:
        return GivenGrade.EXACT
    if len(one.first) == 1 or len(other.first) == 1:
        return _initial_grade(one, other)
    if _called_differently(one, other, aliases):
        return GivenGrade.DIFFERENT
    if one.first == other.first:
        return GivenGrade.EXACT
    if _alias(one, other, aliases):
        return GivenGrade.ALIAS
    return GivenGrade.SIMILAR if _similar(one.first, other.first) else GivenGrade.DIFFERENT


def _initial_grade(one: Given, other: Given) -> GivenGrade:
    """M Bilal is Bilal, too: he uses his middle name."""
    if one.first[0] == other.first[0]:
        return GivenGrade.INITIAL
    return GivenGrade.ALIAS if one.first in other.others or other.first in one.others else GivenGrade.DIFFERENT


def _called_differently(one: Given, other: Given, aliases: Aliases) -> bool:
    """Mohammed Ali and Mohammed Hassan are two brothers: behind a common prefix the second name tells them apart."""
    if one.first not in aliases.prefixes or other.first not in aliases.prefixes or not one.others or not other.others:
        return False
    return not any(_one_call(a, b, aliases) for a in one.others for b in other.others)


def _one_call(one: str, other: str, aliases: Aliases) -> bool:
    """One word of a name, or its initial."""
    return one_word(one, other, aliases) or (1 in (len(one), len(other)) and one[0] == other[0])


def _alias(one: Given, other: Given, aliases: Aliases) -> bool:
    if one_word(one.first, other.first, aliases):
        return True
    mine, theirs = _words(one), _words(other)
    if len(mine) != len(theirs) and one_edit(one.joined, other.joined):
        return True
    if len(mine) == len(theirs) > 1:
        return all(one_word(a, b, aliases) for a, b in zip(mine, theirs, strict=True))
    return _in_use(mine, theirs, aliases) or _in_use(theirs, mine, aliases)


def _words(given: Given) -> tuple[str, ...]:
    return (*(given.parts or (given.first,)), *given.others)


def _in_use(whole: tuple[str, ...], short: tuple[str, ...], aliases: Aliases) -> bool:
    """A middle name in use as first name, or half of a hyphenated one. Nothing else may stand beside it: Grace Olivia
    is not her sister Olivia Rose."""
    if len(short) >= len(whole):
        return False
    return all(any(_one_call(word, part, aliases) for part in whole) for word in short)


def born_grade(one: date | None, other: date | None) -> BornGrade:
    if one is None or other is None:
        return BornGrade.MISSING
    if one == other:
        return BornGrade.EQUAL
    if _near(one, other):
        return BornGrade.NEAR
    return BornGrade.PARTLY if _partly(one, other) else BornGrade.DIFFERENT


def _partly(one: date, other: date) -> bool:
    """Two of year, month and day; the year, where one side is its first day and so may hold no more than that; or two
    assigned days, a year apart (ages are disputed)."""
    year, month, day = one.year == other.year, one.month == other.month, one.day == other.day
    if year + month + day >= 2 or (year and (_first_of_year(one) or _first_of_year(other))):
        return True
    return month and abs(one.year - other.year) == 1 and {one.day, other.day} <= {1, 15}


def _first_of_year(born: date) -> bool:
    return born.month == born.day == 1


def _near(one: date, other: date) -> bool:
    """An assigned day (the 1st or 15th) of the same month; day and month exchanged; a slip of the hand."""
    if one.year == other.year:
        if one.month == other.month and (one.day in (1, 15) or other.day in (1, 15)):
            return True
        if one.month == other.day and one.day == other.month:
            return True
    return _slipped(one, other)


def _slipped(one: date, other: date) -> bool:
    """One digit different, two neighbours exchanged, or another century: 0009 and 1909 were typed for 2009."""
    if (one.month, one.day) == (other.month, other.day) and (one.year - other.year) % 100 == 0:
        return True
    a, b = one.isoformat(), other.isoformat()
    differ = [at for at, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]
    if len(differ) == 1:
        return True
    if len(differ) != 2 or differ[1] - differ[0] != 1:
        return False
    first, second = differ
    return a[first] == b[second] and a[second] == b[first]


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


_GRADES = {
    (given, family, swapped): NameGrade(given, family, swapped)
    for given in GivenGrade
    for family in FamilyGrade
    for swapped in (False, True)
}


@dataclass(slots=True)
class NameComparer:
    """Grades names, and remembers what it has seen: the same few names meet all day, in ever new pairs of whole names.

    Two memos, of given and of family names, hold far more than one of their pairs would.
    """

    aliases: Aliases
    _given: dict[tuple[Given | None, Given | None], GivenGrade] = field(default_factory=dict)
    _family: dict[tuple[Family | None, Family | None], FamilyGrade] = field(default_factory=dict)

    def best(self, mine: tuple[Name, ...], theirs: tuple[Name, ...]) -> NameGrade:
        return self.closest(mine, theirs)[0]

    def closest(self, mine: tuple[Name, ...], theirs: tuple[Name, ...]) -> tuple[NameGrade, Name, Name]:
        """The grade of the two names that are nearest to each other, and these. Neither side is empty."""
        if len(mine) == 1 and len(theirs) == 1:
            return (self.pair(mine[0], theirs[0]), mine[0], theirs[0])
        return max(((self.pair(a, b), a, b) for a in mine for b in theirs), key=lambda found: _rank(found[0]))

    def strangers(self, mine: tuple[Name, ...], theirs: tuple[Name, ...]) -> bool:
        """Whether no two given names fit, and none stands in a family name's place: seven candidates of ten."""
        for one in mine:
            for other in theirs:
                given = self._given.get((one.given, other.given))
                if given is None:
                    given = self._given_grade(one.given, other.given)
                if given > GivenGrade.SIMILAR or self._swapped(one, other):
                    return False
        return True

    def pair(self, one: Name, other: Name) -> NameGrade:
        given, family = self._given.get((one.given, other.given)), self._family.get((one.family, other.family))
        if given is None:
            given = self._given_grade(one.given, other.given)
        if family is None:
            family = self._family_grade(one.family, other.family)
        if family.differs and (_in_given(one, other) or _in_given(other, one)):
            family = FamilyGrade.PART
        whole = given >= GivenGrade.INITIAL and family >= FamilyGrade.PART
        return _GRADES[given, family, not whole and self._swapped(one, other)]

    def _given_grade(self, one: Given | None, other: Given | None) -> GivenGrade:
        if len(self._given) >= MEMO_PAIRS_MAX:
            self._given.clear()
        grade = self._given[one, other] = given_grade(one, other, self.aliases)
        return grade

    def _family_grade(self, one: Family | None, other: Family | None) -> FamilyGrade:
        if len(self._family) >= MEMO_PAIRS_MAX:
            self._family.clear()
        grade = self._family[one, other] = family_grade(one, other, self.aliases)
        return grade

    def _swapped(self, one: Name, other: Name) -> bool:
        if one.given is None or one.family is None or other.given is None or other.family is None:
            return False
        return self._same(one.given, other.family) and self._same(other.given, one.family)

    def _same(self, given: Given, family: Family) -> bool:
        if family.joined in (given.joined, given.first) or self.aliases.same(given.first, family.joined):
            return True
        return given.first in family.halves


def _in_given(whole: Name, short: Name) -> bool:
    """Harpreet Kaur Gill is Harpreet Kaur elsewhere: one agency's family name is a later given name of another's."""
    if whole.given is None or short.family is None:
        return False
    return len(short.family.joined) >= EDIT_LETTERS_MIN and short.family.joined in whole.given.others


def _rank(grade: NameGrade) -> tuple[bool, bool, int, int]:
    return (grade.agrees, grade.swapped, grade.given + grade.family, grade.given)
