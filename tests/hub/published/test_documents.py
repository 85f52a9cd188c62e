"""What the hub publishes is true: it validates against the public schemas, and every example is accepted."""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from hub.__main__ import app
from hub.client.schema import EventSchemas
from hub.published import asyncapi, documents, examples, guide, odcs
from hub.published.sources import Published, covered, read_published
from hub.sharing import compile_policy
from services.ingest.gate import Gate, Said
from services.ingest.parse import from_event
from services.ingest.policy import parse_policy

ROOT = Path(__file__).resolve().parents[3]
SCHEMAS = Path(__file__).with_name("schemas")
AT = datetime(2025, 11, 24, 8, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def published() -> Published:
    return read_published(ROOT / "contracts", ROOT / "schemas" / "avro")


@pytest.fixture(scope="module")
def made(published: Published) -> dict[str, str]:
    return documents.documents(published, AT.date())


@pytest.fixture(scope="module")
def gate(published: Published) -> Gate:
    compiled = compile_policy(ROOT / "contracts")
    return Gate(parse_policy(compiled.content, compiled.policy_hash), published.types)


@functools.cache
def checker(schema: str) -> Any:
    return jsonschema_rs.validator_for(json.loads((SCHEMAS / schema).read_text()))


def faults(document: Any, schema: str) -> list[str]:
    return [f"{list(error.instance_path)}: {error.message[:300]}" for error in checker(schema).iter_errors(document)]


def test_every_event_contract_is_odcs(published: Published) -> None:
    assert len(published.types) > 100
    for kind in published.types:
        assert faults(odcs.contract(published, kind), "odcs-3.2.0.json") == []


def test_the_partner_topics_are_asyncapi_and_every_reference_leads_somewhere(published: Published) -> None:
    document = asyncapi.document(published, AT.date())
    assert faults(document, "asyncapi-3.1.0.json") == []

    def references(node: Any) -> Iterator[str]:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node if isinstance(node, list) else []):
            if key == "$ref":
                yield value
            yield from references(value)

    for reference in references(document):
        if reference.startswith("#/"):
            found: Any = document
            for part in reference[2:].split("/"):
                found = found[part]
        else:
            assert (ROOT / "docs" / "generated" / reference).resolve().is_file(), reference
    grants = {(g["provider"], g["type"]) for g in published.policy["grants"]}
    said = {(party, kind) for party, channel in document["channels"].items() for kind in channel["messages"]}
    assert said == grants


def test_a_broken_document_would_be_found(published: Published) -> None:
    document = asyncapi.document(published, AT.date())
    document["operations"]["receive-northvale-college"]["action"] = "listen"
    assert faults(document, "asyncapi-3.1.0.json")
    contract = odcs.contract(published, "employment.started")
    contract["schema"][0]["properties"][0]["logicalType"] = "day"
    assert faults(contract, "odcs-3.2.0.json")


def test_what_is_written_is_no_longer_stale_and_nothing_else_stays(made: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "old.md").write_text("an agreement that ended")
    assert len(documents.stale(made, tmp_path)) == len(made) + 1
    documents.write(made, tmp_path)
    assert documents.stale(made, tmp_path) == []
    assert documents.CLIENT_SCHEMA.read_text() == made["events.schema.json"]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.md").write_text("x")
    assert CliRunner().invoke(app, ["contracts", "documents", "--out", str(tmp_path)]).exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.md"]


def test_partners_are_not_told_to_send_what_no_agreement_in_force_lets_pass(published: Published) -> None:
    assert asyncapi.document(published, date(2031, 1, 1))["channels"] == {}
    suspended = copy.deepcopy(dict(published.policy))
    suspended["agreements"]["isa-2024-011@1.0.0"]["status"] = "suspended"
    shown = asyncapi.document(replace(published, policy=suspended), AT.date())["channels"]
    assert "northvale-college" not in shown and "southmere-college" in shown


def test_the_same_contracts_give_the_same_bytes(made: dict[str, str]) -> None:
    again = documents.documents(read_published(ROOT / "contracts", ROOT / "schemas" / "avro"), AT.date())
    assert again == made


def test_the_yaml_says_what_the_document_says(published: Published, made: dict[str, str]) -> None:
    yaml = YAML(typ="safe")
    assert yaml.load(made["asyncapi.yaml"]) == asyncapi.document(published, AT.date())
    kind = "education.enrolment.withdrawn"
    assert yaml.load(made[f"odcs/{kind}.odcs.yaml"]) == odcs.contract(published, kind)


def test_a_field_says_which_agreements_let_it_be_sent(published: Published) -> None:
    (record,) = odcs.contract(published, "education.enrolment.withdrawn")["schema"]
    fields = {field["name"]: field for field in record["properties"]}
    subject = {field["name"]: field for field in fields["subject"]["properties"]}
    by = {c["property"]: c["value"] for c in subject["uln"]["customProperties"]}
    assert "isa-2024-011@1.0.0" in by["agreements"]
    assert {c["property"]: c["value"] for c in subject["nhs_number"]["customProperties"]}["agreements"] == []


def test_every_example_of_every_guide_is_accepted_by_the_gate_and_by_the_client(
    made: dict[str, str], gate: Gate
) -> None:
    schemas, seen = EventSchemas.of_file(), 0
    for name, text in made.items():
        if name.startswith("partners/"):
            for block in re.findall(r"```json\n(.*?)\n```", text, re.S):
                event = json.loads(block)
                verdict = gate.examine(event["source"], AT, from_event(event))
                assert isinstance(verdict, Said), (name, event["type"], getattr(verdict, "faults", ""))
                assert verdict.dropped == () and schemas.faults(event) == ()
                seen += 1
    assert seen == sum(len(text.split("```json")) - 1 for text in made.values()) > 150


def test_a_guide_names_every_field_that_may_be_sent_and_none_that_may_not(published: Published) -> None:
    for name in published.policy["agreements"]:
        text = guide.guide(published, name)
        for grant in published.grants_of(name):
            section = text.partition(f"### {grant['type']}\n")[2].partition("\n### ")[0]
            rows = set(re.findall(r"^\| `(data\.[a-z_0-9]+)`", section, re.M))
            assert rows == {path for path in covered(grant) if path.startswith("data.")}


def test_invented_people_are_of_an_age_that_the_agreement_covers(published: Published) -> None:
    for grant in published.policy["grants"]:
        for who in islice(examples.people_for(grant, guide.DAY), 3):
            assert grant["min_age"] <= who.age_on(guide.DAY) <= grant["max_age"]


def test_the_command_writes_and_checks(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    run = CliRunner().invoke
    assert run(app, ["contracts", "documents", "--out", str(folder), "--check"]).exit_code == 1
    wrote = run(app, ["contracts", "documents", "--out", str(folder), "--json"])
    assert wrote.exit_code == 0 and json.loads(wrote.output)["written"]
    (folder / "asyncapi.yaml").write_text("edited")
    (folder / "stranger.md").write_text("x")
    checked = run(app, ["contracts", "documents", "--out", str(folder), "--check", "--json"])
    assert checked.exit_code == 1 and json.loads(checked.output)["changed"] == ["asyncapi.yaml", "stranger.md"]
    assert run(app, ["contracts", "documents", "--out", str(folder)]).exit_code == 0
    assert not (folder / "stranger.md").exists()
