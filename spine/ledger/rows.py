"""Decision rows as the ledger reads them: whole, with the time of recording, in order of offset."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from spine.journal import DecisionRow
from spine.log import Place

Recorded = tuple[DecisionRow, datetime]

_ROWS = sql.SQL(
    'SELECT topic, partition, "offset", event_id, kind, input_hash, state_before, state_after, effects, build,'
    " settings, tick, note, link, recorded_at FROM {}.decision WHERE topic = %s AND partition = %s"
    ' AND "offset" >= %s ORDER BY "offset" LIMIT %s'
)


def rows_from(
    connection: psycopg.Connection[Any], service: str, place: Place, offset: int, limit: int
) -> Iterator[Recorded]:
    """Up to ``limit`` rows of ``place`` at or after ``offset``."""
    query = _ROWS.format(sql.Identifier(service))
    with connection.cursor(binary=True) as cursor:
        cursor.execute(query, (*place, offset, limit))
        for row in cursor:
            effects = tuple((identity, bytes.fromhex(digest)) for identity, digest in row[8])
            yield DecisionRow(*row[:8], effects, *row[9:14]), row[14]


def services(connection: psycopg.Connection[Any]) -> list[str]:
    """Schemas that hold a journal."""
    query = "SELECT table_schema FROM information_schema.tables WHERE table_name = 'decision' ORDER BY 1"
    return [name for (name,) in connection.execute(query)]


def places(connection: psycopg.Connection[Any], service: str) -> list[Place]:
    """Places at which ``service`` has decided, in order."""
    query = sql.SQL("SELECT topic, partition FROM {}.source_offset WHERE next IS NOT NULL ORDER BY 1, 2")
    return list(connection.execute(query.format(sql.Identifier(service))))
