"""Fields of event types, read from the partner schemas, and how one value of each kind is checked."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from services.ingest.identifiers import CHECKS, EXPECTED

#: A checked value, as Avro takes it.
Value = str | int | float | bool | date | datetime | list[str] | dict[str, str] | None

TEXT_CHARACTERS_MAX = 200
ENTRIES_MAX = 50
NUMBER_MAX = 1_000_000_000
DATE_MIN, DATE_MAX = date(1900, 1, 1), date(2100, 12, 31)
UNKNOWN = "unknown"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Bad:
    """A value that does not fit, by the code of its fault; ``entry`` where one entry of a list is wrong."""

    code: str
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field. ``path`` is its name in agreements, ``pointer`` its place in a message."""

    name: str
    path: str
    pointer: str
    kind: str
    required: bool
    values: frozenset[str]
    expected: str
    read: Callable[[FieldSpec, object], Value | Bad]


@dataclass(frozen=True, slots=True)
class TypeSpec:
    """One event type: its subject and data fields in order."""

    name: str
    subject: Mapping[str, FieldSpec]
    data: Mapping[str, FieldSpec]
    paths: frozenset[str]

    @property
    def about_nobody(self) -> bool:
        """Whether an event of this type may leave its subject empty: it is about a feed, or about records."""
        return self.name.startswith(_ABOUT_NOBODY)


_ABOUT_NOBODY = ("identity.", "feed.")


def type_specs(sources: Mapping[str, Mapping[str, Any]]) -> Mapping[str, TypeSpec]:
    """Event type -> its fields, from the Avro sources of a catalogue (kinds ``<type>.v1``, parts subject and data)."""
    subject = _specs("subject", sources["subject.v1"]["fields"])
    specs: dict[str, TypeSpec] = {}
    for kind, source in sources.items():
        if source.get("namespace") != "eethub.partner" or kind == "subject.v1":
            continue
        name = kind.rpartition(".")[0]
        parts = {field["name"]: field["type"] for field in source["fields"]}
        data = _specs("data", parts["data"]["fields"])
        paths = frozenset(spec.path for spec in (*subject.values(), *data.values()))
        specs[name] = TypeSpec(name, subject, data, paths)
    return specs


def _specs(part: str, fields: list[Mapping[str, Any]]) -> Mapping[str, FieldSpec]:
    return {field["name"]: _spec(part, field) for field in fields}


def _spec(part: str, field: Mapping[str, Any]) -> FieldSpec:
    name, schema = field["name"], field["type"]
    inner = schema[1] if isinstance(schema, list) else schema
    kind = _kind(inner, bool(field.get("values")))
    values = frozenset(field.get("values", ())) | ({UNKNOWN} if field.get("values") else frozenset())
    if part == "subject" and name in CHECKS:
        kind = "identifier"
    return FieldSpec(
        name=name,
        path=f"{part}.{name}",
        pointer=f"/data/{part}/{name}",
        kind=kind,
        required="default" not in field,
        values=values,
        expected=_expected(name, kind, sorted(values)),
        read=_READERS[kind],
    )


def _kind(schema: Any, closed: bool) -> str:
    if isinstance(schema, str):
        if schema == "string" and closed:
            return "enum"
        return {"string": "string", "long": "integer", "double": "number", "boolean": "boolean"}[schema]
    if schema["type"] == "array":
        return "list_of_enum" if closed else "list_of_string"
    if schema["type"] == "map":
        return "map_of_string"
    return "date" if schema.get("logicalType") == "date" else str(schema["type"])


def _expected(name: str, kind: str, values: list[str]) -> str:
    if kind == "identifier":
        return EXPECTED[name]
    if kind == "enum":
        return "one of: " + ", ".join(values)
    if kind == "list_of_enum":
        return "a list of: " + ", ".join(values)
    return {
        "string": f"text of at most {TEXT_CHARACTERS_MAX} characters",
        "integer": "a whole number from 0",
        "number": "a number from 0",
        "boolean": "true or false",
        "date": f"YYYY-MM-DD, {DATE_MIN.year} to {DATE_MAX.year}",
        "list_of_string": f"a list of at most {ENTRIES_MAX} texts",
        "map_of_string": f"an object of at most {ENTRIES_MAX} texts",
    }[kind]


