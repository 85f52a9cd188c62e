"""How much memory the processes of a soak take, and whether it goes on growing.

A process is looked at while it rests: everything is decided, and nothing new has come. From one rest to the next is a
*stretch*: a date, its events, all of them decided. What a process grows by in the first whole stretch of its life is
its warming: caches fill, and what it keeps of the database is read. From then on all growth counts, up to its last
rest.

Matching keeps the people of its partitions in memory, by design, and these become more and longer. So it is held
against one that was started anew on the same data: what the old one has and the new one has not is growth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: How much a process may grow after it is warm, in MB.
GROWTH_MB_MAX = 80.0
#: Stretches of a life, its first not counted, from which on its growth says something.
STRETCHES_MIN = 3
#: Who keeps what the database holds, and is held against one that was started anew.
KEEPS_DATA = ("matching",)
#: A broker's heap fills as far as it may.
NOT_OURS = ("kafka",)

#: By process id: its name, and what it takes, in MB.
Sizes = Mapping[int, tuple[str, float]]


@dataclass(slots=True)
class _Life:
    name: str
    #: At each rest behind a whole stretch.
    rests: list[float] = field(default_factory=list)

    @property
    def grown(self) -> float:
        return round(self.rests[-1] - self.rests[0], 1) if self.rests else 0.0

    @property
    def stretches(self) -> int:
        return max(0, len(self.rests) - 1)


@dataclass(slots=True)
class Memory:
    """Sizes of processes over their lives."""

    lives: dict[int, _Life] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)
    _anew: dict[str, float] = field(default_factory=dict)

    def look(self, sizes: Sizes) -> None:
        """At any moment: the most that a process of each name took."""
        for name, size in sizes.values():
            self.peaks[name] = max(self.peaks.get(name, 0.0), round(size, 1))

    def rest(self, sizes: Sizes) -> None:
        """At the end of a stretch. A process that nobody has seen before was born in it: it is not warm yet."""
        self.look(sizes)
        for pid, (name, size) in sizes.items():
            if pid in self.lives:
                self.lives[pid].rests.append(size)
            else:
                self.lives[pid] = _Life(name)

    def started_anew(self, sizes: Sizes) -> None:
        """At the last rest: sizes of processes that were killed behind the rest before and have read their data."""
        for name, size in sizes.values():
            if name in KEEPS_DATA:
                self._anew[name] = round(size, 1)

    def longest(self) -> dict[str, int]:
        """By name, the stretches of its longest life."""
        found: dict[str, int] = {}
        for life in self.lives.values():
            found[life.name] = max(found.get(life.name, 0), life.stretches)
        return found

    def grown(self) -> dict[str, float]:
        """By name, the most that a life of it grew while warm, in MB."""
        most: dict[str, float] = {}
        for life in self.lives.values():
            if life.stretches:
                most[life.name] = max(most.get(life.name, life.grown), life.grown)
        return most

    def beyond_anew(self) -> dict[str, float]:
        """By name of who keeps data, by how much the largest at its last rest surpasses one started anew, in MB."""
        return {
            name: round(
                max(life.rests[-1] for life in self.lives.values() if life.name == name and life.rests) - anew, 1
            )
            for name, anew in self._anew.items()
            if any(life.name == name and life.rests for life in self.lives.values())
        }

    def too_large(self) -> list[str]:
        """Names of who grew by more than is allowed."""
        grown = {name: by for name, by in self.grown().items() if name not in (*NOT_OURS, *KEEPS_DATA)}
        return sorted(name for name, by in (grown | self.beyond_anew()).items() if by > GROWTH_MB_MAX)

    def not_measured(self) -> list[str]:
        """Names of whom it can't be said whether they grow: too short lives, or nothing to hold them against."""
        short = {name for name, stretches in self.longest().items() if stretches < STRETCHES_MIN}
        return sorted((short | (set(KEEPS_DATA) - self.beyond_anew().keys())) - set(NOT_OURS))
