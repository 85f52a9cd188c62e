"""The key store on PostgreSQL, in a schema of its own: ``keystore``.

A data key is wrapped under a key of its agency, and that under the key-encryption key, each bound to its name, so that
rows can't be exchanged. Every call commits by itself, before anything is sealed under a new key: a key without a fact
does no harm, a fact without a key would be lost. Keys are remembered for a minute, so a destroyed one is gone from
running processes within that time.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from spine.errors import Halt
from spine.keystore import Erased
from spine.keystore.kek import Kek
from spine.postgres import LOCK_MS, STATEMENT_MS, retrying
from spine.seal import DATA_KEY_BYTES, FieldSealer, SealBroken, Sealer, sealers

SCHEMA = "keystore"
REMEMBER_SECONDS = 60.0
#: Some 250 bytes each. A batch may need more: it keeps what it fetched, up to twice as many.
REMEMBERED_MAX = 50_000
AGENCY_KEY_BYTES = 32

_READ: LiteralString = "SELECT ref, agency, number, wrapped FROM keystore.data_key WHERE ref = ANY(%s)"
_NEW_KEY: LiteralString = (
    "INSERT INTO keystore.data_key (ref, agency, number, wrapped) "
    "SELECT * FROM unnest(%s::text[], %s::text[], %s::int[], %s::bytea[]) ON CONFLICT (ref) DO NOTHING"
)
_NEW_AGENCY: LiteralString = (
    "INSERT INTO keystore.agency_key (agency, number, wrapped, kek) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
)
_NEWEST: LiteralString = "SELECT max(number) FROM keystore.agency_key WHERE agency = %s"
_AGENCY: LiteralString = "SELECT wrapped, kek FROM keystore.agency_key WHERE agency = %s AND number = %s"
_DESTROY: LiteralString = (
    "UPDATE keystore.data_key SET wrapped = NULL, destroyed_at = now() WHERE ref = ANY(%s) AND wrapped IS NOT NULL"
)


def agency_of(ref: str) -> str:
    return ref.partition("/")[0]


def agency_about(agency: str, number: int) -> bytes:
    """What a wrapped agency key is bound to."""
    return f"{agency}|{number}".encode()


@dataclass(frozen=True, slots=True)
class Agency:
    """An agency's key, unwrapped."""

    number: int
    sealer: Sealer


