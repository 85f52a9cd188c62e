"""What services hold, read from outside: keyed states of ``status`` and ``alerts``, one key or all of them, read only.

On PostgreSQL all of them stream through a server-side cursor, so that a county never stands in memory at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import psycopg
from psycopg import sql

from hub.inprocess import InProcessHub
from hub.running import database_here

ROWS_AT_ONCE = 2_000


class Held(Protocol):
    """States of a service by key. Rows that no fact is keyed by (the policy head) are not among them."""

    def one(self, service: str, key: str) -> bytes | None: ...

    def all(self, service: str) -> Iterator[tuple[str, bytes]]: ...

    def holding(self, service: str, part: bytes) -> Iterator[tuple[str, bytes]]:
        """Those whose body holds ``part``."""
        ...


@dataclass(frozen=True, slots=True)
class InProcess:
    """Of a hub that runs in this process."""

    hub: InProcessHub

    def one(self, service: str, key: str) -> bytes | None:
        return self.hub.states(service).get(key)

    def all(self, service: str) -> Iterator[tuple[str, bytes]]:
        yield from sorted(self.hub.states(service).items())

    def holding(self, service: str, part: bytes) -> Iterator[tuple[str, bytes]]:
        return ((key, body) for key, body in self.all(service) if part in body)


@dataclass(frozen=True, slots=True)
class Stored:
    """Of the services' journals in PostgreSQL."""

    connection: psycopg.Connection[tuple[str, bytes]]

    def one(self, service: str, key: str) -> bytes | None:
        query = sql.SQL("SELECT key, body FROM {}.state WHERE key = %b").format(sql.Identifier(service))
        row = self.connection.execute(query, (key,), binary=True).fetchone()
        return None if row is None else row[1]

    def all(self, service: str) -> Iterator[tuple[str, bytes]]:
        query = sql.SQL('SELECT key, body FROM {}.state ORDER BY key COLLATE "C"').format(sql.Identifier(service))
        with self.connection.cursor(name=f"held_{service}") as cursor:
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(query, binary=True)
            yield from (row for row in cursor if not row[0].startswith("|"))

    def holding(self, service: str, part: bytes) -> Iterator[tuple[str, bytes]]:
        query = sql.SQL("SELECT key, body FROM {}.state WHERE position(%b IN body) > 0 ORDER BY key")
        yield from self.connection.execute(query.format(sql.Identifier(service)), (part,), binary=True)


@contextmanager
def stored(postgres: str | None = None) -> Iterator[Stored]:
    """The journals at ``postgres``, else at HUB_POSTGRES, else of the hub of this machine; one snapshot, read only.

    Raises psycopg.OperationalError when nobody answers, Retry when no hub is known here.
    """
    url = postgres or database_here()
    with psycopg.connect(url, application_name="hub-held") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        yield Stored(connection)
