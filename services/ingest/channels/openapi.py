"""The HTTP door in OpenAPI words: bodies are read by the door itself, so that bounds come before parsing."""

from __future__ import annotations

from typing import Any

from services.ingest.parse import ID_PATTERN

_EVENT: dict[str, Any] = {
    "type": "object",
    "title": "Event",
    "description": "CloudEvents 1.0, structured mode. Types and their fields: the event catalogue.",
    "required": ["specversion", "id", "source", "type", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {
            "type": "string",
            "pattern": ID_PATTERN,
            "description": "yours, and the same when you send again",
        },
        "source": {"type": "string", "description": "your party id"},
        "type": {"type": "string", "examples": ["education.enrolment.withdrawn"]},
        "time": {"type": "string", "format": "date-time"},
        "sequence": {"type": "string", "pattern": "^[0-9]{1,18}$"},
        "data": {
            "type": "object",
            "required": ["effective_on", "subject", "data"],
            "properties": {
                "effective_on": {"type": "string", "format": "date"},
                "observed_at": {"type": "string", "format": "date-time"},
                "withheld": {"type": "array", "items": {"type": "string"}},
                "subject": {"type": "object"},
                "data": {"type": "object"},
            },
        },
    },
}
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"oneOf": [_EVENT, {"type": "array", "maxItems": 500, "items": _EVENT}]},
        },
    },
}
_ERROR = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {name: {"type": "string"} for name in ("pointer", "code", "message", "expected")},
}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "reason", "errors"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "reason": {"type": "string"},
        "receipt": {"type": "string"},
        "errors": {"type": "array", "items": _ERROR},
    },
}
_ITEM = {
    "type": "object",
    "required": ["status"],
    "properties": {"id": {"type": "string"}, "status": {"type": "integer"}},
}
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}]


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/problem+json": {"schema": _PROBLEM}}}


_TURNED_AWAY: dict[int | str, dict[str, Any]] = {
    400: _problem("The body cannot be read"),
    401: _problem("A valid API key is needed"),
    403: _problem("The key does not allow this"),
    413: _problem("Too large, or too many events"),
    415: _problem("Not JSON"),
    422: _problem("Refused, with every fault; never the value"),
    429: _problem("Too fast: see Retry-After"),
    503: _problem("Not now: see Retry-After"),
}
EVENTS: dict[str, Any] = {
    "response_model": None,
    "summary": "Send one event or a list of at most 500",
    "responses": {
        202: _json("On the log; see the receipt", _ITEM),
        207: _json("A list of which some were refused: each has its own status", {"type": "object"}),
        409: _problem("This id was used with other content"),
        **_TURNED_AWAY,
    },
    "status_code": 202,
    "openapi_extra": {"requestBody": _BODY, "security": _SECURITY},
}
VALIDATE: dict[str, Any] = {
    "response_model": None,
    "summary": "Ask what the gate would say; nothing is kept",
    "responses": {200: _json("The verdict on each event", {"type": "object"}), **_TURNED_AWAY},
    "openapi_extra": {"requestBody": _BODY, "security": _SECURITY},
}
RECEIPT: dict[str, Any] = {
    "response_model": None,
    "summary": "What became of one of your messages; never whether anybody is known",
    "responses": {
        200: _json("received, accepted or refused", {"type": "object"}),
        401: _problem("A valid API key is needed"),
        403: _problem("The key does not allow this"),
        404: _problem("No message of yours has this id"),
        422: _problem("The id is not one"),
        503: _problem("Not now: see Retry-After"),
    },
    "openapi_extra": {"security": _SECURITY},
}
REFUSALS: dict[str, Any] = {
    "response_model": None,
    "summary": "Your last refusals, newest first: reasons, never content",
    "responses": {
        200: _json("Each with its faults, and whether anything better came since", {"type": "object"}),
        401: _problem("A valid API key is needed"),
        403: _problem("The key does not allow this"),
        422: _problem("The limit is not a number from 1 to 200"),
        503: _problem("Not now: see Retry-After"),
    },
    "openapi_extra": {
        "security": _SECURITY,
        "parameters": [
            {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 200}},
        ],
    },
}
TERMS: dict[str, Any] = {
    "response_model": None,
    "summary": "Which agreement of yours is in force for each event type, and what it lets you send",
    "responses": {
        200: _json("Event types with fields, ages and the shrinkage at which a snapshot is held", {"type": "object"}),
        401: _problem("A valid API key is needed"),
        403: _problem("The key does not allow this"),
        503: _problem("Not now: see Retry-After"),
    },
    "openapi_extra": {"security": _SECURITY},
}
_EXTRACT: dict[str, Any] = {
    "type": "object",
    "title": "Extract",
    "description": "A batch that you sent event by event: how much was read, so that your silence can be told apart.",
    "required": ["id", "shape", "rows", "leaver_rows", "on"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "description": "yours, and the same when you tell it again"},
        "shape": {"enum": ["delta", "snapshot"]},
        "rows": {"type": "integer", "minimum": 0},
        "leaver_rows": {"type": "integer", "minimum": 0},
        "on": {"type": "string", "format": "date"},
    },
}
EXTRACT: dict[str, Any] = {
    "response_model": None,
    "summary": "Say that a batch came",
    "responses": {202: _json("On the log", {"type": "object"}), **_TURNED_AWAY},
    "status_code": 202,
    "openapi_extra": {
        "requestBody": {"required": True, "content": {"application/json": {"schema": _EXTRACT}}},
        "security": _SECURITY,
    },
}
