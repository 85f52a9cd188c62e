"""One AsyncAPI 3 document of the partner topics: which party may send which event types where, in which form."""

from __future__ import annotations

from datetime import date
from typing import Any

from hub.published.sources import Published

VERSION = "3.1.0"
_HEADERS = {
    "ce_id": "The partner's message id, unique for ever",
    "ce_source": "Party id; must be the party that owns the topic",
    "ce_type": "Event type of the catalogue",
}


def document(published: Published, day: date) -> dict[str, Any]:
    """What the agreements in force on ``day`` let pass, suspended ones left out. The hub receives on each party's own
    topic; there is no answer on a topic, receipts are read over HTTP."""
    live = published.live_grants(day)
    by_party = {party: {str(grant["type"]) for grant in grants} for party, grants in live.items()}
    pattern = str(published.topics["partner_topics"]["pattern"])
    used = sorted({kind for kinds in by_party.values() for kind in kinds})
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "EET Hub: partner topics",
            "version": "1.0.0",
            "description": f"By the agreements in force on {day}. Each party writes to its own topic and to no other.",
        },
        "defaultContentType": "application/avro",
        "servers": {
            "partners": {
                "host": "kafka.northshire.example:9093",
                "protocol": "kafka-secure",
                "description": "A user for each party, which may write to that party's topic only",
                "security": [{"$ref": "#/components/securitySchemes/party"}],
            }
        },
        "channels": {party: _channel(published, pattern, party, sorted(by_party[party])) for party in sorted(by_party)},
        "operations": {
            f"receive-{party}": {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{party}"},
                "summary": f"The hub reads what {party} says",
            }
            for party in sorted(by_party)
        },
        "components": {
            "messages": {kind: _message(published, kind) for kind in used},
            "securitySchemes": {"party": {"type": "scramSha512", "description": "User and password of the party"}},
            "schemas": {"headers": _headers()},
        },
    }


def _channel(published: Published, pattern: str, party: str, kinds: list[str]) -> dict[str, Any]:
    topic = published.topics["partner_topics"]
    return {
        "address": pattern.replace("{party}", party),
        "title": str(published.policy["parties"][party]["name"]),
        "description": f"Kept for {topic['retention_days']} days, in clear, for the hub's door alone.",
        "servers": [{"$ref": "#/servers/partners"}],
        "messages": {kind: {"$ref": f"#/components/messages/{kind}"} for kind in kinds},
        "bindings": {"kafka": {"topic": pattern.replace("{party}", party), "partitions": int(topic["partitions"])}},
    }


def _message(published: Published, kind: str) -> dict[str, Any]:
    entry = published.catalogue["types"][kind]
    return {
        "name": kind,
        "title": str(entry["about"]),
        "summary": f"effective_on: {entry['effective_on']}",
        "contentType": "application/avro",
        "headers": {"$ref": "#/components/schemas/headers"},
        "payload": {
            "schemaFormat": "application/vnd.apache.avro+json;version=1.9.0",
            "schema": {"$ref": f"../../schemas/avro/partner/{kind}.v1.avsc"},
        },
        "tags": [{"name": str(entry["group"])}],
    }


def _headers() -> dict[str, Any]:
    texts: dict[str, Any] = {name: {"type": "string", "description": about} for name, about in _HEADERS.items()}
    texts["ce_testmode"] = {"type": "string", "enum": ["true"], "description": "A test: it reaches no caseworker"}
    return {"type": "object", "required": sorted(_HEADERS), "properties": texts}
