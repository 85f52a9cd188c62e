"""The partner schemas are the event catalogue, in Avro."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from hub.event_schemas import partner_schemas
from spine.schema import Catalogue

ROOT = Path(__file__).resolve().parents[2]
PARTNER = ROOT / "schemas" / "avro" / "partner"
CATALOGUE = YAML(typ="safe").load(ROOT / "contracts" / "catalogue.yaml")
AVRO = Catalogue([ROOT / "schemas" / "avro"])
TYPES = sorted(CATALOGUE["types"])


def values_for(schema: Any) -> st.SearchStrategy[Any]:
    """Values that fit an Avro schema of the kinds that the generator writes."""
    if isinstance(schema, list):
        return st.none() | values_for(schema[1])
    if isinstance(schema, str):
        return {
            "string": st.text(max_size=20),
            "long": st.integers(-(2**62), 2**62),
            "double": st.floats(allow_nan=False),
            "boolean": st.booleans(),
        }[schema]
    if schema.get("logicalType") == "date":
        return st.dates(date(1900, 1, 1), date(2100, 1, 1))
    if schema.get("logicalType") == "timestamp-millis":
        moments = st.datetimes(timezones=st.just(UTC)).filter(lambda m: 1990 < m.year < 2090)
        return moments.map(lambda m: m.replace(microsecond=m.microsecond // 1000 * 1000))
    kind = schema["type"]
    if kind == "enum":
        return st.sampled_from(schema["symbols"])
    if kind == "array":
        return st.lists(values_for(schema["items"]), max_size=3)
    if kind == "map":
        return st.dictionaries(st.text(max_size=10), values_for(schema["values"]), max_size=3)
    assert kind == "record"
    return st.fixed_dictionaries({f["name"]: values_for(f["type"]) for f in schema["fields"]})


def test_the_committed_schemas_are_what_the_catalogue_says() -> None:
    committed = {path.name: path.read_text() for path in PARTNER.glob("*.avsc")}
    assert committed == partner_schemas(CATALOGUE), "run: hub contracts schemas"


def test_a_released_schema_is_never_edited() -> None:
    released = json.loads((PARTNER.parent / "released.json").read_text())
    now = {f"partner/{p.name}": hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(PARTNER.glob("*.avsc"))}
    assert now == {name: digest for name, digest in released.items() if name.startswith("partner/")}


@pytest.mark.parametrize("name", TYPES)
def test_every_event_type_has_a_schema_whose_parts_can_be_read_alone(name: str) -> None:
    assert AVRO.has(f"{name}.v1") and AVRO.has(f"{name}.data.v1")
    fields = {f["name"]: f for f in AVRO.sources[f"{name}.v1"]["fields"]}
    assert list(fields) == ["effective_on", "observed_at", "sequence", "withheld", "subject", "data"]
    data = {f["name"]: f for f in fields["data"]["type"]["fields"]}
    assert set(data) == set(CATALOGUE["types"][name]["data"])
    for key, field in data.items():
        wanted = CATALOGUE["types"][name]["data"][key]
        assert field["doc"] and field["classification"] == wanted["class"]
        assert ("default" not in field) == wanted["required"]


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(data=st.data(), name=st.sampled_from(TYPES))
def test_an_event_survives_the_wire_whole_and_in_parts(data: st.DataObject, name: str) -> None:
    schema = AVRO.sources[f"{name}.v1"]
    event = data.draw(values_for(schema))
    assert AVRO.decode(f"{name}.v1", AVRO.encode(f"{name}.v1", event)) == event
    for part in ("subject", "data"):
        kind = "subject.v1" if part == "subject" else f"{name}.data.v1"
        assert AVRO.decode(kind, AVRO.encode(kind, event[part])) == event[part]
