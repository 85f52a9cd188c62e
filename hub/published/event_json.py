"""JSON Schemas (2020-12) of the events that partners send, as the door reads them. Pure: specs in, schemas out.

They say what is true of an event type for everybody. Not in them: what an agreement leaves out, ages, check digits,
and dates that count from the day of receipt. Those only the door can judge (``POST /v1/events:validate``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.ingest.conditional import NOT_IN_EET, WHY_NOT_IN_EET
from services.ingest.fields import (
    DATE_MAX,
    DATE_MIN,
    ENTRIES_MAX,
    NUMBER_MAX,
    TEXT_CHARACTERS_MAX,
    FieldSpec,
    TypeSpec,
)
from services.ingest.gate import EFFECTIVE_MIN, WITHHELD_MAX
from services.ingest.parse import ID_PATTERN

DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: The door's own code for a breach of the subschema that carries it; see the codes in docs/partner-door.md.
CODE = "x-code"
#: What would be right, in words for a person.
EXPECTED = "x-expected"
Schema = dict[str, Any]

_DAY: Schema = {
    "type": "string",
    "format": "date",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    CODE: "date_form",
    EXPECTED: f"YYYY-MM-DD, {DATE_MIN.year} to {DATE_MAX.year}",
}
_MOMENT: Schema = {
    "type": "string",
    "format": "date-time",
    "maxLength": 40,
    CODE: "time_form",
    EXPECTED: "2025-11-24T07:55:00Z",
}
_TEXT: Schema = {"type": "string", "maxLength": TEXT_CHARACTERS_MAX, "pattern": "^[^\\u0000]*$"}
_SOME: Schema = {"pattern": "\\S", CODE: "missing"}
_ID: Schema = {
    "type": "string",
    "pattern": ID_PATTERN,
    CODE: "id_form",
    EXPECTED: "1 to 128 letters, digits and . _ : / @ = + ~ # ( ) -; no identifier of the person",
}


def event_schemas(types: Mapping[str, TypeSpec]) -> Schema:
    """One document: the subject under ``$defs``, each event type under ``$defs/<type>``."""
    some = next(iter(types.values()))
    subject = _record(some.subject)
    return {
        "$schema": DIALECT,
        "title": "Events of partners of EET Hub",
        "description": "Each entry of $defs but subject is the schema of one event type, a CloudEvents JSON object.",
        "$defs": {"subject": subject} | {name: _event(types[name]) for name in sorted(types)},
    }


def _event(spec: TypeSpec) -> Schema:
    facts = _record(spec.data)
    if spec.name in WHY_NOT_IN_EET:
        given, needed = WHY_NOT_IN_EET[spec.name]
        facts["if"] = {"properties": {given: {"const": NOT_IN_EET}}, "required": [given]}
        # Null is a value that was not sent: needed here as much as one that is not there.
        sent = {"type": ["string", "number", "boolean", "object", "array"]}
        facts["then"] = {"required": [needed], "properties": {needed: sent}}
    return {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0", CODE: "specversion"},
            "id": _ID,
            "source": {"type": "string", "minLength": 1, EXPECTED: "your party id"},
            "type": {"const": spec.name, CODE: "unknown_type"},
            "time": _maybe(_MOMENT),
            "sequence": _sequence(),
            "data": _data(spec, facts),
        },
        "patternProperties": {"^[a-z0-9]{1,32}$": True},
        "additionalProperties": False,
        CODE: "unknown_attribute",
    }


def _data(spec: TypeSpec, facts: Schema) -> Schema:
    # An event about nobody may leave the subject empty; every other one says who is meant.
    nobody = spec.about_nobody
    named = [{"required": [name], "properties": {name: {"type": "string", **_SOME}}} for name in _WHO]
    who: Schema = {"$ref": "#/$defs/subject"}
    if not nobody:
        who |= {"anyOf": named, CODE: "who", EXPECTED: " or ".join(_WHO)}
    required = ["effective_on"] + ([] if nobody else ["subject"]) + (["data"] if facts["required"] else [])
    return {
        "type": "object",
        "required": required,
        "properties": {
            "effective_on": {**_DAY, EXPECTED: f"YYYY-MM-DD, {EFFECTIVE_MIN} to a month ahead"},
            "observed_at": _maybe(_MOMENT),
            "withheld": _maybe(
                {
                    "type": "array",
                    "maxItems": WITHHELD_MAX,
                    "items": {"enum": sorted(spec.paths), CODE: "withheld_name"},
                }
            ),
            "subject": _maybe(who) if nobody else who,
            "data": facts if facts["required"] else _maybe(facts),
        },
        "additionalProperties": False,
    }


_WHO = ("source_ref", "family_name")


def _sequence() -> Schema:
    whole = {"type": "integer", "minimum": 0, "exclusiveMaximum": 2**53}
    written = {"type": "string", "pattern": "^[0-9]{1,18}$"}
    return {"anyOf": [{"type": "null"}, whole, written], CODE: "sequence_form", EXPECTED: "a whole number"}


def _record(fields: Mapping[str, FieldSpec]) -> Schema:
    return {
        "type": "object",
        "required": [name for name, spec in fields.items() if spec.required],
        "properties": {name: _field(spec) for name, spec in fields.items()},
        "additionalProperties": False,
    }


def _field(spec: FieldSpec) -> Schema:
    one = {**_KINDS[spec.kind](spec), EXPECTED: spec.expected}
    # A required text that is blank is missing to the door; an optional field that is null was not sent.
    if spec.required and spec.kind == "string":
        return {**one, "allOf": [_SOME]}
    return one if spec.required else _maybe(one)


def _maybe(schema: Schema) -> Schema:
    """The same, or null. Not ``anyOf``: a fault must be named where it is, not as one of two ways to fail."""
    if "type" in schema:
        return {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    return {"if": {"not": {"type": "null"}}, "then": schema}


def _enum(spec: FieldSpec) -> Schema:
    return {"enum": sorted(spec.values), CODE: "not_in_list"}


def _texts(entry: Schema) -> Schema:
    return {"type": "array", "maxItems": ENTRIES_MAX, "items": entry}


_KINDS: Mapping[str, Any] = {
    "string": lambda spec: dict(_TEXT),
    "identifier": lambda spec: dict(_TEXT),
    "enum": _enum,
    "boolean": lambda spec: {"type": "boolean"},
    "integer": lambda spec: {"type": "integer", "minimum": 0, "maximum": NUMBER_MAX},
    "number": lambda spec: {"type": "number", "minimum": 0, "maximum": NUMBER_MAX},
    "date": lambda spec: dict(_DAY),
    "list_of_string": lambda spec: _texts(dict(_TEXT)),
    "list_of_enum": lambda spec: _texts(_enum(spec)),
    "map_of_string": lambda spec: {
        "type": "object",
        "maxProperties": ENTRIES_MAX,
        "additionalProperties": dict(_TEXT),
    },
}
