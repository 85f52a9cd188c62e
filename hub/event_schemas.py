"""Avro schemas of the event types that partners publish, generated from the event catalogue. Pure: data in, text out.

An event is a record {effective_on, observed_at, sequence, withheld, subject, data}; the two nested records can be read
alone, so ``subject`` and ``data`` may travel as bytes (docs/adr/0003).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

NAMESPACE = "eethub.partner"
UNKNOWN = "unknown"
_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_DATE = {"type": "int", "logicalType": "date"}
_MOMENT = {"type": "long", "logicalType": "timestamp-millis"}
_PLAIN: Mapping[str, Any] = {
    "string": "string",
    "integer": "long",
    "number": "double",
    "boolean": "boolean",
    "date": _DATE,
    "datetime": _MOMENT,
}

Entry = Mapping[str, Any]


def partner_schemas(catalogue: Entry) -> dict[str, str]:
    """File name -> text of every partner schema, sorted by name."""
    enums = catalogue["enums"]
    subject = _subject(catalogue["subject"], enums)
    files = {"subject.v1.avsc": _text(subject)}
    for name, entry in catalogue["types"].items():
        files[f"{name}.v1.avsc"] = _text(_event(name, entry, subject, catalogue["envelope"], enums))
    return dict(sorted(files.items()))


def values_of(field: Entry, enums: Mapping[str, list[str]]) -> tuple[str, ...]:
    """The closed list of an enum field, without the extra symbol ``unknown``; empty for other fields."""
    named = field.get("enum")
    return tuple(str(v) for v in (enums[named] if named else field.get("values", ())))


def camel(name: str) -> str:
    """``uc.claim_started`` -> ``UcClaimStarted``."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[._]", name))


def _event(name: str, entry: Entry, subject: Entry, envelope: Entry, enums: Mapping[str, list[str]]) -> dict[str, Any]:
    record = camel(name)
    data = {
        "type": "record",
        "name": f"{record}Data",
        "namespace": NAMESPACE,
        "doc": f"Facts of {name}.",
        "fields": _fields(f"{record}Data", entry["data"], enums),
    }
    effective = {"name": "effective_on", "type": _DATE, "doc": f"{_sentence(entry['effective_on'])}"}
    return {
        "type": "record",
        "name": record,
        "namespace": NAMESPACE,
        "doc": _sentence(entry["about"]),
        "classification": entry["class"],
        "fields": [
            {**effective, "classification": "personal"},
            _optional("observed_at", _MOMENT, envelope),
            _optional("sequence", "long", envelope),
            {
                "name": "withheld",
                "type": {"type": "array", "items": "string"},
                "doc": _sentence(envelope["withheld"]["means"]),
                "classification": "operational",
                "default": [],
            },
            {
                "name": "subject",
                "type": subject,
                "doc": _sentence(envelope["subject"]["means"]),
                "classification": "personal",
            },
            {"name": "data", "type": data, "doc": "The facts.", "classification": entry["class"]},
        ],
    }


def _optional(name: str, kind: Any, envelope: Entry) -> dict[str, Any]:
    return {
        "name": name,
        "type": ["null", kind],
        "doc": _sentence(envelope[name]["means"]),
        "classification": envelope[name]["class"],
        "default": None,
    }


def _subject(fields: Entry, enums: Mapping[str, list[str]]) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "Subject",
        "namespace": NAMESPACE,
        "doc": "Who the event is about, as the source holds it.",
        "fields": _fields("Subject", fields, enums),
    }


def _fields(record: str, fields: Entry, enums: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    return [_field(record, name, field, enums) for name, field in fields.items()]


def _field(record: str, name: str, field: Entry, enums: Mapping[str, list[str]]) -> dict[str, Any]:
    kind, values = str(field["type"]), values_of(field, enums)
    out: dict[str, Any] = {"name": name, "type": None, "doc": _sentence(field["means"])}
    out["classification"] = field["class"]
    if values:
        out["values"] = list(values)
    item = _enum(f"{record}{camel(name)}", values) if values else _PLAIN.get(kind)
    if kind.startswith("list_of_"):
        out["type"] = {"type": "array", "items": item or "string"}
        if not field["required"]:
            out["default"] = []
    elif kind == "map_of_string":
        out["type"], out["default"] = {"type": "map", "values": "string"}, {}
    elif field["required"]:
        out["type"] = item
    else:
        out["type"], out["default"] = ["null", item], None
    return out


def _enum(name: str, values: Iterable[str]) -> Any:
    """An Avro enum whose default is ``unknown``; a string where a value is no Avro name (``values`` lists them)."""
    symbols = [v for v in values if v != UNKNOWN]
    if not all(_SYMBOL.match(symbol) for symbol in symbols):
        return "string"
    return {"type": "enum", "name": name, "namespace": NAMESPACE, "symbols": [UNKNOWN, *symbols], "default": UNKNOWN}


def _sentence(text: str) -> str:
    text = text.strip()
    return (text[:1].upper() + text[1:]).rstrip(".") + "."


def _text(schema: Entry) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
