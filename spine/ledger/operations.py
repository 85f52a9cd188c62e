"""What people did to the hub, as leaves of the tree ``operations``: a row each, numbered, that nobody may change."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import sqlalchemy as sa

from spine.canonical import canonical
from spine.ledger.leaves import operation_leaf
from spine.postgres import retrying

TREE = "operations"
KINDS = frozenset(
    (
        *("erasure", "key_opening", "agreement_change", "deployment", "replay", "redrive", "retention", "export"),
        *("restore", "witness", "archive", "key_rotation", "approval"),
    )
)
#: Operations take their numbers one after the other: the next waits until the last has committed.
LOCK = 0x1ED6E7


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``number`` is its leaf in the tree."""

    number: int
    kind: str
    about: Mapping[str, Any]
    at: datetime

    @property
    def leaf(self) -> bytes:
        return operation_leaf(self.number, self.kind, self.about, self.at)


def record(
    where: psycopg.Connection[Any] | sa.Connection | str, kind: str, about: Mapping[str, Any], at: datetime
) -> int:
    """Append an operation and return its number: in the caller's transaction, or in its own if a URL is given.

    ``about`` holds identifiers and hashes, never personal data: it stays for ever. Numbers have no holes, so operations
    wait for one another until their transactions end: record late in a transaction. ``migrate_ledger`` must have run.
    Raises ValueError for an unknown kind, TypeError for what has no canonical form, and Retry where the database at the
    URL does not answer.
    """
    if kind not in KINDS:
        raise ValueError(f"no kind of operation {kind!r}: {', '.join(sorted(KINDS))}")
    body = canonical(about).decode()
    with _connected(where) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        row = connection.execute(
            "INSERT INTO audit.operation (number, kind, about, at)"
            " SELECT coalesce(max(number) + 1, 0), %s, %s, %s FROM audit.operation RETURNING number",
            (kind, body, at),
        ).fetchone()
    assert row is not None
    return int(row[0])


def operations_from(connection: psycopg.Connection[Any], number: int, limit: int) -> Sequence[Operation]:
    """Up to ``limit`` operations, number ``number`` and after."""
    query = "SELECT number, kind, about, at FROM audit.operation WHERE number >= %s ORDER BY number LIMIT %s"
    found = connection.execute(query, (number, limit)).fetchall()
    return [Operation(n, kind, json.loads(about), at) for n, kind, about, at in found]


@contextmanager
def _connected(where: psycopg.Connection[Any] | sa.Connection | str) -> Iterator[psycopg.Connection[Any]]:
    if isinstance(where, str):
        with retrying(), psycopg.connect(where) as connection:
            yield connection
        return
    raw = where.connection.driver_connection if isinstance(where, sa.Connection) else where
    assert isinstance(raw, psycopg.Connection)
    # The caller's transaction stays open; where each statement is its own, the lock needs one.
    with raw.transaction() if raw.autocommit else nullcontext():
        yield raw
