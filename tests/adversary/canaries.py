"""Canaries: generated people whose every field value is unique, so that each value found outside can be traced.

A value says with whom it began: the person, and every (party, event type, field path) that carried it. Words are
letters by hash behind a mark of their own, numbers and days come from ranges that nothing else uses. Closed lists,
booleans and ids of teams and workers are no canaries: their values are shared by design.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from services.ingest.identifiers import nhs_number, uln, upn

#: Routing ids; the hub compares them with its own lists.
NO_CANARY = ("data.team", "data.worker_ref")
CHUNK = 8
#: Receipt on odd ordinals, facts on even ones: a day of receipt is never mistaken for a day of a fact.
FIRST_DAY = date.fromordinal(date(2026, 1, 12).toordinal() | 1)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True)
class Origin:
    """Who said a value, in which event, as which field."""

    party: str
    type: str
    path: str


@dataclass(slots=True)
class Person:
    """One generated person and what the hub was told."""

    number: int
    events: list[dict[str, Any]] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    consents: set[str] = field(default_factory=set)
    #: (party, event type, field path) that the person has instructed to hold back, to this day.
    held: set[tuple[str, str, str]] = field(default_factory=set)


@dataclass(slots=True)
class Flock:
    """All canaries. ``days`` are looked up as ISO text, everything else in lower case without blanks."""

    people: list[Person] = field(default_factory=list)
    origins: dict[str, set[Origin]] = field(default_factory=dict)
    person_of: dict[str, int] = field(default_factory=dict)
    effective: dict[tuple[int, str], set[Origin]] = field(default_factory=dict)
    #: A marked word within a longer value (an address, two names) -> the value.
    marks: dict[str, str] = field(default_factory=dict)
    searched: dict[bytes, frozenset[str]] = field(default_factory=dict)

    def add(self, person: Person, value: str, origin: Origin) -> str:
        key = plain(value)
        assert self.person_of.setdefault(key, person.number) == person.number, "two people share a canary"
        self.origins.setdefault(key, set()).add(origin)
        self.marks |= {found: key for found in _MARKED.findall(key) if found != key}
        return value


def plain(value: str) -> str:
    return re.sub(r"[\s'+-]", "", value.lower()) if not _ISO.fullmatch(value) else value


def word(*seed: object) -> str:
    """Twelve letters, far from those of any other seed."""
    digest = hashlib.sha256("|".join(map(str, seed)).encode()).digest()
    return "qz" + "".join(chr(97 + byte % 26) for byte in digest[:10])


class Numbers:
    """Ranges of their own for each kind of number and day."""

    def __init__(self) -> None:
        self.count = 0
        self.ident = 0

    def next(self) -> int:
        self.count += 1
        return self.count

    def whole(self) -> int:
        return 7_300_000 + self.next()

    def hours(self) -> float:
        return round(14 + self.next() / 100_000, 5)

    def day(self) -> str:
        return (date(2031, 1, 1) + timedelta(days=self.next())).isoformat()

    def identifier(self, name: str) -> str:
        """The next number whose check digit fits."""
        checks = {"nhs_number": nhs_number, "uln": uln, "upn": upn}
        while True:
            self.ident += 1
            if name == "nino":
                return f"QQ{100_000 + self.ident}C"
            body = {"nhs_number": f"9{self.ident * 37:09}", "uln": f"7{self.ident * 37:09}"}.get(name, "")
            for text in (
                [body] if body else [f"{letter}2019{self.ident * 37:08}" for letter in "ABCDEFGHJKLMNPQRTUVWXYZ"]
            ):
                if checks[name](text):
                    return text


@dataclass(slots=True)
class Generator:
    """People and events from the agreements and the catalogue, both read as files."""

    contracts: Path
    #: What becomes of a text before it is sent, for hostile texts.
    dress: Callable[[str], str] = str
    numbers: Numbers = field(default_factory=Numbers)
    flock: Flock = field(default_factory=Flock)
    agreements: dict[str, Any] = field(init=False)
    catalogue: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        yaml = YAML(typ="safe", pure=False)
        read = [yaml.load(path) for path in sorted((self.contracts / "agreements").glob("*.isa.yaml"))]
        self.agreements = {next(p["id"] for p in a["parties"] if "provider" in p["role"]): a for a in read}
        self.catalogue = yaml.load(self.contracts / "catalogue.yaml")

    def build(self) -> Flock:
        """Every event type of every agreement, some to a person, after a past that makes alerts likely."""
        number = 0
        for party, agreement in self.agreements.items():
            types = sorted((e["event"] for e in agreement["sharing"]), key=lambda t: (t.endswith(_LAST), t))
            for start in range(0, len(types), CHUNK):
                self._person(number, [*_past(number), *((party, t) for t in types[start : start + CHUNK]), *_END])
                number += 1
        return self.flock

    def _person(self, number: int, plan: Iterable[tuple[str, str]]) -> None:
        person = Person(number)
        person.values = {
            "given_name": self.dress(word(number, "given").capitalize()),
            "family_name": self.dress(word(number, "family").capitalize()),
            "date_of_birth": (date(2007, 1, 3) + timedelta(days=7 * number)).isoformat(),
            "postcode": f"QX{number % 10} {number // 10 % 10}{'ABDEFGHJLN'[number // 100]}{'QWXYZ'[number % 5]}",
        }
        self.flock.people.append(person)
        for n, (party, kind) in enumerate(plan):
            if kind in {entry["event"] for entry in self.agreements[party]["sharing"]}:
                self._event(person, n, party, kind)
        if number % 4 in _INSTRUCTIONS:
            self._instruct(person, len(person.events), _INSTRUCTIONS[number % 4])

    def _instruct(self, person: Person, n: int, said: Mapping[str, Any]) -> None:
        """At last the person instructs the college: what was told before must be held back from now on."""
        day = max(event["received_at"] for event in person.events).date() - FIRST_DAY
        self._event(person, max(n, day.days // 2 + 1), INSTRUCTED, INSTRUCTION)
        person.events[-1]["data"]["data"] |= said
        listed = said.get("items")
        agreement = self.agreements[INSTRUCTED]
        for entry in agreement["sharing"]:
            for item in (*agreement["commonItems"], *entry["items"]):
                if "subjectChoice" in item and (listed is None or item["field"] in listed):
                    person.held.add((INSTRUCTED, entry["event"], item["field"]))

    def _event(self, person: Person, n: int, party: str, kind: str) -> None:
        agreement = self.agreements[party]
        entry = next(e for e in agreement["sharing"] if e["event"] == kind)
        paths = [i["field"] for i in (*agreement["commonItems"], *entry["items"])]
        paths += [*agreement["hubOnly"], *entry.get("hubOnly", [])]
        received = FIRST_DAY + timedelta(days=2 * n)
        effective = received - timedelta(days=3)
        subject: dict[str, Any] = {}
        data: dict[str, Any] = {}
        for path in paths:
            part, _, name = path.partition(".")
            if part == "subject" and not kind.startswith(("identity.", "feed.")):
                subject[name] = self._subject(person, Origin(party, kind, path), name)
            elif part == "data":
                value = self._data(person, Origin(party, kind, path), self.catalogue["types"][kind]["data"][name])
                data[name] = value
        _fit(kind, data)
        if kind == "consent.given":
            person.consents.add(data["purpose"])
        origin = Origin(party, kind, "effective_on")
        self.flock.effective.setdefault((person.number, effective.isoformat()), set()).add(origin)
        person.events.append(
            {
                "specversion": "1.0",
                "id": f"m{person.number}-{n}",
                "source": party,
                "type": kind,
                "data": {"effective_on": effective.isoformat(), "subject": subject, "data": data},
                "received_at": datetime(received.year, received.month, received.day, 9, tzinfo=UTC),
            }
        )

    def _subject(self, person: Person, origin: Origin, name: str) -> Any:
        """Names, birth, postcode and numbers are the person's; the rest is each party's own."""
        held, add = person.values, self.flock.add
        own = f"{origin.party}.{name}"
        if name in ("nhs_number", "uln", "upn", "nino") and name not in held:
            held[name] = self.numbers.identifier(name)
        match name:
            case "sex":
                return "female"
            case "other_names":
                key = word(own, person.number)
                return [add(person, self.dress(f"{key.capitalize()} {key[::-1].capitalize()}"), origin)]
            case "other_refs":
                return {"northshire-health": add(person, word(own, person.number), origin)}
            case "phone":
                if own not in held:
                    held[own] = f"07700 {900_000 + self.numbers.next()}"
            case "email":
                held[own] = f"{word(own, person.number)}@example.org"
            case "postcode" if _odd_one(person, origin):
                held[own] = f"QY{person.number % 10} {person.number // 10}ZZ"
            case "date_of_birth" if _odd_one(person, origin):
                # The name agrees and the birth nearly: somebody must decide.
                held[own] = (date.fromisoformat(held[name]) + timedelta(days=1)).isoformat()
            case "address_line" | "source_ref":
                held[own] = self.dress(word(own, person.number))
        return add(person, held.get(own) or held[name], origin)

    def _data(self, person: Person, origin: Origin, spec: Mapping[str, Any]) -> Any:
        add, kind = self.flock.add, spec["type"]
        if origin.path in NO_CANARY:
            return spec["example"]
        match kind:
            case "enum" | "list_of_enum":
                values = spec.get("values") or self.catalogue["enums"][spec["enum"]]
                if kind == "list_of_enum":
                    return list(values)
                return values[(person.number + len(origin.party)) % len(values)]
            case "boolean":
                return person.number % 2 == 0
            case "number":
                value = self.numbers.hours()
                add(person, str(value), origin)
                return value
            case "integer":
                whole = self.numbers.whole()
                add(person, str(whole), origin)
                return whole
            case "date":
                return add(person, self.numbers.day(), origin)
        text = self.dress(word(origin, person.number, self.numbers.next()))
        return [add(person, text, origin)] if kind == "list_of_string" else add(person, text, origin)


INSTRUCTED, INSTRUCTION = "northvale-college", "sharing.instruction_recorded"
_INSTRUCTIONS: Mapping[int, Mapping[str, Any]] = {
    1: {"scope": "all_other_information"},
    3: {"scope": "listed_items", "items": ["data.reason", "subject.phone"]},
}
_LAST = ("died", "moved_abroad", "identity.linked", "identity.separated", "event.retracted", ".ended", ".withdrawn")
_PASTS: tuple[tuple[tuple[str, str], ...], ...] = (
    (),
    (("northshire-social-care", "care.episode.started"),),
    (("northshire-social-care", "care.leaver_status.changed"), ("northshire-social-care", "consent.given")),
    (("northshire-youth-justice", "yj.disposal.started"),),
    (("northshire-send", "ehcp.issued"),),
    (("northshire-early-help", "circumstance.pregnant"), ("northshire-early-help", "consent.given")),
    (("northshire-youth-justice", "yj.custody.entered"),),
)
_END = (
    ("northshire-housing", "housing.homelessness.approached"),
    ("jobcentre-plus", "uc.claim_started"),
    ("northvale-college", "education.enrolment.withdrawn"),
    ("northshire-inclusion", "contact.verified"),
)


def _odd_one(person: Person, origin: Origin) -> bool:
    return person.number % 5 == 4 and origin.party in ("jobcentre-plus", "northshire-housing")


def _past(number: int) -> list[tuple[str, str]]:
    start = [("northshire-inclusion", "person.registered"), ("northvale-college", "education.enrolment.started")]
    return [*start, *_PASTS[number % len(_PASTS)]]


def _fit(kind: str, data: dict[str, Any]) -> None:
    """Choices without which an event is refused, or the story ends at once."""
    if kind in ("contact.verified", "employment.ended"):
        name = "activity" if kind == "contact.verified" else "next_activity"
        data[name] = "not_in_eet" if "neet_reason" in data else "further_education"
    if kind == "care.leaver_status.changed":
        data["status"] = "former_relevant"
    if kind == "sharing.instruction_recorded":
        # Another would have the party's later events about the person refused.
        data["scope"] = "lifted"


_TOKEN = re.compile(r"[a-z0-9]+(?:\.[0-9]+)?")
_MARKED = re.compile(r"qz[a-z]{10}")
_PAIR = re.compile(r"(?<![a-z])(q[xy]\d)[\s+]?(\d+[a-z]{1,2})|(07700)[\s+]?(9\d{5})")
_ISO = re.compile(r"\d{4}-\d\d-\d\d")
_DAY = re.compile(r"(?<!\d)(\d{1,2})[\s ](jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[\s ](\d{4})")
_SLASH = re.compile(r"(?<!\d)(\d\d)/(\d\d)/(\d{4})")
_SHORT = re.compile(r"(?<!\d)((?:20)\d\d)(\d\d)(\d\d)(?!\d)")
_PIECES = re.compile(rb"[\n{}]+")
_RUN = re.compile(r"[A-Za-z0-9+/_-]{16,}")


def readings(text: str) -> Iterator[str]:
    """A text, and what it says once unescaped, unquoted, or read as base64 or hex."""
    yield text
    for undone in (html.unescape(text), urllib.parse.unquote_plus(text), urllib.parse.unquote(text)):
        if undone != text:
            yield undone
    for run in set(_RUN.findall(text)):
        for start in range(4):
            part = run[start:].replace("-", "+").replace("_", "/")
            # Zero bits to fill up: a run cut short of its padding keeps its last letter.
            yield from _telling(base64.b64decode(part + "A" * (-len(part) % 4)))
        if not re.search("[^0-9a-fA-F]", run):
            yield from _telling(binascii.unhexlify(run[: len(run) // 2 * 2]))


def _telling(decoded: bytes) -> Iterator[str]:
    text = decoded.decode("latin-1").rstrip("\0")
    if text.isprintable() or _MARKED.search(text.lower()):
        yield text


def tokens(text: str) -> set[str]:
    """Everything in a text that may be a canary, in the form in which canaries are looked up."""
    found: set[str] = set()
    for reading in readings(text):
        low = reading.lower()
        found.update(_MARKED.findall(low))
        found.update(_TOKEN.findall(low))
        found.update("".join(filter(None, pair)) for pair in _PAIR.findall(low))
        found.update(days(low))
    return found


def days(text: str) -> set[str]:
    """Days named in a text, as ISO."""
    low = text.lower()
    found = set(_ISO.findall(low))
    found |= {f"{y}-{_MONTHS.index(m) + 1:02}-{int(d):02}" for d, m, y in _DAY.findall(low)}
    found |= {f"{y}-{m}-{d}" for d, m, y in _SLASH.findall(low)}
    return found | {f"{y}-{m}-{d}" for y, m, d in _SHORT.findall(low)}


def found_in(flock: Flock, blob: bytes) -> set[str]:
    """Canaries in the bytes, piece by piece. Pages and answers repeat themselves: what was searched is remembered."""
    hits: set[str] = set()
    for piece in _PIECES.split(blob):
        known = flock.searched.get(piece)
        if known is None:
            known = flock.searched[piece] = frozenset(_search(flock, piece.decode("utf-8", "replace")))
        hits |= known
    return hits


def _search(flock: Flock, text: str) -> Iterator[str]:
    for token in tokens(text):
        if token in flock.origins:
            yield token
        if token in flock.marks:
            yield flock.marks[token]
