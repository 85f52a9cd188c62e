"""Names by origin and frequency, with the forms in which agencies write them.

English names come with their real frequencies from ``uk_names.json.gz`` where the evaluation data are at hand
(``HUB_EVALUATION_DATA``, else ``../shared/data`` beside the tree), else from a short list and made-up surnames: the
data are read and never copied. Names of other origins are common ones, most frequent first. The forms are chosen apart
from the alias list that matching ships: a variant that it does not know is meant to hurt.
"""

from __future__ import annotations

import gzip
import json
import os
from bisect import bisect
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("HUB_EVALUATION_DATA") or ROOT.parent / "shared" / "data")
UK_NAMES = DATA / "uk_names.json.gz"
#: First year of the second and third band of birth years in the data.
BANDS = (2004, 2008)

_SYLLABLES = (
    ("B", "Br", "C", "Ch", "Cl", "D", "F", "G", "Gr", "H", "J", "K", "L", "M", "N", "P", "R", "S", "St", "T", "W"),
    ("a", "e", "i", "o", "u", "ai", "ea", "oo", "ow"),
    ("ll", "n", "nd", "r", "rs", "s", "t", "tt", "m", "ck", "ng", "ld", "x", ""),
    ("son", "ton", "ley", "man", "ford", "well", "wood", "er", "by", "field", "ham", ""),
)
LISTS = json.loads((Path(__file__).parent / "matching_names.json").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Frequent:
    """Names with cumulative weights."""

    names: tuple[str, ...]
    upto: tuple[float, ...]

    @classmethod
    def of(cls, weighted: dict[str, float]) -> Frequent:
        return cls(tuple(weighted), tuple(accumulate(weighted.values())))

    def pick(self, random: Random) -> str:
        return self.names[min(bisect(self.upto, random.random() * self.upto[-1]), len(self.names) - 1)]


@dataclass(frozen=True, slots=True)
class Origin:
    """``given`` by sex, one list for each band of birth years, or one for all."""

    name: str
    share: float
    given: dict[str, tuple[Frequent, ...]]
    family: Frequent

    def given_name(self, random: Random, sex: str, year: int) -> str:
        bands = self.given[sex]
        return bands[min(bisect(BANDS, year), len(bands) - 1)].pick(random)


def forms(name: str) -> tuple[str, ...]:
    """Other forms of a name; empty where none is listed."""
    return _forms().get(name, ())


@lru_cache(maxsize=1)
def _forms() -> dict[str, tuple[str, ...]]:
    out: dict[str, tuple[str, ...]] = {}
    for line in LISTS["forms"]:
        group = line.split()
        for name in group:
            out[name] = (*out.get(name, ()), *(other for other in group if other != name))
    return out


def real_frequencies() -> bool:
    """Whether the data with real frequencies are at hand."""
    return UK_NAMES.is_file()


@lru_cache(maxsize=1)
def origins() -> tuple[Origin, ...]:
    """All origins; their shares sum to one."""
    others = [
        Origin(of["name"], of["share"], {sex: (_ranked(of[sex]),) for sex in "MF"}, _ranked(of["family"]))
        for of in LISTS["origins"]
    ]
    return (_english(1 - sum(origin.share for origin in others)), *others)


def _ranked(names: str) -> Frequent:
    return Frequent.of({name: 1 / (rank + 3) for rank, name in enumerate(dict.fromkeys(names.split()))})


def _english(share: float) -> Origin:
    elsewhere = {name for of in LISTS["origins"] for kind in ("M", "F", "family") for name in of[kind].split()}
    elsewhere -= set(LISTS["also_english"].split())
    if not real_frequencies():
        given = {sex: (_ranked(names),) for sex, names in LISTS["english_given"].items()}
        return Origin("English", share, given, _made_up())
    read = json.loads(gzip.decompress(UK_NAMES.read_bytes()))
    given = {
        sex: tuple(
            Frequent.of({row[0]: float(row[1 + band]) for row in rows if row[0] not in elsewhere and row[1 + band]})
            for band in range(3)
        )
        for sex, rows in read["given"].items()
    }
    surnames = {name: 1 / (rank + 20) for rank, name in enumerate(read["surnames"]) if name not in elsewhere}
    return Origin("English", share, given, Frequent.of(surnames))


def _made_up() -> Frequent:
    random, found = Random(1), dict[str, None]()
    while len(found) < 4_000:
        name = "".join(random.choice(part) for part in _SYLLABLES)
        if len(name) > 3:
            found[name] = None
    return Frequent.of({name: 1 / (rank + 20) for rank, name in enumerate(found)})
