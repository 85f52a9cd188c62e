"""Topics are created from the contract, once, and never bent to fit."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from hub.topics import TopicsDiffer, counts, ensure_topics, read_topics

CONTRACTS = Path(__file__).parents[2] / "contracts"


def test_every_party_has_a_topic_that_only_it_writes() -> None:
    topics = {topic.name: topic for topic in read_topics(CONTRACTS)}
    assert topics["partner.northvale-college"].writers == ("northvale-college",)
    assert topics["submissions"].input_of == "ingest"


@pytest.mark.kafka
def test_creating_topics_twice_changes_nothing_and_another_shape_is_refused(kafka_bootstrap: str) -> None:
    run = uuid.uuid4().hex[:8]
    topics = [replace(topic, name=f"{run}.{topic.name}") for topic in read_topics(CONTRACTS)[:3]]
    assert ensure_topics(kafka_bootstrap, topics) == [topic.name for topic in topics]
    assert ensure_topics(kafka_bootstrap, topics) == []
    held = counts(kafka_bootstrap, [topics[0].name, f"{run}.none"])
    assert held == {topics[0].name: dict.fromkeys(range(topics[0].partitions), (0, 0))}
    with pytest.raises(TopicsDiffer, match=topics[0].name):
        ensure_topics(kafka_bootstrap, [replace(topics[0], partitions=9)])
