"""The date as a fact, by hand: ``hub tick --on`` for the demo, a rehearsal, or a ticker that was down."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from hub.topics import Topic
from spine.record import Effect, Outgoing
from spine.schema import Catalogue
from spine.step import TICK, encode_effects


def ticks(topics: Iterable[Topic], on: date, catalogue: Catalogue) -> list[Outgoing]:
    """The tick of ``on`` for every partition of every input topic; the same ids each time it is asked for."""
    return [_tick(topic.name, n, on, catalogue) for topic in topics if topic.input_of for n in range(topic.partitions)]


def _tick(topic: str, partition: int, on: date, catalogue: Catalogue) -> Outgoing:
    effect = Effect(topic, "", TICK, {"on": on})
    (out,) = encode_effects("ticker", f"tick-{topic}-{partition}-{on}", [effect], catalogue)
    return Outgoing(0, out.event_id, topic, "", out.kind, out.body, (), partition)
