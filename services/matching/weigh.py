"""Fellegi and Sunter's weight of a record against a person, in whole millibits, beside the rules.

Two alternatives are weighed: another person of the population, and another member of the same household (a twin, a
sibling). The lower of the two odds counts: an address says much against a stranger and nothing against a brother.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from services.matching.cluster import Known
from services.matching.compare import BornGrade, FamilyGrade, GivenGrade, NameGrade
from services.matching.identity import Identity
from services.matching.model import Model, log2_millibits
from services.matching.normalise import Name

_GIVEN = {g: g.name.lower() for g in GivenGrade}
_FAMILY = {g: g.name.lower() for g in FamilyGrade}
_BORN = {g: g.name.lower() for g in BornGrade}
Value = str | date
#: A grade, and the value of which the frequency decides.
Graded = tuple[str, Value | None]
MISSING: Graded = ("missing", None)
#: What is counted, see ``counted``.
COUNTED = ("given", "family", "whole", "born", "postcode", "address", "phone", "email")


@dataclass(slots=True)
class Frequencies:
    """How many people carry a value. Counted live, per person and value once."""

    people: int = 0
    counts: dict[str, dict[Value, int]] = field(
        default_factory=lambda: defaultdict(dict, {name: {} for name in COUNTED})
    )

    def add(self, kind: str, value: Value, by: int) -> None:
        counts = self.counts[kind]
        left = counts.get(value, 0) + by
        if left > 0:
            counts[value] = left
        else:
            counts.pop(value, None)

    def of(self, kind: str, value: Value) -> int:
        return self.counts[kind].get(value, 0)


def counted(known: Known) -> set[tuple[str, Value]]:
    """Each value of a person once, by kind. A whole name is counted, too: Mohammed Khan is more than chance of both."""
    out = _counted_names(known.names)
    out.update(("born", born) for view in known.views for born in view.born)
    out.update(("postcode", value) for value in known.postcodes)
    out.update(("address", value) for value in known.addresses)
    out.update(("phone", value) for value in known.phones)
    out.update(("email", value) for value in known.emails)
    out.update(known.further)
    return out


def learned(known: Known, face: Identity) -> Iterator[tuple[str, Value]]:
    """What is counted of a person once a face is shown, and was not before."""
    if any(name not in known.names for name in face.names):
        yield from _counted_names(face.names) - _counted_names(known.names)
    if face.born is not None and not any(face.born in view.born for view in known.views):
        yield ("born", face.born)
    if face.postcode and face.postcode not in known.postcodes:
        yield ("postcode", face.postcode)
    if face.address and face.address not in known.addresses:
        yield ("address", face.address)
    if face.phone and face.phone not in known.phones:
        yield ("phone", face.phone)
    if face.email and face.email not in known.emails:
        yield ("email", face.email)
    if face.further:
        yield from (pair for pair in face.further if pair not in known.further)


def _counted_names(names: Iterable[Name]) -> set[tuple[str, Value]]:
    out: set[tuple[str, Value]] = set()
    for name in names:
        if name.given:
            out.add(("given", name.given.first))
        if name.family:
            out.add(("family", name.family.joined))
        if name.given and name.family:
            out.add(("whole", f"{name.given.first} {name.family.joined}"))
    return out


def _whole(name: Name) -> str | None:
    return f"{name.given.first} {name.family.joined}" if name.given and name.family else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that is weighed: a record beside everything that is known of a person.

    ``name``, ``other``: the record's and the person's name that fit best. ``home``: address and postcode are one
    matter, or they would say twice what they say. ``agree``: an
    identifier or reference does; two say little more than one, a twin's come together. ``clash``: how many kinds do.
    """

    names: NameGrade
    name: Name
    other: Name
    born: BornGrade
    born_on: date | None
    agree: bool
    clash: int
    home: Graded
    phone: Graded
    email: Graded
    further: tuple[tuple[str, Graded], ...] = ()

    @property
    def corroborated(self) -> bool:
        """Whether more than the names agrees: a part of the birth date, a home, a contact, an identifier."""
        return (
            self.born is BornGrade.PARTLY
            or self.born >= BornGrade.NEAR
            or self.home[0] in ("address", "postcode", "door")
            or "equal" in (self.phone[0], self.email[0])
            or self.agree
        )


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison with its weight in millibits against a stranger and against a member of the household."""

    kind: str
    grade: str
    stranger: int
    household: int
    times: int = 1


@dataclass(slots=True)
class _Sum:
    model: Model
    frequencies: Frequencies
    stranger: int = 0
    household: int = 0
    #: Where the comparisons are noted one by one, for those who ask why.
    parts: list[Part] | None = None

    def add(self, kind: str, grade: str, rarity: int = 0, times: int = 1) -> None:
        row = self.model.grades[kind, grade]
        against_stranger = times * (row.same - row.stranger)
        if row.by_value:
            against_stranger += rarity
        against_household = times * (row.same - row.household)
        self.stranger += against_stranger
        self.household += against_household
        if self.parts is not None:
            self.parts.append(Part(kind, grade, against_stranger, against_household, times))

    def names(self, c: Comparison) -> None:
        if c.names.swapped:
            self.add("swapped", "swapped")
            return
        # Of two forms the commoner counts: a slip is always rare, and half of a double name may be common.
        of_given = min(self._given(name) for name in (c.name, c.other))
        of_family = min(self._family(name, c.names.family) for name in (c.name, c.other))
        whole = _whole(c.name)
        if whole and c.names.given is GivenGrade.EXACT and c.names.family is FamilyGrade.EXACT:
            # Names of one origin go together: where several bear the whole name, they are what it is worth.
            others = self.frequencies.of("whole", whole) - 1
            if others > 0:
                shared = log2_millibits(self.frequencies.people) - log2_millibits(others)
                of_family = max(0, min(of_family, shared - of_given))
        self.add("given", _GIVEN[c.names.given], of_given)
        self.add("family", _FAMILY[c.names.family], of_family)

    def _given(self, name: Name) -> int:
        return self.rarity("given", name.given.first) if name.given else 0

    def _family(self, name: Name, grade: FamilyGrade) -> int:
        if name.family is None:
            return 0
        forms = (name.family.joined, *(name.family.halves if grade is FamilyGrade.PART else ()))
        return min(self.rarity("family", form) for form in forms)

    def rarity(self, kind: str, value: Value | None) -> int:
        return rarity_millibits(self.model, self.frequencies, kind, value) if value is not None else 0


def rarity_millibits(model: Model, frequencies: Frequencies, kind: str, value: Value) -> int:
    """-log2 of the share of others that carry ``value``, smoothed so that a small population claims little."""
    smooth = model.rarity[kind]
    everybody = (frequencies.people + smooth.population) * 1000
    # One of the carriers is the person in question.
    carriers = max(0, frequencies.of(kind, value) - 1) * 1000 + smooth.count_milli
    return max(0, log2_millibits(everybody) - log2_millibits(carriers))


def weigh(model: Model, frequencies: Frequencies, c: Comparison, parts: list[Part] | None = None) -> int:
    """Odds for "the same person" in millibits, against the stronger alternative. ``parts`` receives the summands."""
    total = _Sum(model, frequencies, parts=parts)
    total.names(c)
    total.add("born", _BORN[c.born], total.rarity("born", c.born_on))
    grade, value = c.home
    total.add("home", grade, total.rarity("address" if grade == "address" else "postcode", value))
    for kind, (grade, value) in (("phone", c.phone), ("email", c.email)):
        total.add(kind, grade, total.rarity(kind, value))
    for kind, (grade, value) in c.further:
        total.add(kind, grade, total.rarity(kind, value))
    if c.agree:
        total.add("number", "agree")
    if c.clash:
        total.add("number", "clash", times=c.clash)
    stranger, household = priors(model, frequencies)
    if parts is not None:
        parts.append(Part("prior", "prior", stranger, household))
    return min(total.stranger + stranger, total.household + household)


def priors(model: Model, frequencies: Frequencies) -> tuple[int, int]:
    """Odds before anything is compared: against one of all strangers, against one of the household."""
    people = max(model.population_floor, frequencies.people)
    return -log2_millibits(people), -model.household_prior_millibits


def presence(mine: str | None, known: Collection[str]) -> Graded:
    """Grade of one value against all known ones."""
    if mine is None or not known:
        return MISSING
    return ("equal", mine) if mine in known else ("different", None)


def home(postcode: str | None, address: str | None, postcodes: Collection[str], addresses: Collection[str]) -> Graded:
    """Where somebody lives, against everywhere that is known: the address, the postcode alone, another door of it."""
    if address is not None and addresses:
        if address in addresses:
            return ("address", address)
        if postcode in postcodes:
            same = next((other for other in addresses if _one_door(address, other)), None)
            return ("address", same) if same is not None else ("door", postcode)
    if postcode is not None and postcodes:
        if postcode in postcodes:
            return ("postcode", postcode)
        return ("district" if any(postcode[:-2] == other[:-2] for other in postcodes) else "different", None)
    return ("different", None) if address is not None and addresses else MISSING


def _one_door(one: str, other: str) -> bool:
    """One line with more behind it than the other: the town, the county. Within one postcode."""
    return one.startswith(other + " ") or other.startswith(one + " ") or one.split()[:2] == other.split()[:2]
