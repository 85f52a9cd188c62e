"""One Open Data Contract Standard document (v3.2.0) for each event type, from its Avro schema and the agreements.

Avro is the source of shape, agreements of who may send what: nothing here is written by hand, so nothing can differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.published.sources import Entry, Published, covered

VERSION = "v3.2.0"
_LOGICAL: Mapping[str, str] = {
    "string": "string",
    "long": "integer",
    "double": "number",
    "boolean": "boolean",
    "record": "object",
    "array": "array",
    "map": "object",
    "enum": "string",
    "date": "date",
    "timestamp-millis": "timestamp",
}


def contract(published: Published, event_type: str) -> dict[str, Any]:
    """The document. A field's ``agreements`` are those that let a party send it."""
    avro, entry = published.avro[event_type], published.catalogue["types"][event_type]
    grants = published.grants_for(event_type)
    return {
        "apiVersion": VERSION,
        "kind": "DataContract",
        "id": f"urn:eet-hub:event:{event_type}:1",
        "name": event_type,
        "version": "1.0.0",
        "status": "active",
        "domain": str(entry["group"]),
        "description": {
            "purpose": str(avro["doc"]),
            "limitations": "Only what an agreement in force names may be sent; what none names reaches nobody.",
            "usage": "Sent by partners over HTTP, Kafka or files; read by the hub alone.",
        },
        "servers": [
            {
                "server": "partner-topics",
                "type": "kafka",
                "host": "kafka.northshire.example:9093",
                "format": "avro",
                "description": f"One topic for each party: {published.topics['partner_topics']['pattern']}",
            }
        ],
        "schema": [
            {
                "name": str(avro["name"]),
                "physicalName": f"{avro['namespace']}.{avro['name']}",
                "physicalType": "record",
                "logicalType": "object",
                "description": str(avro["doc"]),
                "properties": [_property(field, "", grants) for field in avro["fields"]],
            }
        ],
        "customProperties": [
            {"property": "classification", "value": str(avro["classification"])},
            {"property": "effectiveOn", "value": str(entry["effective_on"])},
            {"property": "publishers", "value": [str(kind) for kind in entry["publishers"]]},
            {"property": "agreements", "value": sorted({str(grant["agreement"]) for grant in grants})},
        ],
    }


def _property(field: Entry, above: str, grants: list[Entry]) -> dict[str, Any]:
    path = f"{above}.{field['name']}" if above else str(field["name"])
    schema = field["type"]
    inner = schema[1] if isinstance(schema, list) else schema
    out: dict[str, Any] = {
        "name": str(field["name"]),
        "description": str(field["doc"]),
        **_typed(inner),
        "required": "default" not in field,
        "classification": str(field["classification"]),
    }
    if isinstance(inner, dict) and inner["type"] == "record":
        return {**out, "properties": [_property(one, path, grants) for one in inner["fields"]]}
    custom = [{"property": "agreements", "value": sorted({str(g["agreement"]) for g in grants if path in covered(g)})}]
    if field.get("values"):
        custom.append({"property": "values", "value": [str(value) for value in field["values"]]})
    return {**out, "customProperties": custom}


def _typed(schema: Any) -> dict[str, Any]:
    if isinstance(schema, str):
        return {"logicalType": _LOGICAL[schema], "physicalType": schema}
    kind = str(schema["type"])
    logical = _LOGICAL[str(schema.get("logicalType", kind))]
    out: dict[str, Any] = {"logicalType": logical, "physicalType": kind}
    if kind == "array":
        out["items"] = {"name": "item", **_typed(schema["items"])}
    return out
