"""How a worker wants to be told of what is not urgent: what may be chosen, and how a form becomes the choice.

Delivery decides by the same file (``choices`` and ``channels`` of contracts/policy/delivery.yaml): what it would not
take is refused here first, in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from ruamel.yaml import YAML
from sqlalchemy.dialects.postgresql import insert

from services.console.acting import Wrong
from services.console.tables import TELLING

KIND, TOPIC, DIGEST = "telling.v1", "deliveries", "digest"


@dataclass(frozen=True, slots=True)
class Choices:
    """Ways by severity, in the order of the file, times of a digest, and channels. Empty: nothing is left to choose.

    ``reached``: the channels by which this worker can be told, because an address of theirs is set.
    """

    ways: Mapping[str, Sequence[str]] = field(default_factory=dict)
    digests: Sequence[str] = ()
    channels: Sequence[str] = ()
    reached: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Chosen:
    """``how``: way by severity; a severity that is not there is told as the council set it. ``channel``: empty, too."""

    how: Mapping[str, str]
    digest: str = ""
    channel: str = ""

    def fields(self, worker: str, at: datetime) -> dict[str, Any]:
        how = [{"severity": severity, "how": way} for severity, way in sorted(self.how.items())]
        return {"worker": worker, "how": how, "digest": self.digest, "channel": self.channel, "at": at}


def load(contracts: Path, worker: str = "") -> Choices:
    """What is left to workers, and by which channels ``worker`` can be told."""
    yaml = YAML(typ="safe", pure=False)
    read = yaml.load(contracts / "policy" / "delivery.yaml")
    ways = {str(severity): tuple(map(str, ways)) for severity, ways in (read.get("choices") or {}).items()}
    mail = (yaml.load(contracts / "teams.yaml")["workers"].get(worker) or {}).get("email", "")
    channels = {str(channel): tuple(map(str, meant)) for channel, meant in (read.get("channels") or {}).items()}
    reached = _reached(read.get("told_by") or {}, channels, f"worker:{worker}", str(mail))
    return Choices(ways, tuple(map(str, read.get("digests") or ())), tuple(channels), reached)


def _reached(
    told_by: Mapping[str, Any], channels: Mapping[str, Sequence[str]], recipient: str, mail: str
) -> frozenset[str]:
    steps = [
        step
        for when in ("routine", "urgent")
        for step in (told_by.get(recipient) or {}).get(when) or (told_by.get("default") or {}).get(when) or ()
    ]
    return frozenset(
        channel
        for channel, ways in channels.items()
        if any(step["by"] in ways and step.get("to") for step in steps) or (mail and "smtp" in ways)
    )


def choose(given: Mapping[str, str], digest: str, choices: Choices, channel: str = "") -> Chosen | Wrong:
    """``given``: way by severity, empty where nothing is chosen."""
    how = {severity: way for severity, way in given.items() if way}
    for severity, way in how.items():
        if way not in choices.ways.get(severity, ()):
            return Wrong(severity, "Select one of the ways that are offered")
    if channel and channel not in choices.channels:
        return Wrong("channel", "Select one of the channels that are offered")
    if channel and channel not in choices.reached:
        return Wrong("channel", "The hub holds no address of yours for this channel. Select another one")
    if DIGEST not in how.values():
        return Chosen(how, "", channel)
    if digest not in choices.digests:
        return Wrong("digest", "Select when the digest is to come")
    return Chosen(how, digest, channel)


def partitions(contracts: Path) -> int:
    """Of the topic that the choice goes to: every one of them must hear it."""
    topics = YAML(typ="safe", pure=False).load(contracts / "topics.yaml")["topics"]
    return int(topics[TOPIC]["partitions"])


def of(engine: sa.Engine, worker: str) -> Chosen:
    with engine.connect() as connection:
        row = connection.execute(sa.select(TELLING).where(TELLING.c.worker == worker)).mappings().first()
    return Chosen({}) if row is None else Chosen(row["how"], row["digest"], row["channel"])


def write(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """The later word counts, whether it comes from the page or back from the log."""
    if not rows:
        return
    new = insert(TELLING)
    changed = {name: new.excluded[name] for name in ("how", "digest", "channel", "at")}
    later = TELLING.c.at <= new.excluded["at"]
    connection.execute(new.on_conflict_do_update(index_elements=["worker"], set_=changed, where=later), list(rows))
