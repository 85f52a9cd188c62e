"""Who lives in Northshire. Person ``n`` is the same for every size of county: each is drawn from its own seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

from hub.sample import identifiers, names

FIRST_DAY = date(2025, 9, 1)
AGE_DAYS_MIN, AGE_DAYS_MAX = 15 * 365 + 10, 24 * 365 + 180

#: A party's own style of record reference.
REFS = {
    "northshire-social-care": "P{:06d}",
    "northshire-virtual-school": "PEP-{:05d}",
    "northshire-youth-justice": "YJ-{:05d}",
    "northshire-send": "EHC-{:05d}",
    "northshire-inclusion": "CCIS-{:06d}",
    "northshire-est": "EST-{:05d}",
    "northshire-early-help": "EH-{:05d}",
    "northshire-housing": "HPA2-{:05d}",
    "jobcentre-plus": "JCP-{:06d}",
    "northvale-college": "P{:06d}",
    "southmere-college": "SMC-{:05d}",
    "hollybank-college": "HBC-{:05d}",
    "northgate-academy": "NGA-{:05d}",
    "millbrook-training": "MBT-{:05d}",
    "university-of-eastmarsh": "UOE-{:06d}",
    "havenway-housing": "HW-{:05d}",
}


@dataclass(frozen=True, slots=True)
class Person:
    """A young person as he or she is, before any agency writes it down."""

    number: int
    given_name: str
    family_name: str
    sex: str
    born: date
    postcode: str
    address_line: str
    phone: str
    email: str
    nhs_number: str
    uln: str
    upn: str
    nino: str

    def age_on(self, day: date) -> int:
        return day.year - self.born.year - ((day.month, day.day) < (self.born.month, self.born.day))

    def ref(self, party: str) -> str:
        # Not in step from agency to agency: equal numbers must not give a person away.
        return REFS[party].format((self.number * 7919 + len(party) * 104_729) % 99_991)


def draw_for(seed: int, number: int, matter: str) -> random.Random:
    return random.Random(f"{seed}/{number}/{matter}")


def person(seed: int, number: int) -> Person:
    """Person ``number``; one in twelve lives with the one before as a sibling, one in sixty is that one's twin."""
    own = draw_for(seed, number, "person")
    kin = own.random()
    elder = _alone(seed, number - 1) if number > 0 and kin < 1 / 12 else None
    if elder is None:
        return _alone(seed, number)
    me = _alone(seed, number)
    twin = kin < 1 / 60
    sex = elder.sex if twin else me.sex
    of = _origin_of(elder.given_name)
    given = next(name for name in iter(lambda: names.given(own, sex, of), None) if name != elder.given_name)
    return Person(
        number,
        given,
        elder.family_name,
        sex,
        elder.born if twin else me.born,
        elder.postcode,
        elder.address_line,
        elder.phone if own.random() < 0.3 else me.phone,
        me.email,
        me.nhs_number,
        me.uln,
        me.upn,
        me.nino,
    )


def _origin_of(given_name: str) -> str:
    return next(
        of for table in (names.FEMALE, names.MALE) for of, listed in table.items() if given_name in listed.split()
    )


def _alone(seed: int, number: int) -> Person:
    draw = draw_for(seed, number, "alone")
    of = names.origin(draw)
    sex = draw.choice(("female", "male"))
    given, family = names.given(draw, sex, of), names.family(draw, of)
    born = FIRST_DAY - timedelta(days=draw.randint(AGE_DAYS_MIN, AGE_DAYS_MAX))
    home = draw.randrange(1_000_000)
    return Person(
        number,
        given,
        family,
        sex,
        born,
        identifiers.postcode(home),
        f"{1 + home % 140} {names.STREETS[home // 140 % len(names.STREETS)]}",
        identifiers.phone(number),
        f"{_ascii(given)}.{_ascii(family)}{number}@example.org",
        identifiers.nhs_number(number),
        identifiers.uln(number),
        identifiers.upn(number, born.year + 5),
        identifiers.nino(number),
    )


def _ascii(name: str) -> str:
    return "".join(letter for letter in name.lower() if "a" <= letter <= "z")
