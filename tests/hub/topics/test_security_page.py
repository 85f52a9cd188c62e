"""docs/kafka-security.md says what the contracts give."""

from __future__ import annotations

import re
from pathlib import Path

from hub.topics.contract import read_topics
from hub.topics.rights import services_of
from spine.kafka import PROTOCOLS
from spine.settings import Settings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "kafka-security.md").read_text()
TOPICS = read_topics(ROOT / "contracts")


def row(service: str) -> str:
    writes = ", ".join(topic.name for topic in TOPICS if service in topic.writers and not topic.party)
    reads = [topic.name for topic in TOPICS if service in topic.readers and not topic.party]
    if any(service in topic.readers for topic in TOPICS if topic.party):
        reads.append("`partner.<party>`, each")
    return f"| `hub-{service}` | {writes or '–'} | {', '.join(reads) or '–'} |"


def test_the_table_of_rights_is_that_of_the_contract() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `hub-")]
    assert rows == [row(service) for service in services_of(TOPICS)]


def test_every_setting_of_the_client_is_named() -> None:
    named = set(re.findall(r"HUB_KAFKA(?:_[A-Z]+)*", PAGE))
    settings = {f"HUB_{name.upper()}" for name in Settings.model_fields if name.startswith("kafka")}
    assert settings <= named, settings - named
    assert all(f"`{protocol}`" in PAGE for protocol in PROTOCOLS)
