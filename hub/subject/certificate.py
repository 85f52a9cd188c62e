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
from spine.clock import now

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
    days = {name: int(topic["retention_days"]) for name, topic in topics_of(contracts_folder()).items()}

    def until(topic: str) -> str:
        return (standing.ordered_at + timedelta(days=days[topic])).date().isoformat()

    door = "what partners sent, sealed under the hub's own key, and refused submissions likewise"
    return [
        {"what": door, "until": max(until("submissions"), until("refusals"))},
        {"what": "facts on the log, sealed under the destroyed keys", "until": until("observations")},
        {"what": "decision records: hashes and opaque ids", "links": _links(connection)},
        {"what": "the record of who looked at this id, and this certificate", "until": "retention.audit_years"},
        {"what": "backups of the key store made before the order", "until": "they expire: see the DPIA"},
    ]


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
