"""How far each service is behind: log ends against the journal's positions, and what its outbox still holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from hub.topics import Topic, counts
from spine.kafka import Broker


@dataclass(frozen=True, slots=True)
class Backlog:
    """One service: records of its input not yet decided, effects not yet published."""

    service: str
    topic: str
    records: int
    decided: int
    behind: int
    unsent: int

    @property
    def drained(self) -> bool:
        return self.behind == 0 and self.unsent == 0


def readers(topics: Sequence[Topic]) -> list[tuple[str, str]]:
    """Every (service, topic) that a journal keeps positions for, in order of flow."""
    from services.console.agent import SERVICE, TOPICS

    return [(topic.input_of, topic.name) for topic in topics if topic.input_of] + [(SERVICE, name) for name in TOPICS]


def backlogs(where: str | Broker, postgres: str, topics: Sequence[Topic]) -> list[Backlog]:
    """All services, in order of flow. A service that has not started yet is behind by its whole topic."""
    pairs = readers(topics)
    held = counts(where, sorted({name for _, name in pairs}))
    with psycopg.connect(postgres, autocommit=True, application_name="hub-backlog") as connection:
        return [_one(connection, service, name, held.get(name, {})) for service, name in pairs]


def _one(
    connection: psycopg.Connection[tuple[object, ...]], service: str, name: str, held: dict[int, tuple[int, int]]
) -> Backlog:
    positions, unsent = _journal(connection, service, name)
    end = sum(high for _, high in held.values())
    behind = sum(high - positions.get(n, low) for n, (low, high) in held.items())
    return Backlog(service, name, end, sum(positions.values()), behind, unsent)


def _journal(connection: psycopg.Connection[tuple[object, ...]], service: str, name: str) -> tuple[dict[int, int], int]:
    schema = sql.Identifier(service)
    query = sql.SQL("SELECT partition, next FROM {}.source_offset WHERE topic = %s AND next IS NOT NULL")
    try:
        rows = connection.execute(query.format(schema), (name,)).fetchall()
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}.outbox").format(schema)).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return {}, 0
    return {int(str(n)): int(str(following)) for n, following in rows}, int(str(row[0])) if row else 0
