"""Topics as contracts/topics.yaml says, and nothing else. Creating is repeatable; a difference is an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

DAY_MS = 86_400_000


class TopicsDiffer(Exception):
    """A topic stands on the broker in another shape than the contract's."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's shape, who may write and read it, and the service whose one door it is."""

    name: str
    partitions: int
    retention_days: int
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    input_of: str = ""


def read_topics(contracts: Path) -> list[Topic]:
    """All topics: the hub's own, then one partner topic for each party of the catalogue."""
    yaml = YAML(typ="safe")
    read = yaml.load(contracts / "topics.yaml")
    own = [_topic(name, entry) for name, entry in read["topics"].items()]
    partner = read["partner_topics"]
    parties = sorted(yaml.load(contracts / "catalogue.yaml")["parties"])
    names = [(party, partner["pattern"].replace("{party}", party)) for party in parties]
    return own + [_topic(name, {**partner, "writers": [party]}) for party, name in names]


def _topic(name: str, entry: Mapping[str, Any]) -> Topic:
    return Topic(
        name,
        int(entry["partitions"]),
        int(entry["retention_days"]),
        tuple(entry.get("writers", ())),
        tuple(entry.get("readers", ())),
        str(entry.get("input_of", "")),
    )


def ensure_topics(bootstrap: str, topics: list[Topic], *, replicas: int = 1) -> list[str]:
    """Create what is missing; returns the names created. Raises TopicsDiffer."""
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    held = {name: len(found.partitions) for name, found in admin.list_topics(timeout=20).topics.items()}
    wrong = [f"{t.name} has {held[t.name]}" for t in topics if t.name in held and held[t.name] != t.partitions]
    if wrong:
        raise TopicsDiffer(f"partitions differ from the contract: {', '.join(wrong)}")
    new = [t for t in topics if t.name not in held]
    if new:
        asked = admin.create_topics([NewTopic(t.name, t.partitions, replicas, config=_config(t)) for t in new])
        for future in asked.values():
            future.result(60)
    return [t.name for t in new]


def _config(topic: Topic) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(topic.retention_days * DAY_MS),
        "compression.type": "producer",
    }


def counts(bootstrap: str, names: list[str]) -> dict[str, dict[int, tuple[int, int]]]:
    """First and next offset of each partition of the topics that exist."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "hub-counts", "log_level": 2})
    try:
        held = consumer.list_topics(timeout=20).topics
        return {
            name: {
                n: consumer.get_watermark_offsets(TopicPartition(name, n), timeout=20) for n in held[name].partitions
            }
            for name in names
            if name in held
        }
    finally:
        consumer.close()