class PostgresKeys:
    """A ``spine.keystore.Keys``. For several threads, which take turns."""

    def __init__(self, url: str, kek: Kek, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._kek = kek
        self._clock = clock
        self._turn = threading.RLock()
        self._held: psycopg.Connection[TupleRow] | None = None
        self._keys: dict[str, bytes | None] = {}
        self._sealers = sealers()
        self._agencies: dict[tuple[str, int], Agency] = {}
        self._since = clock()

    def ready(self, refs: Iterable[str]) -> None:
        with self._turn:
            self._forget(1)
            self._missing(refs)

    def make(self, refs: Iterable[str]) -> None:
        with self._turn:
            self._forget(1)
            unknown = self._missing(refs)
            if not unknown:
                return
            agencies = {name: self._newest(name) for name in sorted({agency_of(ref) for ref in unknown})}
            rows = [(ref, agency_of(ref), agencies[agency_of(ref)]) for ref in sorted(unknown)]
            wrapped = [agency.sealer.seal(os.urandom(DATA_KEY_BYTES), ref.encode()) for ref, _, agency in rows]
            columns = ([r for r, _, _ in rows], [a for _, a, _ in rows], [k.number for _, _, k in rows], wrapped)
            with self._connection() as connection:
                connection.execute(_NEW_KEY, columns)
            # Another process may have made it first: what stands is the key.
            self._missing(unknown)

    def key(self, ref: str) -> FieldSealer:
        with self._turn:
            # Later than in ``ready``, so that a batch does not lose in its middle what it fetched at its beginning.
            self._forget(2)
            if ref not in self._keys:
                self._missing([ref])
            try:
                held = self._keys[ref]
            except KeyError:
                raise Halt("the key store has no key for a fact on the log: restore it before going on") from None
            if held is None:
                raise Erased(ref)
            return self._sealers(held)

    def data_keys(self, refs: Iterable[str]) -> dict[str, bytes | None]:
        """The keys themselves, for a replay that can't ask for them; None for one that was destroyed. References
        without a row are left out. Raises what ``key`` raises."""
        with self._turn, self._connection() as connection:
            found = connection.execute(_READ, (sorted(set(refs)),)).fetchall()
            return {
                ref: None if wrapped is None else self._agency(agency, number).sealer.open(bytes(wrapped), ref.encode())
                for ref, agency, number, wrapped in found
            }

    def destroy(self, refs: Iterable[str]) -> int:
        asked = sorted(set(refs))
        with self._turn:
            with self._connection() as connection:
                count = connection.execute(_DESTROY, (asked,)).rowcount
            for ref in asked:
                self._keys.pop(ref, None)
            self._sealers = sealers()
        return count

    def close(self) -> None:
        with self._turn:
            if self._held is not None:
                self._held.close()
            self._held, self._keys, self._agencies, self._sealers = None, {}, {}, sealers()

    def _forget(self, times: int) -> None:
        """All of it, once it is older, or more, than so many times what is remembered."""
        now = self._clock()
        if now - self._since > times * REMEMBER_SECONDS or len(self._keys) > times * REMEMBERED_MAX:
            self._keys, self._sealers, self._since = {}, sealers(), now

    def _missing(self, refs: Iterable[str]) -> list[str]:
        """Fetch what is not at hand; returns the references that have no row."""
        wanted = sorted({ref for ref in refs if ref not in self._keys})
        if not wanted:
            return []
        with self._connection() as connection:
            found = connection.execute(_READ, (wanted,)).fetchall()
        for ref, agency, number, wrapped in found:
            self._keys[ref] = None if wrapped is None else self._unwrapped(ref, agency, number, wrapped)
        return [ref for ref in wanted if ref not in self._keys]

    def _unwrapped(self, ref: str, agency: str, number: int, wrapped: bytes) -> bytes:
        try:
            return self._agency(agency, number).sealer.open(bytes(wrapped), ref.encode())
        except SealBroken as broken:
            raise Halt("a key of the key store does not open: its row was altered or moved") from broken

    def _newest(self, agency: str) -> Agency:
        with self._connection() as connection:
            number = _first(connection.execute(_NEWEST, (agency,)).fetchone())
            if number is None:
                key = self._kek.wrap(os.urandom(AGENCY_KEY_BYTES), agency_about(agency, 1))
                connection.execute(_NEW_AGENCY, (agency, 1, key, self._kek.name))
                number = 1
        return self._agency(agency, int(number))

    def _agency(self, agency: str, number: int) -> Agency:
        held = self._agencies.get((agency, number))
        if held is None:
            with self._connection() as connection:
                row = connection.execute(_AGENCY, (agency, number)).fetchone()
            if row is None:
                raise Halt("the key store lacks the key of an agency: restore it before going on")
            try:
                key = self._kek.unwrap(bytes(row[0]), agency_about(agency, number))
            except SealBroken as broken:
                raise Halt(f"the keys are wrapped under key-encryption key {row[1]}, not {self._kek.name}") from broken
            held = self._agencies[agency, number] = Agency(number, Sealer(key))
        return held

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[TupleRow]]:
        """The one connection, made anew where it broke. Raises Retry."""
        with retrying():
            if self._held is None or self._held.closed:
                options = f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={LOCK_MS}"
                self._held = psycopg.connect(
                    self._url, autocommit=True, connect_timeout=10, options=options, application_name="hub-keystore"
                )
            try:
                yield self._held
            except psycopg.Error:
                self._held.close()
                raise


def _first(row: TupleRow | None) -> int | None:
    return None if row is None else row[0]
