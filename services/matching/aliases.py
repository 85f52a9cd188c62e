"""Given names that are one name in two spellings, or a name and its short form.

A name may stand in several groups (Alex is Alexander and Alexandra); two names are aliases if they share a group, so
Alexander and Alexandra are not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.matching.normalise import fold


@dataclass(frozen=True, slots=True)
class Aliases:
    """Groups by name. ``prefixes``: names so common as a first word that the next word is what the family calls.

    ``spellings``: groups of one name in several spellings, which hold for family names, too. ``near``: the groups of a
    name and of its other spellings. ``members``: the names of each group of spellings.
    """

    groups: dict[str, frozenset[int]]
    prefixes: frozenset[str]
    spellings: frozenset[int]
    near: dict[str, frozenset[int]]
    members: dict[int, tuple[str, ...]]

    def same(self, one: str, other: str) -> bool:
        mine = self.groups.get(one)
        if mine is None:
            return False
        return not mine.isdisjoint(self.groups.get(other, frozenset())) or self.spelt(one, other)

    def apart(self, one: str, other: str) -> bool:
        """Two known names that are not one, however near their letters: Amir and Amira, Ella and Elsa."""
        mine, theirs = self.near.get(one), self.near.get(other)
        return mine is not None and theirs is not None and mine.isdisjoint(theirs)

    def spelt(self, one: str, other: str) -> bool:
        """Two spellings of one name, given or family."""
        mine = self.near.get(one, frozenset()) & self.spellings
        return not mine.isdisjoint(self.groups.get(other, frozenset()))

    def known(self, word: str) -> bool:
        return word in self.groups

    def spellings_of(self, name: str) -> set[str]:
        """Other spellings of a known name; none for a word that is not known."""
        numbers = self.groups.get(name, frozenset()) & self.spellings
        return {member for number in numbers for member in self.members[number]} - {name}


def read_aliases(lines: Iterable[str]) -> Aliases:
    """Groups from text: one group per line, names by spaces, ``#`` begins a comment.

    ``=``: the group is spellings of one name. ``!``: a prefix group, of spellings as well. ``~``: no group, but names
    that stand alone. Raises ValueError with the numbers of all lines that hold a group of one.
    """
    found: dict[str, set[int]] = {}
    prefixes: set[str] = set()
    spellings: set[int] = set()
    alone: set[str] = set()
    faults: list[str] = []
    for number, line in enumerate(lines, start=1):
        words = line.split("#")[0].split()
        marks = {word for word in words if word in _MARKS}
        names = [fold(word) for word in words if word not in _MARKS]
        if "~" in marks:
            alone.update(names)
            continue
        if len(names) == 1:
            faults.append(f"line {number}: a group needs two names or more; begin the line with ~ if it stands alone")
        if "!" in marks:
            prefixes.update(names)
        if marks:
            spellings.add(number)
        for name in names:
            found.setdefault(name, set()).add(number)
    if faults:
        raise ValueError("; ".join(faults))
    # Numbers below those of the lines: each of these names is a group of its own.
    for number, name in enumerate(sorted(alone - found.keys()), start=1):
        found[name] = {-number}
    groups = {name: frozenset(found[name]) for name in sorted(found)}
    members = {number: tuple(name for name, mine in groups.items() if number in mine) for number in sorted(spellings)}
    return Aliases(groups, frozenset(prefixes), frozenset(spellings), _near(groups, members), members)


def _near(groups: dict[str, frozenset[int]], members: dict[int, tuple[str, ...]]) -> dict[str, frozenset[int]]:
    """Yuusuf is Yusuf and Yusuf is Yousef: no known name of its own is made of one by a letter of the other."""
    beside = {number: frozenset[int]().union(*(groups[name] for name in names)) for number, names in members.items()}
    return {name: mine.union(*(beside[number] for number in mine if number in beside)) for name, mine in groups.items()}


_MARKS = frozenset("=!~")
