"""The topics as contracts/topics.yaml names them: shape, retention, who writes and who reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from spine.kafka import topics_of

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's shape, who may write and read it, and the service whose one door it is.

    ``party``: whose own topic it is, empty for the hub's; that party is its only writer.
    """

    name: str
    partitions: int
    retention_days: int
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    input_of: str = ""
    party: str = ""

    @property
    def config(self) -> dict[str, str]:
        """The settings on the broker that the contract decides."""
        retention = str(self.retention_days * DAY_MS)
        return {"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime", "retention.ms": retention}


def parties_of(contracts: Path) -> list[str]:
    return sorted(YAML(typ="safe").load(contracts / "catalogue.yaml")["parties"])


def read_topics(contracts: Path) -> list[Topic]:
    """All topics: the hub's own, then one partner topic for each party of the catalogue."""
    return topics_in(contracts / "topics.yaml", parties_of(contracts))


def topics_in(topics_yaml: Path, parties: Sequence[str]) -> list[Topic]:
    """All topics of one file, with a partner topic for each of ``parties`` if it has them."""
    own, every = topics_of(topics_yaml), topics_of(topics_yaml, parties)
    partners = [name for name in every if name not in own]
    whose = zip(partners, parties if partners else (), strict=True)
    return [_topic(name, entry) for name, entry in own.items()] + [_topic(n, every[n], party) for n, party in whose]


def _topic(name: str, entry: Mapping[str, Any], party: str = "") -> Topic:
    return Topic(
        name,
        int(entry["partitions"]),
        int(entry["retention_days"]),
        (party,) if party else tuple(entry.get("writers", ())),
        tuple(entry.get("readers", ())),
        str(entry.get("input_of", "")),
        party,
    )
