"""The topics of contracts/topics.yaml as this command sees them, and how much stands on each."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML

from hub.layout import Home, contracts_folder
from hub.output import AsJson, fail, show_json, show_table
from spine.errors import Retry, SpineError
from spine.kafka import ensure_topics, topics_of

COUNT_SECONDS_MAX = 20


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's shape, who may write and read it, and the service whose one door it is."""

    name: str
    partitions: int
    retention_days: int
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    input_of: str = ""


def parties_of(contracts: Path) -> list[str]:
    return sorted(YAML(typ="safe").load(contracts / "catalogue.yaml")["parties"])


def read_topics(contracts: Path) -> list[Topic]:
    """All topics: the hub's own, then one partner topic for each party of the catalogue."""
    parties = parties_of(contracts)
    held = topics_of(contracts / "topics.yaml", parties)
    own = set(topics_of(contracts / "topics.yaml"))
    partners = iter(parties)
    return [
        _topic(name, entry if name in own else {**entry, "writers": [next(partners)]}) for name, entry in held.items()
    ]


def _topic(name: str, entry: Mapping[str, Any]) -> Topic:
    return Topic(
        name,
        int(entry["partitions"]),
        int(entry["retention_days"]),
        tuple(entry.get("writers", ())),
        tuple(entry.get("readers", ())),
        str(entry.get("input_of", "")),
    )


def create_topics(bootstrap: str, contracts: Path) -> None:
    """Create what is missing. Raises Halt where a topic stands in another shape than the contract's."""
    ensure_topics(bootstrap, contracts / "topics.yaml", parties_of(contracts))


def counts(bootstrap: str, names: list[str]) -> dict[str, dict[int, tuple[int, int]]]:
    """First and next offset of each partition of the topics that exist. Waits for leaders; raises Retry."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    end = time.monotonic() + COUNT_SECONDS_MAX
    while True:
        try:
            return _counts(admin, names)
        except KafkaException as error:
            # A topic just made has no leader yet.
            if time.monotonic() > end:
                raise Retry(f"broker: {error.args[0].name()}") from error
            time.sleep(0.2)


def _counts(admin: Any, names: list[str]) -> dict[str, dict[int, tuple[int, int]]]:
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import OffsetSpec

    held = admin.list_topics(timeout=20).topics
    places = [TopicPartition(name, n) for name in names if name in held for n in held[name].partitions]
    if not places:
        return {}
    ends = [
        {(place.topic, place.partition): future.result().offset for place, future in asked.items()}
        for asked in (
            admin.list_offsets(dict.fromkeys(places, spec), request_timeout=20)
            for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
        )
    ]
    found: dict[str, dict[int, tuple[int, int]]] = {}
    for place in places:
        name, n = place.topic, place.partition
        found.setdefault(name, {})[n] = (ends[0][name, n], ends[1][name, n])
    return found


def topics(
    create: Annotated[bool, typer.Option(help="Create on the broker what is missing.")] = False,
    kafka: Annotated[str, typer.Option(envvar="HUB_KAFKA", help="Broker; this machine's hub without it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Every topic of the contract: key order, partitions, retention, who writes and reads it.

    Exit codes: 0 done; 1 a topic on the broker differs from the contract, or no broker answers; 2 wrong usage.
    """
    held = read_topics(contracts_folder())
    if create:
        from hub.up.record import read_run

        run = read_run(Home.of_environment().run)
        bootstrap = kafka or (run.addresses["kafka"] if run else "")
        if not bootstrap:
            fail("no broker: give --kafka or run `hub up`", as_json=as_json)
        try:
            create_topics(bootstrap, contracts_folder())
        except SpineError as error:
            fail(str(error), as_json=as_json)
    if as_json:
        show_json([{name: getattr(topic, name) for name in Topic.__slots__} for topic in held])
        return
    rows = [(t.name, t.partitions, t.retention_days, ", ".join(t.writers), ", ".join(t.readers)) for t in held]
    show_table("Topics", ("name", "partitions", "days", "written by", "read by"), rows)
