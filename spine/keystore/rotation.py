"""Changing the keys that wrap keys, while services run. What is sealed stays as it is: only wrappings change.

Running services keep what they have unwrapped. A new key-encryption key reaches them at their next start; a new key of
an agency they find by its number when they need it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from spine.errors import Halt
from spine.keystore.kek import Kek
from spine.keystore.postgres import AGENCY_KEY_BYTES, agency_about
from spine.postgres import retrying
from spine.seal import SealBroken, Sealer

PIECE = 5_000

_STANDS: LiteralString = (
    "SELECT a.agency, max(a.number), array_agg(DISTINCT a.kek), "
    "(SELECT count(*) FROM keystore.data_key d WHERE d.agency = a.agency AND d.wrapped IS NOT NULL), "
    "(SELECT count(*) FROM keystore.data_key d WHERE d.agency = a.agency AND d.wrapped IS NULL) "
    "FROM keystore.agency_key a GROUP BY a.agency ORDER BY a.agency"
)
_OLD: LiteralString = (
    "SELECT ref, number, wrapped FROM keystore.data_key "
    "WHERE agency = %s AND number < %s AND wrapped IS NOT NULL ORDER BY ref LIMIT %s FOR UPDATE"
)
_MOVE: LiteralString = (
    "UPDATE keystore.data_key d SET number = %s, wrapped = n.wrapped "
    "FROM unnest(%s::text[], %s::bytea[]) AS n (ref, wrapped) WHERE d.ref = n.ref"
)


@dataclass(frozen=True, slots=True)
class Stands:
    """What the store holds of one agency. ``keks``: names of the key-encryption keys that wrap its keys."""

    agency: str
    number: int
    keks: tuple[str, ...]
    keys: int
    destroyed: int


def stands(url: str) -> list[Stands]:
    """Every agency of the store. Raises Retry."""
    with _connected(url) as connection:
        rows = connection.execute(_STANDS).fetchall()
    return [Stands(agency, number, tuple(sorted(keks)), *counts) for agency, number, keks, *counts in rows]


def rewrap(url: str, old: Kek, new: Kek) -> int:
    """Wrap every agency's keys under ``new``, in one transaction; returns how many. Those already under it are left.

    Raises Halt, and changes nothing, where ``old`` does not open one; Retry.
    """
    with _connected(url) as connection:
        rows = connection.execute(
            "SELECT agency, number, wrapped, kek FROM keystore.agency_key WHERE kek <> %s ORDER BY 1, 2 FOR UPDATE",
            (new.name,),
        ).fetchall()
        for agency, number, wrapped, kek in rows:
            about = agency_about(agency, number)
            connection.execute(
                "UPDATE keystore.agency_key SET wrapped = %s, kek = %s WHERE agency = %s AND number = %s",
                (new.wrap(_unwrapped(old, wrapped, about, kek), about), new.name, agency, number),
            )
    return len(rows)


def rotate(url: str, kek: Kek, agency: str, tell: Callable[[int], None] = lambda count: None) -> int:
    """Give the agency a new key and wrap its data keys under it, piece by piece; returns how many were moved.

    ``tell`` hears the count as it grows. Stopped in the middle it is taken up by calling it again: keys under any older
    number are moved. The old keys of the agency are deleted when nothing is wrapped under them any more.
    Raises KeyError for an agency without keys; Halt; Retry.
    """
    with _connected(url) as connection:
        keys = _agency_keys(connection, kek, agency)
        pending = connection.execute(
            "SELECT 1 FROM keystore.data_key WHERE agency = %s AND number < %s AND wrapped IS NOT NULL LIMIT 1",
            (agency, max(keys)),
        ).fetchone()
        newest = max(keys)
        if pending is None:
            newest += 1
            key = os.urandom(AGENCY_KEY_BYTES)
            connection.execute(
                "INSERT INTO keystore.agency_key (agency, number, wrapped, kek) VALUES (%s, %s, %s, %s)",
                (agency, newest, kek.wrap(key, agency_about(agency, newest)), kek.name),
            )
            keys[newest] = Sealer(key)
    moved = 0
    for count in _moved(url, agency, keys, newest):
        moved += count
        tell(moved)
    with _connected(url) as connection:
        # The row of a destroyed key only says that there was one. A service that began before the rotation may still
        # add keys under the old number: then that one stays, and the next call moves them.
        connection.execute(
            "UPDATE keystore.data_key SET number = %s WHERE agency = %s AND wrapped IS NULL", (newest, agency)
        )
        connection.execute(
            "DELETE FROM keystore.agency_key a WHERE agency = %s AND number < %s AND NOT EXISTS "
            "(SELECT 1 FROM keystore.data_key d WHERE d.agency = a.agency AND d.number = a.number)",
            (agency, newest),
        )
    return moved


def _moved(url: str, agency: str, keys: dict[int, Sealer], newest: int) -> Iterator[int]:
    while True:
        with _connected(url) as connection:
            rows = connection.execute(_OLD, (agency, newest, PIECE)).fetchall()
            if not rows:
                return
            plain = [(ref, keys[number].open(bytes(wrapped), ref.encode())) for ref, number, wrapped in rows]
            again = [keys[newest].seal(key, ref.encode()) for ref, key in plain]
            connection.execute(_MOVE, (newest, [ref for ref, _ in plain], again))
        yield len(rows)


def _agency_keys(connection: psycopg.Connection[TupleRow], kek: Kek, agency: str) -> dict[int, Sealer]:
    rows = connection.execute(
        "SELECT number, wrapped, kek FROM keystore.agency_key WHERE agency = %s FOR UPDATE", (agency,)
    ).fetchall()
    if not rows:
        raise KeyError(agency)
    return {n: Sealer(_unwrapped(kek, wrapped, agency_about(agency, n), name)) for n, wrapped, name in rows}


def _unwrapped(kek: Kek, wrapped: bytes, about: bytes, name: str) -> bytes:
    try:
        return kek.unwrap(bytes(wrapped), about)
    except SealBroken as broken:
        raise Halt(f"keys stand under key-encryption key {name}, which {kek.name} is not") from broken


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[TupleRow]]:
    """A connection for one transaction. Raises Retry for errors that can pass."""
    with retrying(), psycopg.connect(url, connect_timeout=10, application_name="hub-keystore") as connection:
        yield connection
