"""The HTTP door in OpenAPI words: bodies are read by the door itself, so that bounds come before parsing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

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
        "limit": {"type": "object", "additionalProperties": {"type": "integer"}, "description": "the limit reached"},
        "errors": {"type": "array", "items": _ERROR},
    },
}
_ITEM = {
    "type": "object",
    "required": ["status"],
    "properties": {"id": {"type": "string"}, "status": {"type": "integer"}},
}
SCHEMES: dict[str, Any] = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key of the hub: live, test or sandbox."},
    "keyHeader": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same key, in this header.",
    },
    "token": {
        "type": "oauth2",
        "description": "A JWT of an issuer that the hub knows, by client credentials.",
        "flows": {
            "clientCredentials": {
                "tokenUrl": "https://issuer.example/token",
                "scopes": {
                    "events:write": "send events",
                    "receipts:read": "read receipts and refusals",
                    "refusals:redrive": "have refused events judged again",
                },
            }
        },
    },
    "certificate": {"type": "mutualTLS", "description": "A client certificate that the hub knows."},
    "webhook": {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": "Standard Webhooks: v1 and the HMAC-SHA256 of id, timestamp and body, with webhook-id and "
        "webhook-timestamp beside it.",
    },
}


def _by(scope: str) -> list[dict[str, list[str]]]:
    """Any of the ways, with the scope that it must have."""
    return [{"key": []}, {"keyHeader": []}, {"token": [scope] if scope else []}, {"certificate": []}]


_MODE = {
    "Hub-Mode": {
        "description": "What you signed in with: test and sandbox reach no caseworker",
        "schema": {"type": "string", "enum": ["live", "test", "sandbox"]},
    }
}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "headers": _MODE, "content": {"application/json": {"schema": schema}}}


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/problem+json": {"schema": _PROBLEM}}}


UNAUTHORISED = "A valid key, token, certificate or signature is needed"
FORBIDDEN = "What you signed in with does not allow this"
_TURNED_AWAY: dict[int | str, dict[str, Any]] = {
    400: _problem("The body cannot be read"),
    401: _problem(UNAUTHORISED),
    403: _problem(FORBIDDEN),
    413: _problem("Too large, or too many events"),
    415: _problem("Not JSON"),
    422: _problem("Refused, with every fault; never the value"),
    429: _problem("Too fast: see Retry-After, and limit for what was reached"),
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
    "openapi_extra": {"requestBody": _BODY, "security": _by("events:write")},
}
VALIDATE: dict[str, Any] = {
    "response_model": None,
    "summary": "Ask what the gate would say; nothing is kept",
    "responses": {200: _json("The verdict on each event", {"type": "object"}), **_TURNED_AWAY},
    "openapi_extra": {"requestBody": _BODY, "security": _by("events:write")},
}
RECEIPT: dict[str, Any] = {
    "response_model": None,
    "summary": "What became of one of your messages; never whether anybody is known",
    "responses": {
        200: _json("received, accepted or refused", {"type": "object"}),
        401: _problem(UNAUTHORISED),
        403: _problem(FORBIDDEN),
        404: _problem("No message of yours has this id"),
        422: _problem("The id is not one"),
        503: _problem("Not now: see Retry-After"),
    },
    "openapi_extra": {"security": _by("receipts:read")},
}
REFUSALS: dict[str, Any] = {
    "response_model": None,
    "summary": "Your last refusals, newest first: reasons, never content",
    "responses": {
        200: _json("Each with its faults, and whether anything better came since", {"type": "object"}),
        401: _problem(UNAUTHORISED),
        403: _problem(FORBIDDEN),
        422: _problem("The limit is not a number from 1 to 200"),
        503: _problem("Not now: see Retry-After"),
    },
    "openapi_extra": {
        "security": _by("receipts:read"),
        "parameters": [
            {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 200}},
        ],
    },
}
_NAMES = {"type": "array", "items": {"type": "string"}}
_REDRIVE: dict[str, Any] = {
    "type": "object",
    "title": "Redrive",
    "description": "Which of your refusals: by message id, or all that wait of a reason and a type.",
    "required": ["dry_run"],
    "additionalProperties": False,
    "properties": {
        "dry_run": {"type": "boolean", "description": "true: only what the gate would say now"},
        "ids": {"type": "array", "maxItems": 100, "items": {"type": "string", "pattern": ID_PATTERN}},
        "party": {"type": "string", "description": "yours; the hub's steward names anybody's"},
        "reason": {"type": "string", "examples": ["not_in_agreement"]},
        "type": {"type": "string", "examples": ["education.enrolment.withdrawn"]},
        "by": {**_NAMES, "maxItems": 2, "description": "who wants it; the hub's steward's to say"},
    },
}
_REDRIVEN = {
    "type": "object",
    "required": ["waiting", "judged", "outcomes", "items", "alone_max", "dry_run"],
    "properties": {
        "waiting": {"type": "integer", "description": "how many of those wait"},
        "judged": {"type": "integer", "description": "how many were looked at, the oldest first"},
        "redriven": {"type": "integer", "description": "sent: those that would now be accepted"},
        "outcomes": {"type": "array", "items": {"type": "object"}, "description": "counts by type, verdict and codes"},
        "items": {"type": "array", "items": {"type": "object"}, "description": "the first 100, one by one"},
    },
}
REDRIVES: dict[str, Any] = {
    "response_model": None,
    "summary": "Bring what was refused before the gate again, or ask what would come of it",
    "responses": {
        200: _json("What the gate would say now; nothing was sent", _REDRIVEN),
        202: _json("On the log: what would now be accepted; the rest still waits", _REDRIVEN),
        404: _problem("Nothing is redriven at this door"),
        **_TURNED_AWAY,
    },
    "openapi_extra": {
        "requestBody": {"required": True, "content": {"application/json": {"schema": _REDRIVE}}},
        "security": _by("refusals:redrive"),
    },
}
TERMS: dict[str, Any] = {
    "response_model": None,
    "summary": "Which agreement of yours is in force for each event type, and what it lets you send",
    "responses": {
        200: _json("Event types with fields, ages and the shrinkage at which a snapshot is held", {"type": "object"}),
        401: _problem(UNAUTHORISED),
        403: _problem(FORBIDDEN),
        503: _problem("Not now: see Retry-After"),
    },
    "openapi_extra": {"security": _by("receipts:read")},
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
        "security": _by("events:write"),
    },
}
ME: dict[str, Any] = {
    "response_model": None,
    "summary": "Who you are to the hub: party, live or test, what you may do, and your limits",
    "responses": {
        200: _json("You", {"type": "object", "required": ["party", "principal", "mode", "scopes", "limits"]}),
        401: _problem(UNAUTHORISED),
        503: _problem("Not now: see Retry-After"),
    },
    "openapi_extra": {"security": _by("")},
}
_WEBHOOK_HEADERS = [
    {"name": "webhook-id", "in": "header", "required": True, "schema": {"type": "string", "pattern": "^[!-~]{1,256}$"}},
    {
        "name": "webhook-timestamp",
        "in": "header",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
]
WEBHOOKS: dict[str, Any] = {
    "response_model": None,
    "summary": "Send an event or a list as a signed webhook (Standard Webhooks)",
    "responses": {
        202: _json("On the log; see the receipt", _ITEM),
        207: _json("A list of which some were refused: each has its own status", {"type": "object"}),
        409: _problem("This webhook was taken before, or an event id was used with other content"),
        **_TURNED_AWAY,
    },
    "status_code": 202,
    "openapi_extra": {"requestBody": _BODY, "security": [{"webhook": []}], "parameters": _WEBHOOK_HEADERS},
}


def described(app: FastAPI, token_url: Callable[[], str]) -> Callable[[], dict[str, Any]]:
    """The description of ``app`` with the ways to sign in. ``token_url``: where tokens are had, empty if not said."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        schemes = copy.deepcopy(SCHEMES)
        flow = schemes["token"]["flows"]["clientCredentials"]
        flow["tokenUrl"] = token_url() or flow["tokenUrl"]
        return {**document, "components": {**document.get("components", {}), "securitySchemes": schemes}}

    return openapi
