"""A secure broker: TLS, SCRAM and certificates, an authorizer, and the contract brought to it by the command."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from hub.__main__ import app
from hub.machine import kafka
from spine.kafka import Broker

ROOT = Path(__file__).parents[3]
TODAY = datetime(2026, 1, 15, 12, tzinfo=UTC)
QUIET = {"log_level": 0, "error_cb": lambda error: None}
ANSWER_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Secure:
    """The broker, and every user of it."""

    folder: Path
    passwords: Path

    def administrator(self) -> Broker:
        return kafka.admin(self.folder)

    def user(self, name: str) -> Broker:
        """As this user, with the password that the command wrote for it."""
        password = (self.passwords / f"{name}.password").read_text().strip()
        return replace(self.administrator(), user=name, password=password)

    def admin(self, broker: Broker | None = None) -> Any:
        return (broker or self.administrator()).connect(AdminClient, QUIET)

    def topics(self, *words: str, broker: Broker | None = None, **environment: str) -> tuple[int, Any]:
        """``hub topics WORDS --json`` as the administrator, or another."""
        at = broker or self.administrator()
        settings = {"HUB_KAFKA_PROTOCOL": at.protocol, "HUB_KAFKA_USER": at.user, "HUB_KAFKA_PASSWORD": at.password}
        files = {"HUB_KAFKA_CA_FILE": at.ca_file, "HUB_KAFKA_PASSWORDS": str(self.passwords)}
        run = {"HUB_KAFKA": at.address, **settings, **files, "HUB_HOME": str(self.folder), **environment}
        with pytest.MonkeyPatch.context() as patch:
            # The agreements of the repository are in force on this day.
            patch.setattr("hub.topics.command.now", lambda: TODAY)
            result = CliRunner().invoke(app, ["topics", *words, "--json"], env=run)
        assert at.password not in result.output
        return result.exit_code, json.loads(result.output)


@pytest.fixture(scope="session")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    os.environ.setdefault("HUB_CACHE", str(ROOT / ".hub" / "cache"))
    reason = kafka.missing()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("secure")
    server = kafka.start(folder / "kafka", heap="384m", guard=os.getpid(), secure=True)
    held = Secure(folder / "kafka", folder / "users")
    try:
        code, answer = held.topics("apply")
        assert code == 0, answer
        yield held
    finally:
        kafka.stop(server)


def write(producer: Any, topic: str, value: bytes = b"x") -> str:
    """Name of the broker's error; empty if the record stands, in the partition that ``reading`` reads."""
    told: list[str] = []
    producer.produce(topic, value, partition=0, on_delivery=lambda error, _: told.append(error.name() if error else ""))
    producer.flush(ANSWER_SECONDS)
    return told[0] if told else "no answer"


def writing(broker: Broker, topic: str, **more: Any) -> str:
    """``write`` with a producer of its own."""
    return write(broker.connect(Producer, QUIET, {"enable.idempotence": True, **more}), topic)


def reading(broker: Broker, topic: str, group: str) -> str:
    """Error of reading the topic's beginning; empty if a record came."""
    consumer = broker.connect(Consumer, QUIET, {"group.id": group, "enable.auto.commit": False})
    try:
        if seen := consumer.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic].error:
            return str(seen.name())
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(ANSWER_SECONDS)
        if message is None:
            return "no answer"
        return message.error().name() if message.error() else ""
    except KafkaException as error:
        return str(error.args[0].name())
    finally:
        consumer.close()
