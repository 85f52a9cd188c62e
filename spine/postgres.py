"""The journal on PostgreSQL: one schema per service, one transaction per batch.

Hot paths are batched: one select per kind of row, ``unnest`` for what may be there already (its arrays in binary,
``%b``: as text each element is escaped), COPY for what is new. Timeouts ship with the connection, so that a stopped
worker never blocks its successor for long. What can pass by itself (connection lost, lock timeout, disk full,
serialization) becomes ``Retry``: nothing was written, or the commit's answer was lost, and the fence decides later.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, LiteralString

import orjson
import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy.dialects.postgresql import JSONB

from spine.errors import Retry
from spine.journal import DecisionRow, Position
from spine.log import Place
from spine.record import Changes, Outgoing
from spine.telemetry import log

IDLE_IN_TRANSACTION_MS = 15_000
STATEMENT_MS = 60_000
LOCK_MS = 20_000
PUBLISHER_IDLE_MS = 10_000
#: SQLSTATEs, or their classes, after which the same batch may succeed: connection, rollback, resources, operator.
PASSING_CLASSES = ("08", "40", "53", "57", "58")
LOCKED = "55P03"
PASSING = (LOCKED, "25P03", "25P04")


def journal_tables(schema: str) -> sa.MetaData:
    """The journal's tables in ``schema``."""
    meta = sa.MetaData(schema=schema)
    text, blob, day, many = sa.Text, sa.LargeBinary, sa.Date, sa.BigInteger
    sa.Table(
        "source_offset",
        meta,
        sa.Column("topic", text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("next", many, comment="Offset to read next; null while the place is only locked, never read."),
        sa.Column("link", blob, nullable=False, server_default=""),
        sa.Column("tick", day),
    )
    state = sa.Table(
        "state",
        meta,
        sa.Column("key", text, primary_key=True),
        sa.Column("topic", text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("due_on", day),
        sa.Column("body", blob, nullable=False),
        postgresql_with={"fillfactor": "80"},
    )
    sa.Index("state_due", state.c.topic, state.c.partition, state.c.due_on)
    sa.Table(
        "inbox",
        meta,
        sa.Column("event_id", text, primary_key=True),
        sa.Column("seen_on", day, nullable=False, server_default=sa.func.current_date()),
    )
    sa.Table(
        "outbox",
        meta,
        sa.Column("number", many, sa.Identity(), primary_key=True),
        sa.Column("event_id", text, nullable=False),
        sa.Column("topic", text, nullable=False),
        sa.Column("key", text, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("body", blob, nullable=False),
        sa.Column("headers", blob, nullable=False),
        sa.Column("partition", sa.Integer),
    )
    sa.Table(
        "decision",
        meta,
        sa.Column("topic", text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("offset", many, primary_key=True),
        sa.Column("event_id", text, nullable=False, index=True),
        sa.Column("kind", text, nullable=False),
        sa.Column("input_hash", blob, nullable=False),
        sa.Column("state_before", blob, nullable=False),
        sa.Column("state_after", blob, nullable=False),
        sa.Column("effects", JSONB, nullable=False),
        sa.Column("build", text, nullable=False),
        sa.Column("settings", text, nullable=False),
        sa.Column("tick", day),
        sa.Column("note", text, nullable=False),
        sa.Column("link", blob, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    return meta


def engine_for(url: str, schema: str) -> sa.Engine:
    """An engine whose sessions carry the product's timeouts and look in ``schema`` first."""
    options = (
        f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MS} -c statement_timeout={STATEMENT_MS}"
        f" -c lock_timeout={LOCK_MS} -c search_path={schema},public"
    )
    return sa.create_engine(
        sa.make_url(url).set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        pool_size=4,
        hide_parameters=True,
        connect_args={"options": options, "connect_timeout": 10, "application_name": f"hub-{schema}"},
    )


def passes(error: BaseException) -> bool:
    """Whether a database error can go away by itself."""
    if isinstance(error, sa.exc.TimeoutError):
        return True
    origin = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    if not isinstance(origin, psycopg.Error):
        return False
    state = origin.sqlstate
    if state is None:
        return isinstance(origin, psycopg.OperationalError | psycopg.InterfaceError)
    return state in PASSING or state[:2] in PASSING_CLASSES


@contextmanager
def retrying() -> Iterator[None]:
    """Database errors that can pass leave as Retry, with their class and SQLSTATE and without their text."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, psycopg.Error) as error:
        if not passes(error):
            raise
        origin = getattr(error, "orig", None) or error
        raise Retry(f"database: {type(origin).__name__} {getattr(origin, 'sqlstate', None) or ''}".rstrip()) from error


class PostgresJournal:
    """One service's journal in schema ``schema``. ``migrate`` must have run."""

    def __init__(self, url: str, schema: str) -> None:
        self.schema = schema
        self.engine = engine_for(url, schema)
        self._publisher: sa.Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[PostgresTransaction]:
        try:
            with retrying(), self.engine.begin() as connection:
                yield PostgresTransaction(connection)
        except Retry as retry:
            if getattr(getattr(retry.__cause__, "orig", retry.__cause__), "sqlstate", None) == LOCKED:
                self._end_frozen()
            raise

    def _end_frozen(self) -> None:
        """End sessions of this service that have written, have not committed, and whose client says nothing.

        The server's idle timeout does not see a client that froze in the middle of a COPY; its locks would keep the
        partition's new owner out for as long as it stands still. Thawed, it finds its transaction gone.
        """
        query = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = current_setting('application_name') AND pid <> pg_backend_pid()"
            " AND backend_xid IS NOT NULL AND wait_event_type = 'Client'"
            " AND state_change < clock_timestamp() - make_interval(secs => %s)"
        )
        with retrying(), self._cursor() as cursor:
            cursor.execute(query, (IDLE_IN_TRANSACTION_MS / 1000,))
            row = cursor.fetchone()
        if row and row[0]:
            log().warning("frozen_session_ended", count=row[0])

    def positions(self, topic: str) -> Mapping[Place, Position]:
        query = "SELECT partition, next, link, tick FROM source_offset WHERE topic = %s AND next IS NOT NULL"
        with retrying(), self._cursor() as cursor:
            cursor.execute(query, (topic,))
            return {(topic, n): Position(following, link, tick) for n, following, link, tick in cursor}

    def unsent(self, limit: int) -> Sequence[Outgoing]:
        """Read on the connection that holds the publisher's place, where this process holds it: a place lost
        unnoticed shows here (Retry), and a publisher at work keeps its session from being ended as idle."""
        query = (
            "SELECT number, event_id, topic, key, kind, body, headers, partition FROM outbox ORDER BY number LIMIT %s"
        )
        with retrying(), self._publisher_cursor() as cursor:
            cursor.execute(query, (limit,), binary=True)
            return [
                Outgoing(number, event_id, topic, key, kind, body, _headers(headers), partition)
                for number, event_id, topic, key, kind, body, headers, partition in cursor
            ]

    def mark_sent(self, numbers: Iterable[int]) -> None:
        with retrying(), self._cursor() as cursor:
            cursor.execute("DELETE FROM outbox WHERE number = ANY(%s)", (list(numbers),))

    @contextmanager
    def publishing(self) -> Iterator[bool]:
        """The place of the only publisher is a session lock on a connection of its own.

        A publisher that stands still loses its session, and so its place; when it wakes up it can only repeat ids
        that its successor sent.
        """
        number = zlib.crc32(f"publish {self.schema}".encode())
        with retrying(), self.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            try:
                mine = bool(connection.scalar(sa.text("SELECT pg_try_advisory_lock(:n)"), {"n": number}))
                if mine:
                    connection.execute(sa.text(f"SET idle_session_timeout = {PUBLISHER_IDLE_MS}"))
                    self._publisher = connection
                yield mine
            finally:
                self._publisher = None
                # The session goes with the lock: neither it nor its timeout may return to the pool.
                connection.invalidate()

    def decisions(self, topic: str | None = None) -> Iterator[DecisionRow]:
        """Every decision in order of place, for tests and audit."""
        names = (
            'topic, partition, "offset", event_id, kind, input_hash, state_before, state_after, effects, build,'
            " settings, tick, note, link"
        )
        query = f"SELECT {names} FROM decision WHERE %(topic)s::text IS NULL OR topic = %(topic)s ORDER BY 1, 2, 3"
        with retrying(), self._cursor() as cursor:
            cursor.execute(query.encode(), {"topic": topic})
            for row in cursor:
                effects = tuple((identity, bytes.fromhex(digest)) for identity, digest in row[8])
                whole: tuple[Any, ...] = (*row[:8], effects, *row[9:])
                yield DecisionRow(*whole)

    def outbox_size(self) -> int:
        with retrying(), self._cursor() as cursor:
            cursor.execute("SELECT count(*) FROM outbox")
            row = cursor.fetchone()
            return int(row[0]) if row else 0

    def prune_inbox(self, before: date) -> int:
        """Forget ids first seen before ``before``; safe once no topic can repeat them (its retention has passed)."""
        with retrying(), self._cursor() as cursor:
            cursor.execute("DELETE FROM inbox WHERE seen_on < %s", (before,))
            return cursor.rowcount

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _publisher_cursor(self) -> Iterator[psycopg.Cursor[Any]]:
        if self._publisher is None:
            with self._cursor() as cursor:
                yield cursor
        else:
            with _raw(self._publisher).cursor() as cursor:
                yield cursor

    @contextmanager
    def _cursor(self) -> Iterator[psycopg.Cursor[Any]]:
        with self.engine.begin() as connection, _raw(connection).cursor() as cursor:
            yield cursor


class PostgresTransaction:
    """The journal's transaction. ``connection`` lets a processor write its own tables in it."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self._cursor = _raw(connection).cursor()

    def offsets(self, places: Sequence[Place]) -> Mapping[Place, Position]:
        topics, numbers = [p[0] for p in places], [p[1] for p in places]
        chosen = "SELECT * FROM unnest(%s::text[], %s::int[]) AS p(topic, partition) ORDER BY 1, 2"
        self._cursor.execute(
            f"INSERT INTO source_offset (topic, partition) {chosen} ON CONFLICT DO NOTHING".encode(), (topics, numbers)
        )
        self._cursor.execute(
            "SELECT topic, partition, next, link, tick FROM source_offset WHERE (topic, partition) IN"
            " (SELECT * FROM unnest(%s::text[], %s::int[])) ORDER BY topic, partition FOR UPDATE",
            (topics, numbers),
        )
        return {(t, n): Position(following, link, tick) for t, n, following, link, tick in self._cursor if following}

    def set_offsets(self, positions: Mapping[Place, Position]) -> None:
        self._cursor.execute(
            "INSERT INTO source_offset (topic, partition, next, link, tick)"
            " SELECT * FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bytea[], %s::date[])"
            " ON CONFLICT (topic, partition)"
            " DO UPDATE SET next = excluded.next, link = excluded.link, tick = excluded.tick",
            (
                [place[0] for place in positions],
                [place[1] for place in positions],
                [p.next for p in positions.values()],
                [p.link for p in positions.values()],
                [p.tick for p in positions.values()],
            ),
        )

    def load(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        if not keys:
            return {}
        self._cursor.execute("SELECT key, body FROM state WHERE key = ANY(%b)", (list(keys),), binary=True)
        return dict(self._cursor)

    def load_partition(self, place: Place, before: str | None = None) -> Iterator[tuple[str, bytes]]:
        """Streams through a server-side cursor, so that a large partition never stands twice in memory."""
        chosen = 'topic = %s AND partition = %s AND (%s::text IS NULL OR key COLLATE "C" < %s)'
        query = f'SELECT key, body FROM state WHERE {chosen} ORDER BY key COLLATE "C"'
        with _raw(self.connection).cursor(name="load_partition") as cursor:
            cursor.itersize = 5_000
            cursor.execute(query.encode(), (*place, before, before), binary=True)
            yield from cursor

    def keep(self) -> None:
        self._cursor.execute("SELECT 1")

    def due(self, place: Place, on: date) -> Sequence[str]:
        query = "SELECT key FROM state WHERE topic = %s AND partition = %s AND due_on <= %s"
        self._cursor.execute(query, (*place, on))
        return sorted(key for (key,) in self._cursor)

    def seen(self, event_ids: Sequence[str]) -> set[str]:
        if not event_ids:
            return set()
        self._cursor.execute("SELECT event_id FROM inbox WHERE event_id = ANY(%b)", (list(event_ids),))
        return {event_id for (event_id,) in self._cursor}

    def remember(self, event_ids: Sequence[str]) -> None:
        """An id that another partition's batch remembered meanwhile means Retry: the next try sees it."""
        try:
            self._copy("COPY inbox (event_id) FROM STDIN (FORMAT BINARY)", ("text",), [(i,) for i in event_ids])
        except psycopg.errors.UniqueViolation as error:
            raise Retry("an input was decided in another partition meanwhile") from error

    def save(self, place: Place, changes: Changes) -> None:
        states = changes.states
        if states:
            self._cursor.execute(
                "INSERT INTO state (topic, partition, key, body, due_on)"
                " SELECT %s, %s, * FROM unnest(%b::text[], %b::bytea[], %s::date[])"
                " ON CONFLICT (key) DO UPDATE SET topic = excluded.topic, partition = excluded.partition,"
                " body = excluded.body, due_on = excluded.due_on",
                (*place, list(states), [body for body, _ in states.values()], [due for _, due in states.values()]),
            )
        if changes.deleted:
            self._cursor.execute("DELETE FROM state WHERE key = ANY(%s)", (sorted(changes.deleted),))

    def enqueue(self, outgoing: Sequence[Outgoing]) -> None:
        self._copy(
            "COPY outbox (event_id, topic, key, kind, body, headers, partition) FROM STDIN (FORMAT BINARY)",
            ("text", "text", "text", "text", "bytea", "bytea", "int4"),
            [(o.event_id, o.topic, o.key, o.kind, o.body, _headers_body(o.headers), o.partition) for o in outgoing],
        )

    def record(self, rows: Sequence[DecisionRow]) -> None:
        self._copy(
            'COPY decision (topic, partition, "offset", event_id, kind, input_hash, state_before, state_after, effects,'
            " build, settings, tick, note, link) FROM STDIN (FORMAT BINARY)",
            _DECISION_TYPES,
            [_decision(row) for row in rows],
        )

    def _copy(self, statement: LiteralString, types: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        with self._cursor.copy(sql.SQL(statement)) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)


_DECISION_TYPES = (
    *("text", "int4", "int8", "text", "text", "bytea", "bytea", "bytea", "jsonb", "text", "text", "date", "text"),
    "bytea",
)


def _decision(row: DecisionRow) -> tuple[Any, ...]:
    effects = Jsonb([[identity, digest.hex()] for identity, digest in row.effects], dumps=orjson.dumps)
    place = (row.topic, row.partition, row.offset, row.event_id, row.kind)
    hashes = (row.input_hash, row.state_before, row.state_after, effects)
    return (*place, *hashes, row.build, row.settings, row.tick, row.note, row.link)


def _headers_body(headers: tuple[tuple[str, bytes], ...]) -> bytes:
    return orjson.dumps([[name, value.hex()] for name, value in headers]) if headers else b""


def _headers(body: bytes) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, bytes.fromhex(value)) for name, value in orjson.loads(body)) if body else ()


def _raw(connection: sa.Connection) -> psycopg.Connection[Any]:
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    return raw