def _text(spec: FieldSpec, value: object) -> Value | Bad:
    if not isinstance(value, str):
        return Bad("wrong_type")
    if len(value) > TEXT_CHARACTERS_MAX:
        return Bad("too_long")
    if "\0" in value:
        return Bad("control_character")
    # A blank text says nothing: the same as a field that was not sent.
    return value if value and not value.isspace() else None


def _identifier(spec: FieldSpec, value: object) -> Value | Bad:
    read = _text(spec, value)
    if not isinstance(read, str):
        return read
    return read if CHECKS[spec.name](read) else Bad("check_digit")


def _enum(spec: FieldSpec, value: object) -> Value | Bad:
    if not isinstance(value, str):
        return Bad("wrong_type")
    return value if value in spec.values else Bad("not_in_list")


def _boolean(spec: FieldSpec, value: object) -> Value | Bad:
    return value if isinstance(value, bool) else Bad("wrong_type")


def _integer(spec: FieldSpec, value: object) -> Value | Bad:
    if not isinstance(value, int) or isinstance(value, bool):
        return Bad("wrong_type")
    return value if 0 <= value <= NUMBER_MAX else Bad("number_range")


def _number(spec: FieldSpec, value: object) -> Value | Bad:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return Bad("wrong_type")
    # Compared before it becomes a float: a huge whole number has none.
    if (isinstance(value, float) and not math.isfinite(value)) or not 0 <= value <= NUMBER_MAX:
        return Bad("number_range")
    return float(value)


def read_date(value: object) -> date | Bad:
    """A date from text or, in an Avro message, as it stands."""
    if isinstance(value, date) and not isinstance(value, datetime):
        day = value
    elif not isinstance(value, str):
        return Bad("wrong_type")
    elif not _DAY.match(value):
        # fromisoformat also reads 20250101 and 2025-W01-1; partners are promised one form.
        return Bad("date_form")
    else:
        try:
            day = date.fromisoformat(value)
        except ValueError:
            return Bad("date_form")
    return day if DATE_MIN <= day <= DATE_MAX else Bad("date_range")


def read_moment(value: object) -> datetime | Bad:
    """A moment with an offset, as UTC."""
    if isinstance(value, datetime):
        moment = value
    elif not isinstance(value, str) or len(value) > 40:
        return Bad("time_form")
    else:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return Bad("time_form")
    if moment.tzinfo is None or not 1970 < moment.year < 2200:
        return Bad("time_form")
    return moment.astimezone(UTC)


def _date(spec: FieldSpec, value: object) -> Value | Bad:
    return read_date(value)


def _texts(spec: FieldSpec, value: object) -> Value | Bad:
    return _entries(spec, value, _text)


def _enums(spec: FieldSpec, value: object) -> Value | Bad:
    return _entries(spec, value, _enum)


def _entries(spec: FieldSpec, value: object, one: Callable[[FieldSpec, object], Value | Bad]) -> Value | Bad:
    if not isinstance(value, list):
        return Bad("wrong_type")
    if len(value) > ENTRIES_MAX:
        return Bad("too_many")
    texts: list[str] = []
    for index, entry in enumerate(value):
        read = one(spec, entry)
        if isinstance(read, Bad):
            return Bad(read.code, index)
        if isinstance(read, str):
            texts.append(read)
    return texts


def _map(spec: FieldSpec, value: object) -> Value | Bad:
    if not isinstance(value, dict):
        return Bad("wrong_type")
    if len(value) > ENTRIES_MAX:
        return Bad("too_many")
    read: dict[str, str] = {}
    for key in sorted(value):
        name, text = _text(spec, key), _text(spec, value[key])
        if isinstance(name, Bad) or isinstance(text, Bad):
            return name if isinstance(name, Bad) else text
        if isinstance(name, str) and isinstance(text, str):
            read[name] = text
    return read


_READERS: Mapping[str, Callable[[FieldSpec, object], Value | Bad]] = {
    "string": _text,
    "identifier": _identifier,
    "enum": _enum,
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "date": _date,
    "list_of_string": _texts,
    "list_of_enum": _enums,
    "map_of_string": _map,
}
