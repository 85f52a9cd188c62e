"""How the further columns of a register compare (``Model.further``).

A grade that the model has no weight for is not seen: ``exchanged`` and ``blank`` are for columns that have one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from services.matching.compare import alike, one_edit
from services.matching.model import Grade
from services.matching.normalise import Name
from services.matching.weigh import Graded

EQUAL, NEAR, EXCHANGED, DIFFERENT = "equal", "near", "exchanged", "different"
#: Digits of a number in which one slip is looked for: 24 may be 42.
DIGITS_MIN = 2
Further = Collection[tuple[str, str]]


def further(mine: Further, known: Further, grades: Mapping[tuple[str, str], Grade]) -> Iterator[tuple[str, Graded]]:
    """Each further column that both sides fill. ``known``: all that the other side has shown."""
    exchanged = False
    for column, value in mine:
        theirs = [other for name, other in known if name == column]
        if value in theirs:
            yield column, (EQUAL, value)
        elif any(near(value, other) for other in theirs):
            yield column, (NEAR, None)
        elif (column, EXCHANGED) in grades and _elsewhere(column, value, known, grades):
            # Two lines of an address in each other's place are one matter and not two.
            if not exchanged:
                yield column, (EXCHANGED, None)
            exchanged = True
        elif theirs:
            yield column, (DIFFERENT, None)


def _elsewhere(column: str, value: str, known: Further, grades: Mapping[tuple[str, str], Grade]) -> bool:
    return any(other == value for name, other in known if name != column and (name, EXCHANGED) in grades)


def exchanged(mine: Collection[Name], theirs: Collection[Name]) -> bool:
    """Whether given and family name stand in each other's place, badly typed besides: what is written so exactly, the
    hub's own comparison sees."""
    return any(_exchanged(one, other) for one in mine for other in theirs)


def _exchanged(one: Name, other: Name) -> bool:
    if one.given is None or one.family is None or other.given is None or other.family is None:
        return False
    return _alike(one.given.joined, other.family.joined) and _alike(other.given.joined, one.family.joined)


def _alike(one: str, other: str) -> bool:
    return one == other or alike(one, other)


def near(one: str, other: str) -> bool:
    """Whether one value may be the other, badly typed; of a number, with one slip."""
    if one.isdigit() and other.isdigit():
        return one_edit(one, other, DIGITS_MIN)
    return alike(one, other)
