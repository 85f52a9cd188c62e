"""All persons' states, one after the other in bounded memory: what status and alerts keep, from either journal.

The bytes of two services are joined by key while they stream; nothing but one person stands in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from hub.inprocess import InProcessHub
from services.alerts import state as alerts
from services.status import state as status
from spine.postgres import engine_for

ROWS_AT_ONCE = 500
_QUERY = sa.text("SELECT key, body FROM state WHERE left(key, 1) <> '|' ORDER BY key COLLATE \"C\"")


@dataclass(frozen=True, slots=True)
class Person:
    """One person as the two services keep them; ``alerts`` is empty where alerts has not heard of them."""

    person_id: str
    status: status.State
    alerts: alerts.State


class States(Protocol):
    """Where states are read from: (key, bytes) of a service, ascending by the key's bytes."""

    def bodies(self, service: str) -> Iterator[tuple[str, bytes]]: ...


@dataclass(frozen=True, slots=True)
class InMemory:
    """The journals of an in-process run."""

    hub: InProcessHub

    def bodies(self, service: str) -> Iterator[tuple[str, bytes]]:
        yield from sorted(self.hub.states(service).items(), key=lambda row: row[0].encode())


@dataclass(frozen=True, slots=True)
class InPostgres:
    """The journals of a running hub. Reading takes no lock and writes nothing."""

    url: str

    def bodies(self, service: str) -> Iterator[tuple[str, bytes]]:
        engine = engine_for(self.url, service)
        try:
            with engine.connect().execution_options(stream_results=True, yield_per=ROWS_AT_ONCE) as connection:
                for key, body in connection.execute(_QUERY):
                    yield str(key), bytes(body)
        finally:
            engine.dispose()


def persons(states: States) -> Iterator[Person]:
    """Everybody of whom status knows a fact, in order of id. Raises ValueError for states of another shape."""
    with _closing(states.bodies("alerts")) as others:
        key, body = next(others, (None, b""))
        for person_id, own in states.bodies("status"):
            while key is not None and key.encode() < person_id.encode():
                key, body = next(others, (None, b""))
            held = status.decode(own)
            if not held.stub:
                told = alerts.decode(body) if key == person_id else alerts.State(person_id)
                yield Person(person_id, held, told)


@contextmanager
def _closing(rows: Iterator[tuple[str, bytes]]) -> Iterator[Iterator[tuple[str, bytes]]]:
    try:
        yield rows
    finally:
        close = getattr(rows, "close", None)
        if close is not None:
            close()
