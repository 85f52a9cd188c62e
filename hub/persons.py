"""Everybody's states, one after the other in bounded memory: what status and alerts keep of each person, joined by key.

Nothing but one person stands in memory; on PostgreSQL both services are read in one snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hub.held import Held
from services.alerts import state as alerts
from services.matching.acts import FEED
from services.status import state as status


@dataclass(frozen=True, slots=True)
class Person:
    """One person as the two services keep them; ``alerts`` is empty where alerts has not heard of them."""

    person_id: str
    status: status.State
    alerts: alerts.State


def persons(held: Held) -> Iterator[Person]:
    """Everybody of whom status knows a fact, in order of id; records made of test messages stay out.

    Raises ValueError for states of another shape.
    """
    others = held.all("alerts")
    key, body = next(others, (None, b""))
    for person_id, own in held.all("status"):
        while key is not None and key < person_id:
            key, body = next(others, (None, b""))
        if person_id.startswith(FEED):
            continue
        known = status.decode(own)
        if not known.stub:
            told = alerts.decode(body) if key == person_id else alerts.State(person_id)
            # Test messages never meet real ones: one says that the record is made of them.
            if any(fact.test for fact in told.facts):
                continue
            yield Person(person_id, known, told)
