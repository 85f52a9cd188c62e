"""Facts as matching tells them, for tests: events in the shape of the stories become attributions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from services.status.agent import policy_of
from services.status.decide import decide
from services.status.reading import read
from services.status.state import State, empty
from spine.record import Effect, Fact
from spine.schema import Catalogue

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = Catalogue([ROOT / "schemas" / "avro"])
POLICY = policy_of(ROOT / "contracts")
KINDS = {
    party: body["kind"]
    for party, body in YAML(typ="safe").load(ROOT / "contracts" / "catalogue.yaml")["parties"].items()
}
PERSON = "person-1"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(str(text).replace("Z", "+00:00"))


def observation(event: Mapping[str, Any]) -> dict[str, Any]:
    """The observation that the gate makes of a story's event."""
    label = str(event["id"])
    message = str(event.get("message_id") or label)
    kind = f"{event['type']}.data.v1"
    subject = dict(event.get("subject") or {})
    if subject.get("date_of_birth"):
        subject["date_of_birth"] = date.fromisoformat(str(subject["date_of_birth"]))
    return {
        "event_id": hashlib.sha256(f"{event['source']}/{message}".encode()).hexdigest()[:32],
        "source": event["source"],
        "source_kind": KINDS[event["source"]],
        "message_id": message,
        "type": event["type"],
        "effective_on": date.fromisoformat(str(event["effective_on"])),
        "received_at": moment(event["received_at"]),
        "sequence": event.get("sequence"),
        "withheld": [],
        "dropped": [],
        "agreement": "test@1",
        "policy": "test",
        "authority": "northshire",
        "test": False,
        "subject": CATALOGUE.encode("subject.v1", subject),
        "data": CATALOGUE.encode(kind, _dated(kind, event.get("data") or {})),
        "sealed_under": None,
    }


def _dated(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Dates of a story are text; which fields are dates, the schema says."""
    parsed = CATALOGUE._parsed[kind]
    out = dict(data)
    for field in parsed["fields"]:
        value = out.get(field["name"])
        if isinstance(value, str) and "'date'" in str(field["type"]):
            out[field["name"]] = date.fromisoformat(value)
    return out


def attribution(
    act: str,
    known_at: str | datetime,
    event: Mapping[str, Any] | None = None,
    *,
    person: str = PERSON,
    number: str = "",
    **more: Any,
) -> Fact:
    raw = None if event is None or act == "withdrawn" else observation(event)
    observation_id = None if event is None else observation(event)["event_id"]
    fields = {
        "person_id": person,
        "act": act,
        "known_at": known_at if isinstance(known_at, datetime) else moment(known_at),
        "other_person": None,
        "review_id": None,
        "safeguarding": False,
        "how": "exact",
        "weight_millibits": None,
        "observation_id": observation_id,
        "observation": raw,
        **more,
    }
    event_id = hashlib.sha256(f"{act}/{observation_id}/{known_at}/{number}".encode()).hexdigest()[:32]
    body = CATALOGUE.encode("attribution.v1", {**fields, "event_id": event_id})
    return Fact("attribution.v1", event_id, CATALOGUE.decode("attribution.v1", body))


def tick(on: str | date) -> Fact:
    return Fact("tick.v1", f"tick-{on}", {"event_id": f"tick-{on}", "on": date.fromisoformat(str(on))})


def linked(events: Iterable[Mapping[str, Any]]) -> list[Fact]:
    """Each event given to the person when it was received; ``known_at`` in an event says otherwise (held, released)."""
    facts = []
    for event in events:
        known_at = event.get("known_at")
        act = "linked" if known_at is None else "released"
        facts.append(attribution(act, known_at or event["received_at"], event))
    return facts


def run(facts: Iterable[Fact], state: State | None = None) -> tuple[State, list[Effect]]:
    """Decide the facts in order; every effect must fit its schema."""
    state, effects = state or empty(PERSON), []
    for fact in facts:
        state, told = decide(state, read(fact, CATALOGUE), POLICY)
        for effect in told:
            CATALOGUE.encode(effect.kind, {**effect.fields, "event_id": "e"})
        effects += told
    return state, effects
