"""Topics stand in the contract, a broker is brought to it, and what is on them can be counted."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource
from typer.testing import CliRunner

from hub.__main__ import app
from hub.topics import counts, ensure_topics, read_topics
from spine.errors import Halt

CONTRACTS = Path(__file__).parents[3] / "contracts"
CONTRACT = """
topics:
  things:  {key: thing, partitions: 3, retention_days: 2, input_of: toy}
  effects: {key: thing, partitions: 1, retention_days: 5}
partner_topics: {pattern: "partner.{party}", partitions: 1, retention_days: 3}
"""


def test_every_party_has_a_topic_that_only_it_writes() -> None:
    topics = {topic.name: topic for topic in read_topics(CONTRACTS)}
    assert topics["partner.northvale-college"].writers == ("northvale-college",)
    assert topics["partner.northvale-college"].party == "northvale-college"
    assert topics["submissions"].input_of == "ingest" and topics["submissions"].party == ""


def test_the_command_lists_the_contract() -> None:
    result = CliRunner().invoke(app, ["topics", "--json"])
    assert result.exit_code == 0
    assert {"submissions", "alerts"} <= {topic["name"] for topic in json.loads(result.output)}


class Brought:
    """Topics of one test's contract, on the broker that all tests share."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.bootstrap, self.prefix = bootstrap, f"ensure-{uuid.uuid4().hex[:8]}-"
        self.file = folder / "topics.yaml"
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def to(self, contract: str) -> None:
        self.file.write_text(contract)
        ensure_topics(self.bootstrap, self.file, ["a1"], prefix=self.prefix)

    def partitions(self) -> dict[str, int]:
        there = self.admin.list_topics(timeout=10).topics.items()
        return {name.removeprefix(self.prefix): len(t.partitions) for name, t in there if name.startswith(self.prefix)}

    def config(self, topic: str) -> Any:
        resource = ConfigResource(ConfigResource.Type.TOPIC, self.prefix + topic)
        (future,) = self.admin.describe_configs([resource]).values()
        return future.result()

    def write(self, topic: str) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap})
        producer.produce(self.prefix + topic, b"x")
        assert producer.flush(20) == 0


@pytest.fixture
def brought(kafka_bootstrap: str, tmp_path: Path) -> Brought:
    return Brought(kafka_bootstrap, tmp_path)


@pytest.mark.kafka
def test_the_contract_makes_its_topics_and_no_others(brought: Brought) -> None:
    brought.to(CONTRACT)
    brought.to(CONTRACT)
    assert brought.partitions() == {"things": 3, "effects": 1, "partner.a1": 1}
    brought.to(CONTRACT.replace("retention_days: 5", "retention_days: 6"))
    assert brought.config("effects")["retention.ms"].value == str(6 * 86_400_000)


@pytest.mark.kafka
def test_an_empty_topic_grows_and_one_with_records_is_left_to_a_person(brought: Brought) -> None:
    brought.to(CONTRACT)
    brought.to(CONTRACT.replace("partitions: 3", "partitions: 4"))
    assert brought.partitions()["things"] == 4
    brought.write("things")
    with pytest.raises(Halt, match="keys would move"):
        brought.to(CONTRACT.replace("partitions: 3", "partitions: 5"))
    with pytest.raises(Halt, match="no topic is made smaller"):
        brought.to(CONTRACT)
    assert brought.partitions()["things"] == 4


@pytest.mark.kafka
def test_records_of_a_topic_are_not_dropped_by_a_shorter_retention(brought: Brought) -> None:
    brought.to(CONTRACT)
    brought.write("effects")
    with pytest.raises(Halt, match="5 days, the contract says 4"):
        brought.to(CONTRACT.replace("retention_days: 5", "retention_days: 4"))
    assert brought.config("effects")["retention.ms"].value == str(5 * 86_400_000)


@pytest.mark.kafka
def test_what_stands_on_a_topic_is_counted(brought: Brought) -> None:
    brought.to(CONTRACT)
    brought.write("effects")
    names = [f"{brought.prefix}effects", f"{brought.prefix}things", "none-of-ours"]
    held = counts(brought.bootstrap, names)
    assert held == {names[0]: {0: (0, 1)}, names[1]: {0: (0, 0), 1: (0, 0), 2: (0, 0)}}
