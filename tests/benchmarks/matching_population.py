"""People of a generated county, with truth: households, twins, siblings, care, house moves, new surnames, identifiers.

One seed, one population. What agencies write about these people is ``matching_records``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from matching_names import Origin, origins

_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
_ROADS = ("Road", "Street", "Avenue", "Close", "Lane", "Drive", "Way", "Court")
#: Households of young people for each postcode.
HOUSEHOLDS_PER_POSTCODE = 3
TWIN_BIRTHS = 0.016
CARE = 0.025
#: Of those in care: came alone from abroad, with an assigned birth date.
ALONE = 0.2


@dataclass(slots=True)
class Home:
    """One address, and the parent's contact."""

    postcode: str
    line: str


@dataclass(slots=True)
class Child:
    """Somebody who exists. ``homes``: where they lived, oldest first; ``families``: names that they bore, likewise."""

    truth: int
    given: str
    middle: str | None
    families: list[str]
    sex: str
    born: date
    homes: list[Home]
    household: int
    phone: str
    parent_phone: str
    email: str
    parent_email: str
    origin: str
    care: str
    nhs_number: str
    upn: str
    uln: str
    nino: str
    mates: list[Child]

    @property
    def twin(self) -> Child | None:
        return next((mate for mate in self.mates if mate.born == self.born and mate.household == self.household), None)


def nhs_numbers(n: int) -> Iterator[str]:
    while True:
        body = f"{900_000_000 + n % 99_999_999:09d}"
        check = 11 - sum(int(d) * (10 - i) for i, d in enumerate(body)) % 11
        n += 1
        if check != 10:
            yield body + str(check % 11)


def ulns(n: int) -> Iterator[str]:
    while True:
        body = f"{100_000_000 + n % 899_999_999:09d}"
        rest = sum(int(d) * (10 - i) for i, d in enumerate(body)) % 11
        n += 1
        if rest:
            yield body + str(10 - rest)


def upns(n: int) -> Iterator[str]:
    while True:
        body = f"{201_900_000_000 + n % 99_999_999:012d}"
        yield _LETTERS[sum(int(d) * (i + 2) for i, d in enumerate(body)) % 23] + body
        n += 1


def ninos(n: int) -> Iterator[str]:
    while True:
        first, second = "ABCEHJKLMNPRSTWXY"[n // 1_000_000 % 17], "ABCEHJLMPRSTWXYZ"[n // 17_000_000 % 15]
        yield f"{first}{second}{n % 1_000_000:06d}A"
        n += 7


class County:
    """Makes the people, household by household."""

    def __init__(self, seed: int, people: int) -> None:
        self.random = Random(f"county {seed}")
        # Numbers are issued one after the other: twins' differ in the last digits.
        self._numbers = (nhs_numbers(seed * 7_919), upns(seed * 104_729), ulns(seed * 1_299_709), ninos(seed * 611_953))
        self._postcodes = [self._postcode() for _ in range(max(5, people // 2 // HOUSEHOLDS_PER_POSTCODE))]
        self._households = 0
        self.children: list[Child] = []
        while len(self.children) < people:
            self._household()

    def _household(self) -> None:
        r = self.random
        origin = self._origin()
        family = origin.family.pick(r)
        if r.random() < 0.06:
            family += "-" + origin.family.pick(r)
        homes = [self.home() for _ in range(r.choices((1, 2, 3), (0.70, 0.25, 0.05))[0])]
        parent_phone, number = f"07{r.randrange(10**9):09d}", self._households
        self._households += 1
        mates: list[Child] = []
        for born in self._births():
            child = self._child(origin, family, born, homes, number, parent_phone, mates)
            mates.append(child)
            self.children.append(child)
        for child in mates:
            child.mates = [mate for mate in mates if mate is not child]

    def _child(
        self,
        origin: Origin,
        family: str,
        born: date,
        homes: list[Home],
        household: int,
        parent_phone: str,
        mates: list[Child],
    ) -> Child:
        r, sex = self.random, self.random.choice("MF")
        given = origin.given_name(r, sex, born.year)
        while given in {mate.given for mate in mates}:
            given = origin.given_name(r, sex, born.year)
        # A half-sibling, and a name that changed with a new family.
        families = [origin.family.pick(r)] if r.random() < 0.08 else [family]
        if r.random() < 0.03:
            families.append(origin.family.pick(r))
        care, lived = "not in care", homes
        if r.random() < CARE:
            care = "in care"
            lived = [*homes, *(self.home() for _ in range(r.randrange(1, 4)))]
            if origin.name in ("Arabic", "Somali", "South Asian (Muslim)") and r.random() < ALONE * 4:
                care, born = "in care, came alone", born.replace(month=1, day=1)
        middle = origin.given_name(r, sex, born.year) if r.random() < 0.6 else None
        word = "".join(c for c in given.lower() if c.isascii() and c.isalpha()) or "pupil"
        mail = f"{word}{r.randrange(1000)}@example.org"
        parent_email = f"{families[0].lower().replace(' ', '')}{household}@example.com"
        numbers = [next(of) for of in self._numbers]
        return Child(
            len(self.children), given, middle, families, sex, born, lived, household, f"07{r.randrange(10**9):09d}",
            parent_phone, mail, parent_email, origin.name, care, *numbers, [],
        )  # fmt: skip

    def _origin(self) -> Origin:
        point = self.random.random()
        for origin in origins():
            point -= origin.share
            if point < 0:
                return origin
        return origins()[0]

    def _births(self) -> list[date]:
        r = self.random
        births = [date(2001, 1, 1) + timedelta(days=r.randrange(12 * 365))]
        for _ in range(r.choices((1, 2, 3), (0.55, 0.33, 0.12))[0] - 1):
            births.append(births[-1] + timedelta(days=r.randrange(400, 1_500)))
        births = [born for born in births if born.year <= 2012]
        return [born for born in births for _ in range(2 if r.random() < TWIN_BIRTHS else 1)]

    def home(self) -> Home:
        r = self.random
        road = self.random.choice(origins()[0].family.names[:2_000])
        return Home(r.choice(self._postcodes), f"{r.randrange(1, 150)} {road} {r.choice(_ROADS)}")

    def _postcode(self) -> str:
        r = self.random
        return f"NS{r.randrange(1, 30)} {r.randrange(10)}{r.choice('ABDEFGHJLN')}{r.choice('ABDEFGHJLNPQRSTUWXYZ')}"
