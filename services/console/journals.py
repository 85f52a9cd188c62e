"""How far each service is: read from the journals, which every service keeps in one shape in its own schema.

How far the log's ends are ahead is not in a database: ``hub status`` and the lag metric tell that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

#: In order of flow.
SERVICES = ("ingest", "matching", "status", "alerts", "delivery", "console")
_READABLE = sa.text(
    "SELECT coalesce(bool_and(has_table_privilege(c.oid, 'SELECT')), false) AND count(*) = 3 FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = :schema AND c.relname IN ('source_offset', 'outbox', 'decision')"
    " AND has_schema_privilege(n.oid, 'USAGE')"
)


@dataclass(frozen=True, slots=True)
class Health:
    """``decided``: records of all its input; ``waiting``: effects not yet on the log. None: not read from here."""

    service: str
    decided: int | None = None
    waiting: int | None = None
    last: datetime | None = None
    tick: date | None = None
    #: Build and settings under which it decided last: models and policies are named there.
    build: str = ""
    settings: str = ""


def health(connection: sa.Connection) -> list[Health]:
    return [_one(connection, name) for name in SERVICES]


def _one(connection: sa.Connection, service: str) -> Health:
    assert service in SERVICES
    if not connection.execute(_READABLE, {"schema": service}).scalar_one():
        return Health(service)
    # The name is one of ours, never a visitor's.
    last = (
        f"SELECT sum(o.next), max(d.recorded_at), max(o.tick) FROM {service}.source_offset o"
        f" LEFT JOIN {service}.decision d"
        ' ON d.topic = o.topic AND d.partition = o.partition AND d."offset" = o.next - 1'
        " WHERE o.next IS NOT NULL"
    )
    decided, at, tick = connection.execute(sa.text(last)).one()
    waiting = connection.execute(sa.text(f"SELECT count(*) FROM {service}.outbox")).scalar_one()
    latest = (
        f"SELECT d.build, d.settings FROM {service}.source_offset o JOIN {service}.decision d"
        ' ON d.topic = o.topic AND d.partition = o.partition AND d."offset" = o.next - 1'
        " ORDER BY d.recorded_at DESC LIMIT 1"
    )
    build, settings = connection.execute(sa.text(latest)).first() or ("", "")
    return Health(service, int(decided or 0), waiting, at, tick, build, settings)
