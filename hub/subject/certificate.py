"""The certificate of an erasure: what went, what stays and until when, without personal data."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import sqlalchemy as sa

from hub.inprocess import topics_of
from hub.layout import contracts_folder
from hub.subject.attestation import FORMAT, Sign, sealed
from hub.subject.registers import Standing
from hub.subject.shred import Reach
from services.ingest.channels.day_keys import readable_days
from spine.clock import now

#: Of a hub that is older than keys of days (docs/adr/0019).
BEFORE_DAYS = "in the archive, what partners sent before it was sealed by day, under the hub's own key"
JOURNALS = ("ingest", "matching", "status", "alerts", "delivery", "console", "answers")


def certificate(connection: sa.Connection, standing: Standing, asked: Reach, sign: Sign) -> dict[str, Any]:
    """Raises LookupError where a key is not destroyed: then there is nothing to certify."""
    query = sa.text("SELECT count(*) FROM keystore.data_key WHERE ref = ANY(:refs) AND wrapped IS NOT NULL")
    if _has(connection, "keystore.data_key") and connection.execute(query, {"refs": list(asked.refs)}).scalar():
        raise LookupError("a key of this person is not destroyed")
    body = {
        "format": FORMAT,
        "erasure_id": standing.erasure_id,
        "person_id": standing.person_id,
        "ground": standing.ground,
        "asked_by": standing.asked_by,
        "approved_by": standing.approved_by,
        "ordered_at": standing.ordered_at,
        "certified_at": now(),
        "went": {"keys": asked.agencies, **asked.rows, "reviews": len(asked.reviews)},
        "stays": _stays(connection, standing),
        "to_be_told": list(asked.told),
        "in_other_files": list(asked.elsewhere),
    }
    plain: dict[str, Any] = orjson.loads(orjson.dumps(body, default=str))
    return sealed(plain, sign)


def _stays(connection: sa.Connection, standing: Standing) -> list[dict[str, Any]]:
    log = int(topics_of(contracts_folder())["observations"]["retention_days"])

    def until(days: int) -> str:
        return (standing.ordered_at + timedelta(days=days)).date().isoformat()

    door = "what partners sent, wherever a copy is: the key of its day is destroyed then"
    return [
        {"what": door, "until": until(readable_days(contracts_folder()) + 1)},
        *([{"what": BEFORE_DAYS, "until": "the archive is deleted"}] if _before_days(connection) else []),
        {"what": "facts on the log, sealed under the destroyed keys", "until": until(log)},
        {"what": "decision records: hashes and opaque ids", "links": _links(connection)},
        {"what": "the record of who looked at this id, and this certificate", "until": "retention.audit_years"},
        {"what": "backups of the key store made before the order", "until": "they expire: see the DPIA"},
    ]


def _before_days(connection: sa.Connection) -> bool:
    """Whether the gate decided before bodies were sealed by day."""
    if not _has(connection, "ingest.day_key"):
        return True
    first = "coalesce((SELECT min(made_at) FROM ingest.day_key), 'infinity')"
    return bool(
        connection.execute(
            sa.text(f"SELECT EXISTS (SELECT 1 FROM ingest.decision WHERE recorded_at < {first})")
        ).scalar()
    )


def _links(connection: sa.Connection) -> dict[str, str]:
    """Where each chain of decisions stands: nothing in them was changed."""
    out: dict[str, str] = {}
    for service in JOURNALS:
        if _has(connection, f"{service}.source_offset"):
            rows = connection.execute(
                sa.text(f"SELECT topic, partition, next, link FROM {service}.source_offset WHERE next IS NOT NULL")
            )
            out |= {f"{service} {topic}/{n}@{offset}": bytes(link).hex() for topic, n, offset, link in rows}
    return dict(sorted(out.items()))


def _has(connection: sa.Connection, table: str) -> bool:
    return connection.execute(sa.text("SELECT to_regclass(:name)"), {"name": table}).scalar() is not None
