"""Erasures that an older copy of the key store has undone: which keys stand again, and destroying them anew.

Three witnesses say which keys must not stand: the register of erasures, what matching remembers of orders it has read,
and the orders themselves on the log, for those that the restored database does not know yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from hub.backup.rewind import Standing, first_of
from hub.whole_topic import records_of
from spine.errors import Poison
from spine.log import Log
from spine.postgres import retrying
from spine.schema import Catalogue

KIND = "erased.v1"
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


def ordered(log: Log, catalogue: Catalogue, found: Iterable[Standing]) -> Mapping[str, frozenset[str]]:
    """By order: the references that it destroys, of those on the log that no journal in ``found`` has read yet.

    What services passed on counts too: it names keys that came to light after the order. Raises Retry.
    """
    orders: dict[str, set[str]] = {}
    for place, first in sorted(first_of(found).items()):
        for record in records_of(log, *place, first):
            try:
                fact = catalogue.sealed_fact(record)
            except Poison:
                continue
            if fact.kind == KIND:
                orders.setdefault(fact.fields["erasure_id"], set()).update(fact.fields["refs"])
    return {order: frozenset(refs) for order, refs in orders.items()}


def destroy_again(url: str, orders: Mapping[str, Iterable[str]]) -> Again:
    """Destroy what stands again, and what ``orders`` name, in one transaction. Safe to repeat. Raises Retry.

    Also of an order that the register has as told only: it stands on the log, and may have been done since the backup.
    """
    named = sorted({ref for refs in orders.values() for ref in refs})
    with retrying(), psycopg.connect(url, application_name="hub-backup") as connection:
        if not _there(connection, "keystore.data_key"):
            return Again(0, sorted(orders))
        connection.execute(_BURIED, (named,))
        refs = {*named, *_registered(connection, (TOLD, *SHREDDED)), *_remembered(connection)}
        return Again(connection.execute(_DESTROY, (sorted(refs),)).rowcount, sorted(orders))


def _there(connection: psycopg.Connection[Any], table: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
    return bool(row and row[0])
