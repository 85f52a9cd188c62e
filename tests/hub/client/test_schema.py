"""The published schema and the door say the same of an event, as far as a schema can."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

from hub.client.schema import PUBLISHED, EventSchemas
from hub.sample.county import county
from hub.sharing import compile_policy
from hub.story import all_events, cloud_event, moment, read_story
from services.ingest.fields import type_specs
from services.ingest.gate import Gate, Said
from services.ingest.parse import from_event
from services.ingest.policy import parse_policy
from spine.schema import Catalogue

ROOT = Path(__file__).resolve().parents[3]
#: What only the door can say: agreements, ages, check digits, ranges that count from today.
DOOR_ONLY = {
    "no_agreement",
    "publisher_kind",
    "field_not_in_agreement",
    "age_outside_agreement",
    "check_digit",
    "date_range",
    "id_identifies",
    "wrong_principal",
    "time_form",
}


@pytest.fixture(scope="module")
def schemas() -> EventSchemas:
    return EventSchemas.of_file()


@pytest.fixture(scope="module")
def gate() -> Gate:
    compiled = compile_policy(ROOT / "contracts")
    types = type_specs(Catalogue([ROOT / "schemas" / "avro"]).sources)
    return Gate(parse_policy(compiled.content, compiled.policy_hash), types)


def stories() -> list[tuple[dict[str, Any], Any]]:
    out = []
    for path in sorted((ROOT / "tests" / "stories").glob("S*.yaml")):
        story = read_story(path)
        for event in all_events(story):
            out.append((json.loads(json.dumps(cloud_event(story, event), default=str)), moment(event["received_at"])))
    return out


def test_what_the_gate_accepts_passes_the_schema(schemas: EventSchemas, gate: Gate) -> None:
    messages = stories() + [(line.event, line.received_at) for line in county(people=20, days=40, seed=3)]
    accepted = 0
    for event, at in messages:
        said = gate.examine(str(event.get("source")), at, from_event(event))
        if isinstance(said, Said) and not any("(unknown)" in name for name in said.dropped):
            accepted += 1
            assert schemas.faults(event) == (), event["type"]
    assert accepted > 150


def test_what_the_schema_finds_the_gate_finds_at_the_same_place_with_the_same_code(
    schemas: EventSchemas, gate: Gate
) -> None:
    draw, compared = random.Random(11), 0
    sound = [(e, at) for e, at in stories() if isinstance(gate.examine(e["source"], at, from_event(e)), Said)]
    for event, at in sound:
        for _ in range(2):
            broken = damaged(event, draw)
            found = gate.examine(event["source"], at, from_event(broken))
            by_gate = set() if isinstance(found, Said) else {(f.pointer, f.code) for f in found.faults}
            by_gate = {(p, c) for p, c in by_gate if c not in DOOR_ONLY}
            # The gate calls a needed fact missing too where its value was wrong.
            wrong = {p for p, c in by_gate if c != "missing"}
            by_gate = {(p, c) for p, c in by_gate if c != "missing" or p not in wrong}
            by_schema = {(f.pointer, f.code) for f in schemas.faults(broken)}
            if isinstance(found, Said) or ("/data/data", "unknown_field") not in by_gate:
                # A minimising agreement drops what no schema knows; before sending it is always a fault.
                by_schema = {(p, c) for p, c in by_schema if c != "unknown_field"}
                by_gate = {(p, c) for p, c in by_gate if c != "unknown_field"}
            compared += bool(by_schema)
            assert by_schema == by_gate, broken["type"]
    assert compared > 100


def damaged(event: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """The event with one or two things wrong."""
    broken = copy.deepcopy(event)
    for _ in range(draw.randint(1, 2)):
        data = broken["data"]
        part = draw.choice([data, data.setdefault("data", {}), data.setdefault("subject", {})])
        name = draw.choice(sorted(set(part) - {"subject", "data", "observed_at"}) or ["no_such_field"])
        what = draw.randrange(5)
        if what == 0:
            part.pop(name, None)
        elif what == 1:
            part[name] = draw.choice(["x" * 300, {"x": 1}, -1.5])
        elif what == 2:
            part["no_such_field"] = "x"
        elif what == 3:
            part[name] = None
        else:
            broken["id"] = "not an id"
    return broken


def test_the_copy_that_the_client_carries_is_the_one_that_is_generated() -> None:
    from hub.published.event_json import event_schemas

    types = type_specs(Catalogue([ROOT / "schemas" / "avro"]).sources)
    assert json.loads(PUBLISHED.read_text()) == event_schemas(types)
