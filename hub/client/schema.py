"""The check before sending: an event against the published JSON Schema, every fault at once, no value repeated."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from hub.client.faults import Fault, Misused

#: The copy that comes with this client; ``hub contracts documents`` writes it.
PUBLISHED = Path(__file__).with_name("events.schema.json")
FAULTS_MAX = 100
_CODES = {
    "required": "missing",
    "type": "wrong_type",
    "enum": "not_in_list",
    "additionalProperties": "unknown_field",
    "maxLength": "too_long",
    "maxItems": "too_many",
    "maxProperties": "too_many",
    "minimum": "number_range",
    "maximum": "number_range",
    "pattern": "control_character",
}
#: These say by themselves what is wrong, whatever the schema's own code is for its other rules.
_OWN = frozenset({"required", "type", "maxLength", "maxItems", "maxProperties"})
_WORDS = {
    "not_an_object": "An object is needed here",
    "missing": "A required value is missing",
    "wrong_type": "A value of another type is needed",
    "not_in_list": "The value is not in the closed list",
    "unknown_field": "A field is not in the event type's schema",
    "unknown_attribute": "CloudEvents attributes are lower-case letters and digits",
    "unknown_type": "This event type is not in the schema",
    "too_long": "The value is too long",
    "too_many": "There are too many entries",
    "number_range": "The number is outside the accepted range",
    "control_character": "The null character is not allowed",
    "date_form": "A date is written YYYY-MM-DD",
    "time_form": "A moment needs a date, a time and an offset",
    "id_form": "The message id has not the form of one",
    "sequence_form": "A sequence is a whole number",
    "specversion": "This version of CloudEvents is not supported",
    "who": "The subject needs a source_ref or a family_name",
    "withheld_name": "A withheld entry names a field of this event type",
}
_FORMATS = FormatChecker(formats=("date",))


class EventSchemas:
    """The schemas of one published document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.types = frozenset(document["$defs"]) - {"subject"}
        # One validator a type: building it costs more than using it.
        self._validator = cache(self._build)

    @classmethod
    def of_file(cls, path: Path = PUBLISHED) -> EventSchemas:
        """Raises Misused if there is none, or it is none."""
        try:
            return cls(json.loads(path.read_bytes()))
        except (OSError, ValueError, KeyError) as error:
            raise Misused(f"{path.name} is no document of event schemas: {type(error).__name__}") from None

    def fields(self, kind: str) -> tuple[Mapping[str, bool], Mapping[str, bool]]:
        """Subject fields and data fields of an event type, each with whether it is required."""
        data = self._document["$defs"][kind]["properties"]["data"]["properties"]["data"]
        return _named(self._document["$defs"]["subject"]), _named(data)

    def faults(self, event: object) -> tuple[Fault, ...]:
        """Every fault of a CloudEvents object that its type's schema shows; empty if there is none."""
        if not isinstance(event, dict):
            return (Fault("", "not_an_object", "An object is needed here", "a CloudEvents object"),)
        kind = event.get("type")
        if not isinstance(kind, str) or kind not in self.types:
            return (Fault("/type", "unknown_type", _WORDS["unknown_type"], "a type of the event catalogue"),)
        told = {fault: None for error in self._validator(kind).iter_errors(event) for fault in _faults(error)}
        # Of a value that is no whole number at all the door does not say that it is too small as well.
        unlike = {fault.pointer for fault in told if fault.code == "wrong_type"}
        found = [fault for fault in told if fault.code != "number_range" or fault.pointer not in unlike]
        return tuple(sorted(found, key=lambda f: (f.pointer, f.code))[:FAULTS_MAX])

    def _build(self, kind: str) -> Draft202012Validator:
        root = {"$ref": f"#/$defs/{kind}", "$defs": self._document["$defs"]}
        return Draft202012Validator(root, format_checker=_FORMATS)


def _named(record: Mapping[str, Any]) -> Mapping[str, bool]:
    return {name: name in record["required"] for name in record["properties"]}


def _faults(error: ValidationError) -> Iterator[Fault]:
    path = list(error.absolute_path)
    if len(path) > 3 and isinstance(path[3], str):
        # Below a field only entries of a list have names of ours; the name of an object's entry is the partner's value.
        path = path[:3]
    pointer = "".join(f"/{part}" for part in path)
    schema = error.schema if isinstance(error.schema, dict) else {}
    rule = str(error.validator)
    expected = str(schema.get("x-expected", ""))
    if rule == "required":
        # The error stands at the object; the fault is told at each place where the value should be, once.
        given, needed = cast(Mapping[str, Any], error.instance), cast(list[str], error.validator_value)
        missing = [name for name in needed if name not in given]
        for name in missing:
            inner = schema.get("properties", {}).get(name, {})
            yield Fault(f"{pointer}/{name}", "missing", _WORDS["missing"], str(inner.get("x-expected", "")))
        return
    code = _CODES.get(rule, "") if rule in _OWN else str(schema.get("x-code", _CODES.get(rule, "invalid")))
    if error.instance is None and rule in ("type", "enum"):
        # The door takes null for a value that was not sent; only a required one gets here.
        code = "missing"
    elif rule == "enum" and not isinstance(error.instance, str):
        code = "wrong_type"
    elif rule == "type" and "properties" in schema:
        code = "not_an_object"
    if rule == "additionalProperties":
        # Names stay unsaid: a name can be a value in the wrong place.
        expected = expected or "only: " + ", ".join(sorted(schema.get("properties", {})))
    yield Fault(pointer, code, _WORDS.get(code, "The value does not fit"), expected)
