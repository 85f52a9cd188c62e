"""Erasures that a restored database has undone: which keys stand again, destroying them anew, and the register.

Three witnesses say which keys must not stand: the register of erasures, what matching remembers of orders it has read,
and the orders themselves on the log, for those that the restored database does not know yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

import psycopg
from psycopg.types.json import Jsonb

from hub.backup.unread import Ordered
from hub.held import Stored
from hub.subject.registers import registers
from hub.subject.shred import Reach, alerts_of, told_of
from spine.postgres import retrying

#: Of orders that stand on the log and whose keys were destroyed at some time. The steps: hub/subject/erasure.py.
_REGISTERED: LiteralString = (
    "SELECT jsonb_array_elements_text(plan -> 'refs') FROM governance.erasure WHERE step = ANY(%s)"
)
_REMEMBERED: LiteralString = "SELECT split_part(key, ':', 3) FROM matching.state WHERE key LIKE 'e:%'"
_AT_WORK: LiteralString = "SELECT EXISTS (SELECT 1 FROM governance.erasure WHERE step IN ('told', 'shredded'))"
_STANDING: LiteralString = "SELECT ref FROM keystore.data_key WHERE ref = ANY(%s) AND wrapped IS NOT NULL ORDER BY ref"
_DESTROY: LiteralString = (
    "UPDATE keystore.data_key SET wrapped = NULL, destroyed_at = now() WHERE ref = ANY(%s) AND wrapped IS NOT NULL"
)
#: A key that was made and destroyed after the copy has no row: it gets one, or a service would wait for its key.
_BURIED: LiteralString = (
    "INSERT INTO keystore.data_key (ref, agency, number, wrapped, destroyed_at)"
    " SELECT r.ref, split_part(r.ref, '/', 1), max(a.number), NULL, now() FROM unnest(%s::text[]) AS r(ref)"
    " JOIN keystore.agency_key a ON a.agency = split_part(r.ref, '/', 1) GROUP BY r.ref ON CONFLICT (ref) DO NOTHING"
)
_UNFINISHED: LiteralString = (
    "SELECT erasure_id, person_id, ordered_at, step FROM governance.erasure"
    " WHERE step <> 'certified' AND ordered_at < now() - %s ORDER BY ordered_at"
)
_PUT_BACK: LiteralString = (
    "INSERT INTO governance.erasure (erasure_id, person_id, ground, asked_by, approved_by, ordered_at, step, plan)"
    " SELECT %(id)s, %(person)s, %(ground)s, coalesce(max(asked_by), %(unknown)s), %(unknown)s, %(at)s, 'told',"
    " %(plan)s FROM governance.request WHERE kind = 'erase' AND what = %(asked)s ON CONFLICT DO NOTHING"
)
#: What stands on the log and whose keys are destroyed now.
_SHREDDED: LiteralString = (
    "UPDATE governance.erasure SET step = 'shredded' WHERE step = 'told' OR (step = 'planned' AND erasure_id = ANY(%s))"
)
#: The name of who ordered it, where only the log is left.
UNKNOWN = "unknown: the register was restored"
TOLD, SHREDDED = "told", ("shredded", "forgotten", "certified")


@dataclass(frozen=True, slots=True)
class Again:
    """What was done: how many keys were destroyed again, and the orders read on the log."""

    keys: int
    orders: Sequence[str]


def standing_again(connection: psycopg.Connection[Any]) -> list[str]:
    """References of keys that stand although an erasure destroyed them. Raises psycopg.Error.

    While an erasure is at work, keys that matching has learnt of stand for some moments rightly: the register counts.
    """
    working = _there(connection, "governance.erasure") and (connection.execute(_AT_WORK).fetchone() or (False,))[0]
    return _standing(connection, _registered(connection, SHREDDED) | (set() if working else _remembered(connection)))


def _registered(connection: psycopg.Connection[Any], steps: Sequence[str]) -> set[str]:
    there = _there(connection, "governance.erasure")
    return {ref for (ref,) in connection.execute(_REGISTERED, (list(steps),))} if there else set()


def _remembered(connection: psycopg.Connection[Any]) -> set[str]:
    return {ref for (ref,) in connection.execute(_REMEMBERED)} if _there(connection, "matching.state") else set()


def _standing(connection: psycopg.Connection[Any], refs: set[str]) -> list[str]:
    there = _there(connection, "keystore.data_key")
    return [ref for (ref,) in connection.execute(_STANDING, (sorted(refs),))] if there else []


def unfinished(connection: psycopg.Connection[Any], since: timedelta) -> list[tuple[str, str, datetime, str]]:
    """Erasures ordered longer ago than ``since`` and not certified: id, person, when, step. Raises psycopg.Error."""
    there = _there(connection, "governance.erasure")
    return connection.execute(_UNFINISHED, (since,)).fetchall() if there else []


def destroy_again(url: str, orders: Mapping[str, Ordered]) -> Again:
    """Destroy what stands again, and what ``orders`` name, in one transaction. Safe to repeat. Raises Retry.

    Also of an order that the register has as told only: it stands on the log, and may have been done since the backup.
    An order that the register does not know is put back into it. `hub erase` goes on with all of these and certifies.
    """
    if orders:
        with registers(url):
            pass
    with retrying(), psycopg.connect(url, application_name="hub-backup") as connection:
        if not _there(connection, "keystore.data_key"):
            return Again(0, sorted(orders))
        for order in orders.values():
            connection.execute(_BURIED, (sorted(order.refs),))
            connection.execute(_PUT_BACK, _row(connection, order))
        named = {ref for order in orders.values() for ref in order.refs}
        refs = {*named, *_registered(connection, (TOLD, *SHREDDED)), *_remembered(connection)}
        keys = connection.execute(_DESTROY, (sorted(refs),)).rowcount
        if _there(connection, "governance.erasure"):
            connection.execute(_SHREDDED, (sorted(orders),))
        return Again(keys, sorted(orders))


def _row(connection: psycopg.Connection[Any], order: Ordered) -> dict[str, Any]:
    """What the log and the restored database know. Whom alerts told between backup and order, they do not."""
    lists = {name: tuple(sorted(getattr(order, name))) for name in ("refs", "choices", "reviews")}
    plan = Reach(order.person_id, told=told_of(alerts_of(Stored(connection), order.person_id)), rows={}, **lists)
    asked = f"{order.person_id} {order.ground}"
    values = {"id": order.erasure_id, "person": order.person_id, "ground": order.ground, "at": order.at}
    return {**values, "asked": asked, "unknown": UNKNOWN, "plan": Jsonb(plan.document())}


def _there(connection: psycopg.Connection[Any], table: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
    return bool(row and row[0])
