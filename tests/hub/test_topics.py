"""Topics stand in the contract, and what is on them can be counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.__main__ import app
from hub.topics import counts, create_topics, read_topics

CONTRACTS = Path(__file__).parents[2] / "contracts"


def test_every_party_has_a_topic_that_only_it_writes() -> None:
    topics = {topic.name: topic for topic in read_topics(CONTRACTS)}
    assert topics["partner.northvale-college"].writers == ("northvale-college",)
    assert topics["submissions"].input_of == "ingest"


@pytest.mark.kafka
def test_topics_of_the_contract_are_created_and_counted(kafka_bootstrap: str) -> None:
    create_topics(kafka_bootstrap, CONTRACTS)
    held = counts(kafka_bootstrap, ["refusals", "none-of-ours"])
    assert held.keys() == {"refusals"}
    assert held["refusals"].keys() == {0, 1}


def test_the_command_lists_the_contract() -> None:
    result = CliRunner().invoke(app, ["topics", "--json"])
    assert result.exit_code == 0
    assert {"submissions", "alerts"} <= {topic["name"] for topic in json.loads(result.output)}
