"""The binding rules I2 to I9 of POLICY 4.2 for one observation and one known record, first line that fits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from services.matching.compare import BornGrade, FamilyGrade, GivenGrade, NameGrade


class Result(IntEnum):
    """BARRED: never linked and never suggested (twin guard)."""

    NONE = 0
    REVIEW = 1
    AUTO = 2
    BARRED = 3


class Evidence(NamedTuple):
    """What a comparison found. ``agree``, ``clash``: strong identifiers; ``reference``: another party's reference."""

    names: NameGrade
    born: BornGrade
    agree: bool = False
    clash: bool = False
    reference: bool = False
    support: bool = False
    same_postcode: bool = False
    provider: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    rule: str
    result: Result
    reason: str


I2 = Verdict("I2", Result.BARRED, "twin")
I3_REVIEW = Verdict("I3", Result.REVIEW, "clash")
I3_NONE = Verdict("I3", Result.NONE, "clash")
I4_AUTO = Verdict("I4", Result.AUTO, "identifier")
I4_REVIEW = Verdict("I4", Result.REVIEW, "identifier_only")
#: Where the policy says ``another_given_name: ask``: one such link in four is a twin's number on the other (ADR 12).
I4_ANOTHER_GIVEN = Verdict("I4", Result.REVIEW, "another_given_name")
I5 = Verdict("I5", Result.AUTO, "names_born_support")
I6 = Verdict("I6", Result.REVIEW, "no_support")
I6_SWAPPED = Verdict("I6", Result.REVIEW, "names_swapped")
I6_INEXACT = Verdict("I6", Result.REVIEW, "names_inexact")
I7 = Verdict("I7", Result.REVIEW, "dob_near")
I8 = Verdict("I8", Result.REVIEW, "dob_missing")
I9 = Verdict("I9", Result.NONE, "nothing")


def judge(e: Evidence) -> Verdict:
    if twin(e):
        return I2
    if e.clash:
        return I3_REVIEW if e.agree or e.reference else I3_NONE
    if e.agree or e.reference:
        return I4_AUTO if _demographics_bear_it(e) else I4_REVIEW
    if e.born is BornGrade.EQUAL:
        return _born_equal(e)
    if e.born is BornGrade.NEAR:
        return I7 if e.names.swapped or (e.names.agrees and e.names.inexact <= 1) else I9
    if e.born is BornGrade.MISSING:
        return _born_missing(e)
    return I9


def twin(e: Evidence) -> bool:
    """Same birth date, family and postcode under another given name: a twin, or a wrong file. Never one person."""
    return (
        e.born is BornGrade.EQUAL and e.names.family >= FamilyGrade.NEAR and e.names.given.differs and e.same_postcode
    )


def misfiled(names: NameGrade, born: BornGrade, agree: bool) -> bool:
    """I1's exception: the source's own reference, but neither given name nor birth date is the known one.

    A birth date that is missing, or only near under another family name, bears nothing out unless an identifier agrees:
    a brother's event in the wrong file looks so.
    """
    if names.swapped or not names.given.differs:
        return False
    if born.differs:
        return True
    return not agree and (born is BornGrade.MISSING or (born is BornGrade.NEAR and names.family.differs))


def _demographics_bear_it(e: Evidence) -> bool:
    both_differ = e.names.given.differs and e.names.family.differs and not e.names.swapped
    return e.born in (BornGrade.EQUAL, BornGrade.MISSING) and not both_differ


def _born_equal(e: Evidence) -> Verdict:
    if e.names.swapped:
        return I6_SWAPPED
    if not e.names.agrees:
        return I9
    if e.names.inexact > 1:
        return I6_INEXACT
    return I5 if e.support else I6


def _born_missing(e: Evidence) -> Verdict:
    given_fits = e.names.given in (GivenGrade.EXACT, GivenGrade.ALIAS)
    family_fits = e.names.family >= FamilyGrade.NEAR
    return I8 if given_fits and family_fits and (e.support or e.provider) else I9
