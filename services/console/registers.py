"""Orders and proofs, read where they stand: the registers of ``governance``, the policy head, the ledger.

Whoever runs the hub decides whether the console's database role may look there; what it may not read is said to be not
read, never taken for empty. No young person's id is read: who an order is about is for whoever carries it out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from spine.headed import Head, decode_head

Row = Mapping[str, Any]
#: What of an operation may be shown; the rest of ``about`` can name a person's opaque id.
SHOWN = ("act", "what", "moved_by", "policy", "class", "sent", "people")
_READABLE = sa.text(
    "SELECT count(*) = :many AND coalesce(bool_and(has_table_privilege(c.oid, 'SELECT')), false) FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :schema AND c.relname = ANY(:tables)"
    " AND has_schema_privilege(n.oid, 'USAGE')"
)


@dataclass(frozen=True, slots=True)
class Orders:
    """Waiting for a second person, erasures begun and not certified, and holds that stand."""

    waiting: Sequence[Row]
    erasures: Sequence[Row]
    certified: int
    holds: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Proofs:
    """When every tree of the ledger last stood under its checkpoint, why it does not now, and the last operations."""

    made_at: datetime | None
    problem: str
    operations: Sequence[Row]


def orders(connection: sa.Connection) -> Orders | None:
    """None where the registers are not to be read, or nobody has ordered anything yet."""
    if not _readable(connection, "governance", "request", "erasure", "hold"):
        return None
    waiting = "SELECT kind, asked_by, asked_at, expires_at, approved_by FROM governance.request WHERE done_at IS NULL"
    begun = "SELECT erasure_id, ground, ordered_at, step FROM governance.erasure WHERE step <> 'certified'"
    certified = "SELECT count(*) FROM governance.erasure WHERE step = 'certified'"
    holds = "SELECT number, matter, placed_by, placed_at FROM governance.hold WHERE lifted_at IS NULL"
    return Orders(
        _rows(connection, f"{waiting} AND expires_at > now() ORDER BY number"),
        _rows(connection, f"{begun} ORDER BY ordered_at"),
        int(connection.execute(sa.text(certified)).scalar_one()),
        _rows(connection, f"{holds} ORDER BY number"),
    )


def head(connection: sa.Connection) -> Head | None:
    """The policy head last moved to; None before the first, or where it is not to be read."""
    if not _readable(connection, "policy", "state"):
        return None
    body = connection.execute(sa.text("SELECT body FROM policy.state WHERE key = 'head'")).scalar_one_or_none()
    return None if body is None else decode_head(bytes(body))


def proofs(connection: sa.Connection) -> Proofs | None:
    """None where the ledger is not to be read."""
    if not _readable(connection, "audit", "beat", "operation"):
        return None
    beat = connection.execute(sa.text("SELECT made_at, problem FROM audit.beat")).first()
    last = "SELECT DISTINCT ON (kind) number, kind, about, at FROM audit.operation ORDER BY kind, number DESC"
    found = [_operation(row) for row in _rows(connection, last)]
    made_at, problem = (None, "") if beat is None else beat
    return Proofs(made_at, problem, sorted(found, key=lambda row: row["number"], reverse=True))


def _operation(row: Row) -> Row:
    about = json.loads(row["about"])
    told = ", ".join(f"{name.replace('_', ' ')} {about[name]}" for name in SHOWN if about.get(name) not in (None, ""))
    return {**row, "about": told}


def _readable(connection: sa.Connection, schema: str, *tables: str) -> bool:
    asked = {"schema": schema, "tables": list(tables), "many": len(tables)}
    return bool(connection.execute(_READABLE, asked).scalar_one())


def _rows(connection: sa.Connection, query: str) -> Sequence[Row]:
    return [dict(row) for row in connection.execute(sa.text(query)).mappings()]
