"""Synthetic events that one agreement allows: invented people, dummy identifiers, the catalogue's example values."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count
from typing import Any

from hub.published.sources import Entry, Published, covered
from hub.sample.people import Person, person
from services.ingest.conditional import NAMED_BY_NEIGHBOURS, NOT_IN_EET, WHY_NOT_IN_EET
from services.ingest.fields import FieldSpec

SEED = 20_251_124
#: Facts that some kinds of party must state: better always than wrongly not.
_SOMETIMES = frozenset(NAMED_BY_NEIGHBOURS.values())
_PLAIN: dict[str, Any] = {
    "string": "example",
    "boolean": False,
    "integer": 1,
    "number": 16,
    "list_of_string": [],
    "map_of_string": {},
}


def people_for(grant: Entry, day: date, *, seed: int = SEED) -> Iterator[Person]:
    """Invented people whose age the grant covers, and will for a year yet; never the end."""
    for number in count():
        one = person(seed, number)
        if grant["min_age"] <= one.age_on(day) and one.age_on(day + timedelta(days=366)) <= grant["max_age"]:
            yield one


def event_for(
    published: Published, grant: Entry, who: Person, day: date, message_id: str, *, optional: bool = True
) -> dict[str, Any]:
    """An event of the grant's type that the gate accepts on ``day`` and for a year after."""
    spec, may = published.types[grant["type"]], covered(grant)
    subject = (
        {}
        if spec.about_nobody
        else {n: v for n, v in subject_of(who, grant["provider"]).items() if f"subject.{n}" in may}
    )
    facts: dict[str, Any] = {}
    for name, field in spec.data.items():
        if field.path in may and (field.required or optional or name in _SOMETIMES):
            value = _value(published.entry(spec.name, field.path), field, day)
            if value not in (None, [], {}):
                facts[name] = value
    given, needed = WHY_NOT_IN_EET.get(spec.name, ("", ""))
    if given and facts.get(given) == NOT_IN_EET:
        field = spec.data[needed]
        facts[needed] = _value(published.entry(spec.name, field.path), field, day)
    return {
        "specversion": "1.0",
        "id": message_id,
        "source": grant["provider"],
        "type": spec.name,
        "data": {"effective_on": (day - timedelta(days=3)).isoformat(), "subject": subject, "data": facts},
    }


def subject_of(who: Person, party: str) -> dict[str, Any]:
    """Who it is about, as ``party`` holds that person."""
    return {
        "source_ref": f"SYN-{party[:4].upper()}-{who.number:05d}",
        "given_name": who.given_name,
        "family_name": who.family_name,
        "date_of_birth": who.born.isoformat(),
        "sex": who.sex,
        "postcode": who.postcode,
        "address_line": who.address_line,
        "phone": who.phone,
        "email": who.email,
        "nhs_number": who.nhs_number,
        "uln": who.uln,
        "upn": who.upn,
        "nino": who.nino,
    }


def _value(entry: Entry, field: FieldSpec, day: date) -> Any:
    """The catalogue's example, if the field takes it, else something that it takes."""
    if field.kind == "date":
        # Dates of the catalogue lie in one school year; an example of another day would contradict itself.
        return (day - timedelta(days=3)).isoformat()
    given = entry.get("example")
    read = field.read(field, given) if given is not None else None
    if read is not None and type(read).__name__ != "Bad":
        return given
    if field.kind == "enum":
        return sorted(field.values - {"unknown"})[0]
    if field.kind == "list_of_enum":
        return [sorted(field.values - {"unknown"})[0]]
    return _PLAIN.get(field.kind)
