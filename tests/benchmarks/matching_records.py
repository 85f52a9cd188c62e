"""What agencies write about the people of a county: easy, medium or hard, with the truth beside every record.

Each source keeps records under references of its own and sends events of them; a later event may show a new address or
surname. Errors: typed, heard and foreign spellings, names exchanged or cut, day and month exchanged, birth dates that
are assigned or missing, numbers missing, of a twin, of somebody else or mistyped, shared addresses and phones of
hostels and key workers, and events filed under another child's reference.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from random import Random

from matching_names import forms
from matching_population import Child, County, Home

from services.matching.bulk import COLUMNS, Resolved
from services.matching.measures import Placed

#: Chance that a source knows somebody, and that its record shows each number.
SOURCES: dict[str, float] = {
    "school": 0.85, "college": 0.55, "inclusion": 0.9, "jobcentre": 0.2, "social-care": 0.12, "housing": 0.08
}  # fmt: skip
NUMBERS: dict[str, dict[str, float]] = {
    "school": {"upn": 0.95, "uln": 0.3},
    "college": {"uln": 0.9, "upn": 0.4},
    "inclusion": {"upn": 0.8, "uln": 0.4},
    "jobcentre": {"nino": 0.9},
    "social-care": {"nhs_number": 0.6, "upn": 0.6},
    "housing": {"nino": 0.3},
}
TRUTH_COLUMNS = ("cluster", "name_origin", "sex", "care_status", "household", "twins")
_SEX = {"M": "male", "F": "female"}
_HOSTEL = Home("NS1 1AA", "Foyer House, 1 Station Road")
_KEY_WORKERS = tuple(f"0770090{n:04d}" for n in range(12))
#: Foreign names are misheard, cut and put in the wrong order more often: an error that must be seen, not hidden.
_STRAIN = {"English": 0.8}


@dataclass(frozen=True, slots=True)
class Difficulty:
    """``error`` multiplies the chance of every error, ``numbers`` that a number is there at all."""

    name: str
    error: float
    numbers: float


EASY = Difficulty("easy", 0.3, 1.05)
MEDIUM = Difficulty("medium", 1.0, 0.9)
HARD = Difficulty("hard", 2.5, 0.55)
DIFFICULTIES = {of.name: of for of in (EASY, MEDIUM, HARD)}


@dataclass(slots=True)
class Population:
    """``rows`` in order of arrival; ``about``: whom each row is about, by event id."""

    rows: list[dict[str, str]] = field(default_factory=list)
    about: dict[str, Child] = field(default_factory=dict)

    def placed(self, resolved: Iterable[Resolved]) -> list[Placed]:
        """Where matching put every row, beside the truth."""
        sources = {row["event_id"]: row["source"] for row in self.rows}
        out = []
        for row in resolved:
            truth = told(self.about[row.event_id])
            groups = tuple((name, truth[name]) for name in ("name_origin", "sex", "care_status"))
            out.append(
                Placed(
                    truth["cluster"],
                    row.person_id,
                    sources[row.event_id],
                    row.decision,
                    row.weight_millibits,
                    row.candidates,
                    groups,
                    truth["household"],
                    truth["twins"],
                )
            )
        return out

    def write(self, path: Path) -> None:
        """The population as a file for ``hub matching evaluate``."""
        with path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, list(dict.fromkeys((*COLUMNS, *TRUTH_COLUMNS))))
            writer.writeheader()
            for row in self.rows:
                writer.writerow(row | told(self.about[row["event_id"]]))


def told(child: Child) -> dict[str, str]:
    """The truth about somebody, by ``TRUTH_COLUMNS``."""
    return {
        "cluster": str(child.truth),
        "name_origin": child.origin,
        "sex": _SEX[child.sex],
        "care_status": child.care,
        "household": f"h{child.household}",
        "twins": f"t{child.household}-{child.born.isoformat()}" if child.twin is not None else "",
    }


def population(seed: int, people: int, difficulty: Difficulty = MEDIUM) -> Population:
    """The same for the same arguments, on any machine with the same names at hand."""
    return Writer(seed, County(seed, people).children, difficulty).population()


class Writer:
    """Writes records of people as agencies do."""

    def __init__(self, seed: int, children: Sequence[Child], difficulty: Difficulty) -> None:
        self.random = Random(f"records {seed} {difficulty.name}")
        self.children = children
        self.difficulty = difficulty

    def population(self) -> Population:
        r, out = self.random, Population()
        events: list[tuple[float, Child, Child, str, int]] = []
        for child in self.children:
            for source, chance in SOURCES.items():
                if r.random() < (1.0 if source == "social-care" and child.care != "not in care" else chance):
                    for _ in range(r.choices((1, 2, 3), (0.6, 0.3, 0.1))[0]):
                        at = r.random()
                        files_under = self._misfiled(child) if self.happens(0.002) else child
                        events.append((at, child, files_under, source, len(events)))
        events.sort(key=lambda event: (event[0], event[4]))
        for number, (at, child, files_under, source, _) in enumerate(events):
            row = self.row(child, source, at)
            row |= {"event_id": f"e{number:07d}", "source": source, "source_ref": f"{source[:3]}-{files_under.truth}"}
            out.rows.append(row)
            out.about[row["event_id"]] = child
        return out

    def _misfiled(self, child: Child) -> Child:
        """Whose file an event lands in by mistake: a brother's or sister's, else anybody's."""
        return self.random.choice(child.mates or self.children)

    def happens(self, chance: float) -> bool:
        return self.random.random() < chance * self.difficulty.error

    def row(self, child: Child, source: str, at: float) -> dict[str, str]:
        """One event's identity block. ``at``: when in the life of the records, 0 to 1."""
        r = self.random
        home = child.homes[min(int(at * len(child.homes)), len(child.homes) - 1)]
        if child.care != "not in care" and source in ("housing", "social-care") and r.random() < 0.3:
            home = _HOSTEL
        strain = _STRAIN.get(child.origin, 1.4)
        given, family = self._given(child, strain), self._family(child, at, strain)
        if self.happens(0.004 * strain):
            given, family = family, given
        row = {
            "given_name": given,
            "family_name": family,
            "date_of_birth": self._born(child),
            "sex": _SEX[child.sex],
            "postcode": "" if self.happens(0.05) else self._postcode(home.postcode),
            "address_line": "" if self.happens(0.1) else self._line(home.line),
            **self._contact(child, source),
        }
        for column, chance in NUMBERS[source].items():
            if r.random() < chance * self.difficulty.numbers:
                row[column] = self._number(child, column)
        return row

    def _number(self, child: Child, column: str) -> str:
        owner = child
        if child.twin is not None and self.happens(0.01):
            owner = child.twin
        elif self.happens(0.0005):
            owner = self.random.choice(self.children)
        value: str = getattr(owner, column)
        if column == "uln" and self.happens(0.01):
            return "9999999999"
        if self.happens(0.004):
            at = self.random.randrange(2, len(value) - 1)
            return value[:at] + value[at + 1] + value[at] + value[at + 2 :]
        return value

    def _contact(self, child: Child, source: str) -> dict[str, str]:
        r = self.random
        if child.care != "not in care" and source in ("social-care", "housing"):
            return {"phone": r.choice(_KEY_WORKERS), "email": ""}
        own = source in ("college", "jobcentre", "housing")
        phone, email = (child.phone, child.email) if own else (child.parent_phone, child.parent_email)
        return {"phone": phone if r.random() < 0.5 else "", "email": email if r.random() < 0.35 else ""}

    def _given(self, child: Child, strain: float) -> str:
        r, others = self.random, forms(child.given)
        if child.middle and r.random() < 0.1:
            return f"{self._typed(child.given)} {child.middle}"
        if child.middle and self.happens(0.005 * strain):
            return child.middle
        if others and self.happens(0.06 * strain):
            return r.choice(others)
        if self.happens(0.012):
            return child.given[0]
        return self._typed(child.given)

    def _family(self, child: Child, at: float, strain: float) -> str:
        family = child.families[min(int(at * len(child.families)), len(child.families) - 1)]
        if "-" in family and self.happens(0.3):
            parts = [part for part in family.split("-") if part]
            family = self.random.choice((parts[0], parts[-1], " ".join(parts)))
        others = forms(family)
        if others and self.happens(0.03 * strain):
            family = self.random.choice(others)
        family = self._typed(family)
        return family.upper() if self.random.random() < 0.3 else family

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
        born, r = child.born, self.random
        if self.happens(0.012):
            return r.choice(("", "1900-01-01"))
        if child.care == "in care, came alone" and r.random() < 0.15:
            return born.replace(year=born.year + r.choice((-1, 1)), day=r.choice((1, 15))).isoformat()
        if self.happens(0.01):
            kind = r.randrange(4)
            if kind == 0 and born.day <= 12:
                return date(born.year, born.day, born.month).isoformat()
            if kind == 1:
                return born.replace(day=1).isoformat()
            if kind == 2:
                return born.replace(day=min(28, max(1, born.day + r.choice((-1, 1, 10))))).isoformat()
            return born.replace(year=born.year + r.choice((-1, 1)), day=min(born.day, 28)).isoformat()
        return born.isoformat()

    def _postcode(self, postcode: str) -> str:
        if self.happens(0.01):
            return postcode[:-1] + self.random.choice("ABDEFGHJLN")
        return postcode.lower().replace(" ", "") if self.random.random() < 0.1 else postcode

    def _line(self, line: str) -> str:
        if self.random.random() < 0.2:
            return line.replace("Road", "Rd").replace("Street", "St").replace("Avenue", "Ave")
        return f"{line}, Northvale" if self.random.random() < 0.1 else line
