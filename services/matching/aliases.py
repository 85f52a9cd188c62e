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
    """Groups by name. ``prefixes``: names so common as a first word that the next word is what the family calls."""

    groups: dict[str, frozenset[int]]
    prefixes: frozenset[str]

    def same(self, one: str, other: str) -> bool:
        mine = self.groups.get(one)
        return mine is not None and not mine.isdisjoint(self.groups.get(other, frozenset()))


def read_aliases(lines: Iterable[str]) -> Aliases:
    """Groups from text: one group per line, names by spaces, ``#`` begins a comment, ``!`` marks a prefix group.

    Raises ValueError with the line number for a group of one.
    """
    found: dict[str, set[int]] = {}
    prefixes: set[str] = set()
    for number, line in enumerate(lines, start=1):
        names = [fold(word) for word in line.split("#")[0].replace("!", " ").split()]
        if not names:
            continue
        if len(names) < 2:
            raise ValueError(f"line {number}: a group needs two names or more")
        if "!" in line.split("#")[0]:
            prefixes.update(names)
        for name in names:
            found.setdefault(name, set()).add(number)
    return Aliases({name: frozenset(found[name]) for name in sorted(found)}, frozenset(prefixes))
