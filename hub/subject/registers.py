"""What is kept about orders and not about facts: legal holds, requests that need a second person, erasures.

In a schema of its own, ``governance``: no service reads it, and it outlives what was erased. It holds opaque ids, names
of officers and machine words; no personal data of the people concerned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from spine.migrate import ensure_schema
from spine.postgres import engine_for, retrying

SCHEMA = "governance"
META = sa.MetaData(schema=SCHEMA)
_TEXT, _MOMENT = sa.Text, sa.DateTime(timezone=True)
_LOCK = 0x676F7665

#: Nobody under a hold is erased, by request or by schedule.
HOLD = sa.Table(
    "hold",
    META,
    sa.Column("number", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("person_id", _TEXT, nullable=False, index=True),
    sa.Column("matter", _TEXT, nullable=False, comment="Reference of the matter: a case number, never a name."),
    sa.Column("placed_by", _TEXT, nullable=False),
    sa.Column("placed_at", _MOMENT, nullable=False),
    sa.Column("lifted_by", _TEXT),
    sa.Column("lifted_at", _MOMENT),
)

#: What one person asked for and another must approve.
REQUEST = sa.Table(
    "request",
    META,
    sa.Column("number", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("kind", _TEXT, nullable=False),
    sa.Column("what", _TEXT, nullable=False),
    sa.Column("asked_by", _TEXT, nullable=False),
    sa.Column("asked_at", _MOMENT, nullable=False),
    sa.Column("expires_at", _MOMENT, nullable=False),
    sa.Column("approved_by", _TEXT),
    sa.Column("approved_at", _MOMENT),
    sa.Column("done_at", _MOMENT),
    sa.Index("request_kind_what", "kind", "what"),
)

#: Who asked and who approved, signed (``hub.subject.approvals``); no row where nobody is listed as an officer.
SIGNATURE = sa.Table(
    "signature",
    META,
    sa.Column("number", sa.BigInteger, sa.ForeignKey(REQUEST.c.number), primary_key=True),
    sa.Column("act", _TEXT, primary_key=True),
    sa.Column("line", _TEXT, nullable=False),
)

#: One row for each erasure, from its plan to its certificate. ``step`` says how far it is: it is taken up from there.
ERASURE = sa.Table(
    "erasure",
    META,
    sa.Column("erasure_id", _TEXT, primary_key=True),
    sa.Column("person_id", _TEXT, nullable=False, unique=True),
    sa.Column("ground", _TEXT, nullable=False),
    sa.Column("asked_by", _TEXT, nullable=False),
    sa.Column("approved_by", _TEXT, nullable=False),
    sa.Column("ordered_at", _MOMENT, nullable=False),
    sa.Column("step", _TEXT, nullable=False),
    sa.Column("plan", JSONB, nullable=False, comment="Opaque references and counts."),
    sa.Column("certificate", JSONB),
)


@contextmanager
def registers(postgres: str) -> Iterator[sa.Engine]:
    """The registers, made if they are not there. Raises Retry while the database does not answer."""
    engine = engine_for(postgres, SCHEMA)
    try:
        with retrying(), engine.begin() as connection:
            # One at a time: whoever waited here finds everything done.
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:n)"), {"n": _LOCK})
            ensure_schema(connection, SCHEMA)
            META.create_all(connection)
        yield engine
    finally:
        engine.dispose()


@dataclass(frozen=True, slots=True)
class Standing:
    """An erasure as the register has it."""

    erasure_id: str
    person_id: str
    ground: str
    asked_by: str
    approved_by: str
    ordered_at: datetime
    step: str
    plan: Mapping[str, Any]
    certificate: Mapping[str, Any] | None


def found(engine: sa.Engine, person_id: str) -> Standing | None:
    """The erasure of a person, begun or done."""
    with engine.connect() as connection:
        row = connection.execute(sa.select(*ERASURE.c).where(ERASURE.c.person_id == person_id)).first()
    return None if row is None else Standing(*row)


def unknown_or_erased(postgres: str, named: str) -> str:
    """Why nobody is found under an id: words for whoever asked."""
    with registers(postgres) as engine:
        standing = found(engine, named)
    if standing is None:
        return "nobody has that id"
    done = "was erased" if standing.step == "certified" else "is being erased"
    return f"{done}, ordered {standing.ordered_at:%Y-%m-%d} on the ground {standing.ground}: {standing.erasure_id}"
