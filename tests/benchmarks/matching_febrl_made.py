"""Sets made as FEBRL's are, to choose weights on: nothing is chosen on FEBRL 3 and 4, and FEBRL 1 and 2 hold few of the
pairs that are hard.

Each value is drawn from the originals of FEBRL 1 and 2. How many fields of a copy are badly typed, which, and how, is
as often as in the copies of these two sets. A set is made as often as one likes, by its seed.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

Row = dict[str, str]
Typed = tuple[Row, str]
COLUMNS = ("given_name", "surname", "street_number", "address_1", "address_2", "suburb", "postcode", "state")
COLUMNS += ("date_of_birth", "soc_sec_id")
#: Copies with one, two and more badly typed fields.
FIELDS = {1: 436, 2: 548, 3: 315, 4: 146, 5: 42, 6: 10, 7: 3}
#: Of each field how often it was a slip of the hand, another value, nothing, or its neighbour's (``EXCHANGED``).
SLIP, OTHER, BLANK, EXCHANGE = "slip", "other", "blank", "exchange"
KINDS = (SLIP, OTHER, BLANK, EXCHANGE)
TYPED = {
    "given_name": (182, 141, 32, 46),
    "surname": (292, 90, 19, 49),
    "street_number": (118, 60, 55, 0),
    "address_1": (407, 51, 32, 19),
    "address_2": (443, 28, 135, 21),
    "suburb": (297, 81, 22, 0),
    "postcode": (242, 12, 0, 0),
    "state": (31, 17, 15, 0),
    "date_of_birth": (31, 61, 40, 0),
    "soc_sec_id": (78, 61, 0, 0),
}
EXCHANGED = {"given_name": "surname", "surname": "given_name", "address_1": "address_2", "address_2": "address_1"}
DIGITS = frozenset({"street_number", "postcode", "date_of_birth", "soc_sec_id"})
#: Two slips in one field, of a hundred slips.
TWICE = 10
#: A number's length stays.
FIXED = DIGITS - {"street_number"}


@dataclass(frozen=True, slots=True)
class Made:
    """Rows, each with its cluster. ``originals`` are those of the first file, where two files are linked."""

    originals: list[Typed]
    copies: list[Typed]


def made(originals: Sequence[Row], seed: int, people: int, copies: Sequence[int], least: int = 1) -> Made:
    """``copies``: how many each of the people has, over and over; of FEBRL 4 all have one.

    ``least``: badly typed fields of every copy, at least, to see more of what is hard.
    """
    random = Random(f"febrl {seed}")
    values = {column: [row[column] for row in originals] for column in COLUMNS}
    ids = Random(f"ids {seed}").sample(range(1_000_000, 10_000_000), people)
    out = Made([], [])
    for number in range(people):
        row = {column: random.choice(values[column]) for column in COLUMNS} | {"soc_sec_id": str(ids[number])}
        out.originals.append((row, f"p{number}"))
        for _ in range(copies[number % len(copies)]):
            out.copies.append((copied(random, row, values, least), f"p{number}"))
    return out


def copied(random: Random, row: Row, values: dict[str, list[str]], least: int) -> Row:
    numbers = [number for number in FIELDS if number >= least]
    wanted = random.choices(numbers, [FIELDS[number] for number in numbers])[0]
    copy, touched = dict(row), set[str]()
    while len(touched) < wanted:
        column = random.choices(COLUMNS, [sum(TYPED[column]) for column in COLUMNS])[0]
        if column not in touched:
            touched |= _typed(random, copy, column, values)
    return copy


def _typed(random: Random, copy: Row, column: str, values: dict[str, list[str]]) -> set[str]:
    kind = random.choices(KINDS, TYPED[column])[0]
    if kind == EXCHANGE:
        other = EXCHANGED[column]
        copy[column], copy[other] = copy[other], copy[column]
        return {column, other}
    if kind == OTHER or not copy[column]:
        copy[column] = _number(random) if column == "soc_sec_id" else random.choice(values[column])
    elif kind == BLANK:
        copy[column] = ""
    else:
        for _ in range(2 if random.randrange(100) < TWICE else 1):
            copy[column] = "".join(_slipped(random, copy[column], column))
    return {column}


def _number(random: Random) -> str:
    return str(random.randrange(1_000_000, 10_000_000))


def _slipped(random: Random, text: str, column: str) -> Iterator[str]:
    """One sign replaced, left out or put in (spaces, too), or two neighbours exchanged."""
    at, letters = random.randrange(max(1, len(text))), string.digits if column in DIGITS else string.ascii_lowercase
    ways = ("replace", "turn") if column in FIXED else ("replace", "turn", "leave", "put", "space")
    way = random.choice(ways)
    before, sign, after = text[:at], text[at : at + 1], text[at + 1 :]
    yield before
    match way:
        case "replace":
            yield random.choice(letters)
        case "turn":
            yield after[:1] + sign
            after = after[1:]
        case "leave":
            pass
        case "put":
            yield sign + random.choice(letters)
        case _:
            yield sign + ("" if column in DIGITS else " ")
            after = after.replace(" ", "", 1) if random.randrange(2) and " " in after else after
    yield after
