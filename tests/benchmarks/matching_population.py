"""A generated population with truth: households, twins, house moves, typing errors, missing and wrong identifiers.

Names are built from syllables with realistic (Zipf) frequencies: no list of real people is used. One seed, one
population.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ALIASES = ROOT / "services" / "matching" / "aliases.txt"
_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
_START = ("b", "br", "c", "ch", "cl", "d", "f", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "r", "s", "st", "t", "w")
_MIDDLE = ("a", "e", "i", "o", "u", "ai", "ea", "oo", "ow")
_END = ("ll", "n", "nd", "r", "rs", "s", "t", "tt", "m", "ck", "ng", "ld", "x", "")
_TAIL = ("son", "ton", "ley", "man", "ford", "well", "wood", "er", "by", "field", "ham", "ova", "ski", "")


@dataclass(slots=True)
class Child:
    """Somebody who exists."""

    truth: int
    given: str
    family: str
    born: date
    home: Home
    nhs: str
    upn: str
    uln: str
    nino: str
    twin: Child | None = None


@dataclass(slots=True)
class Home:
    family: str
    postcode: str
    line: str
    phone: str
    moved: tuple[str, str] | None = None


@dataclass(slots=True)
class Population:
    """``rows`` in order of arrival; ``truth`` by event id; ``twins``: pairs of truths."""

    rows: list[dict[str, str]] = field(default_factory=list)
    truth: dict[str, int] = field(default_factory=dict)
    twins: set[tuple[int, int]] = field(default_factory=set)


def nhs(n: int) -> Iterator[str]:
    while True:
        body = f"{900_000_000 + n % 99_999_999:09d}"
        check = 11 - sum(int(d) * (10 - i) for i, d in enumerate(body)) % 11
        n += 1
        if check != 10:
            yield body + str(check % 11)


def uln(n: int) -> Iterator[str]:
    while True:
        body = f"{100_000_000 + n % 899_999_999:09d}"
        rest = sum(int(d) * (10 - i) for i, d in enumerate(body)) % 11
        n += 1
        if rest:
            yield body + str(10 - rest)


def upn(n: int) -> Iterator[str]:
    while True:
        body = f"{201_900_000_000 + n:012d}"
        yield _LETTERS[sum(int(d) * (i + 2) for i, d in enumerate(body)) % 23] + body
        n += 1


def nino(n: int) -> Iterator[str]:
    while True:
        first, second = "ABCEHJKLMNPRSTWXY"[n // 1_000_000 % 17], "ABCEHJKLMPRSTWXY"[n // 17_000_000 % 16]
        yield f"{first}{second}{n % 1_000_000:06d}A"
        n += 7


class Maker:
    """Makes people, then what agencies write about them."""

    def __init__(self, seed: int, people: int, error: float = 1.0) -> None:
        self.random = random.Random(seed)
        self.error = error
        lines = [line.split("#")[0] for line in ALIASES.read_text("utf-8").splitlines() if not line.startswith("~")]
        groups = [[word for word in line.split() if word not in "=!"] for line in lines]
        self.short = {words[0]: words[1:] for words in groups if len(words) > 1}
        self.given = sorted(self.short)
        self.random.shuffle(self.given)
        self.surnames = self._surnames(4_000)
        self.given_weights = [1 / (i + 12) for i in range(len(self.given))]
        self.surname_weights = [1 / (i + 30) for i in range(len(self.surnames))]
        self.numbers = (nhs(seed * 7), upn(seed * 11), uln(seed * 13), nino(seed * 17 + 1))
        self.children = self._children(people)

    def _surnames(self, count: int) -> list[str]:
        found: dict[str, None] = {}
        pick = self.random.choice
        while len(found) < count:
            found[(pick(_START) + pick(_MIDDLE) + pick(_END) + pick(_TAIL)).strip()] = None
        return [name for name in found if len(name) > 2]

    def _children(self, people: int) -> list[Child]:
        out: list[Child] = []
        while len(out) < people:
            home = self._home()
            births = self._births()
            names: set[str] = set()
            mates: list[Child] = []
            for born in births:
                given = self._weighted(self.given, self.given_weights)
                while given in names:
                    given = self._weighted(self.given, self.given_weights)
                names.add(given)
                n = tuple(next(numbers) for numbers in self.numbers)
                child = Child(len(out), given, home.family, born, home, *n)
                mates.append(child)
                out.append(child)
            for one in mates:
                for other in mates:
                    if one is not other and one.born == other.born:
                        one.twin = other
        return out

    def _home(self) -> Home:
        family = self._weighted(self.surnames, self.surname_weights)
        if self.random.random() < 0.06:
            family += "-" + self._weighted(self.surnames, self.surname_weights)
        moved = (self._postcode(), self._line()) if self.random.random() < 0.25 else None
        return Home(family, self._postcode(), self._line(), f"07{self.random.randrange(10**9):09d}", moved)

    def _births(self) -> list[date]:
        first = date(2004, 1, 1) + timedelta(days=self.random.randrange(3_650))
        count = self.random.choices((1, 2, 3), (0.55, 0.35, 0.10))[0]
        births = [first]
        for _ in range(count - 1):
            births.append(births[-1] + timedelta(days=self.random.randrange(400, 1_500)))
        if self.random.random() < 0.016:
            births.append(first)
        return births

    def _weighted(self, names: list[str], weights: list[float]) -> str:
        return self.random.choices(names, weights)[0]

    def _postcode(self) -> str:
        r = self.random
        return f"NS{r.randrange(1, 30)} {r.randrange(10)}{r.choice(_LETTERS)}{r.choice('ABDEFGHJLN')}"

    def _line(self) -> str:
        return f"{self.random.randrange(1, 150)} {self._weighted(self.surnames, self.surname_weights).title()} Road"

    def population(self) -> Population:
        out = Population()
        records: list[tuple[Child, str]] = []
        for child in self.children:
            for source, chance in SOURCES.items():
                if self.random.random() < chance:
                    records.append((child, source))
            if child.twin is not None:
                a, b = sorted((child.truth, child.twin.truth))
                out.twins.add((a, b))
        self.random.shuffle(records)
        for number, (child, source) in enumerate(records):
            row = self.row(child, source)
            row["event_id"] = f"e{number:07d}"
            row["source"] = source
            row["source_ref"] = f"{source[:3]}-{child.truth}"
            out.rows.append(row)
            out.truth[row["event_id"]] = child.truth
        return out

    def happens(self, chance: float) -> bool:
        return self.random.random() < chance * self.error

    def row(self, child: Child, source: str) -> dict[str, str]:
        moved = child.home.moved is not None and self.random.random() < 0.5
        postcode, line = child.home.moved if moved and child.home.moved else (child.home.postcode, child.home.line)
        row = {
            "given_name": self._given(child),
            "family_name": self._family(child),
            "date_of_birth": self._born(child),
            "postcode": "" if self.happens(0.05) else postcode,
            "address_line": line,
            "phone": child.home.phone if self.random.random() < 0.5 else "",
        }
        for column, chance in NUMBERS[source].items():
            if self.random.random() < chance:
                owner = child.twin if child.twin is not None and self.happens(0.01) else child
                row[column] = str(getattr(owner, "nhs" if column == "nhs_number" else column))
        return row

    def _given(self, child: Child) -> str:
        if self.happens(0.05):
            return self.random.choice(self.short[child.given])
        if self.happens(0.02):
            return child.given[0]
        return self._typed(child.given).title()

    def _family(self, child: Child) -> str:
        family = child.family
        if "-" in family and self.happens(0.3):
            family = self.random.choice((family.split("-")[0], family.replace("-", " ")))
        if self.happens(0.01):
            return self._weighted(self.surnames, self.surname_weights).title()
        return self._typed(family).upper() if self.random.random() < 0.3 else self._typed(family).title()

    def _typed(self, word: str) -> str:
        if len(word) < 4 or not self.happens(0.02):
            return word
        at = self.random.randrange(1, len(word) - 1)
        kind = self.random.randrange(3)
        if kind == 0:
            return word[:at] + word[at + 1 :]
        if kind == 1:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        return word[:at] + self.random.choice("aeiourstln") + word[at + 1 :]

    def _born(self, child: Child) -> str:
        born = child.born
        if self.happens(0.015):
            return ""
        if self.happens(0.01):
            if born.day <= 12 and self.random.random() < 0.5:
                return date(born.year, born.day, born.month).isoformat()
            return born.replace(day=1).isoformat()
        return born.isoformat()


SOURCES = {"school": 0.8, "college": 0.6, "inclusion": 0.9, "jobcentre": 0.2, "social-care": 0.15, "housing": 0.08}
NUMBERS: dict[str, dict[str, float]] = {
    "school": {"upn": 0.95},
    "college": {"uln": 0.9, "upn": 0.5},
    "inclusion": {"upn": 0.7, "uln": 0.3},
    "jobcentre": {"nino": 0.9},
    "social-care": {"nhs_number": 0.6, "upn": 0.6},
    "housing": {"nino": 0.3},
}
