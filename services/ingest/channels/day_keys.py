"""The keys of days under which bodies of submissions are sealed: made ahead, and destroyed when their time is over."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow
from ruamel.yaml import YAML

from spine.errors import Halt, Retry
from spine.keystore import Erased
from spine.postgres import LOCK_MS, STATEMENT_MS, retrying
from spine.seal import SealBroken, Sealer
from spine.telemetry import log

DAY_KEY_BYTES = 32
#: Keys made ahead: doors go on while ingest or the database is away, also over a midnight.
AHEAD_DAYS = 7
#: Doors use no younger key: while a version is rolled out, a gate from before may still be at work.
SETTLE_SECONDS = 3600.0
#: How often a door looks for a key that is not there yet.
LOOK = timedelta(seconds=10)
REMEMBER_SECONDS = 60.0
#: Ingest has not migrated its schema yet.
NO_TABLES = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)
ROUND_SECONDS = 3600.0
#: Where a folder of contracts from before does not say.
READABLE_DAYS = 40
SETTING = "submission_readable_days"

_READ: LiteralString = "SELECT day, wrapped FROM ingest.day_key WHERE day = ANY(%s)"
#: In a hub that has decided nothing yet no gate from before can be at work: doors may begin at once.
_NEW: LiteralString = (
    "INSERT INTO ingest.day_key (day, wrapped, made_at)"
    " SELECT made.*, now() - make_interval(secs => CASE WHEN EXISTS (SELECT 1 FROM ingest.decision) THEN 0 ELSE %s END)"
    " FROM unnest(%s::date[], %s::bytea[]) AS made ON CONFLICT DO NOTHING"
)
_DESTROY: LiteralString = (
    "UPDATE ingest.day_key SET wrapped = NULL, destroyed_at = now() WHERE day < %s AND wrapped IS NOT NULL"
)
_STANDING: LiteralString = (
    "SELECT day, wrapped FROM ingest.day_key WHERE wrapped IS NOT NULL"
    " AND made_at <= now() - make_interval(secs => %s) ORDER BY day DESC LIMIT 40"
)
_OVERDUE: LiteralString = "SELECT count(day) FROM ingest.day_key WHERE day < %s AND destroyed_at IS NULL"


class PostgresDays:
    """``Days`` in table ``ingest.day_key``, each wrapped under the root and bound to its day. Thread-safe."""

    def __init__(self, url: str, root: Sealer, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._url, self._root, self._now = url, root, now
        self._turn = threading.Lock()
        self._ahead: dict[date, bytes] = {}
        self._looked_at = datetime.min.replace(tzinfo=UTC)
        self._read: dict[date, bytes] = {}
        self._read_at = now()

    def today(self) -> tuple[date, bytes] | None:
        """Of the keys that ingest has made, today's; else the one before it: events are taken, and live a little
        shorter. So it is while the database is away, too. None until ingest has made the first, an hour ago."""
        with self._turn:
            if self._stale():
                try:
                    self._look()
                except Retry:
                    if not self._ahead:
                        raise
            held = max((day for day in self._ahead if day <= self._now().date()), default=None)
            return None if held is None else (held, self._ahead[held])

    def _stale(self) -> bool:
        return self._now().date() not in self._ahead and self._now() - self._looked_at > LOOK

    def _look(self) -> None:
        try:
            with self._connection() as connection:
                found = connection.execute(_STANDING, (SETTLE_SECONDS,)).fetchall()
        except NO_TABLES:
            found = []
        self._ahead = {day: self._unwrapped(day, bytes(wrapped)) for day, wrapped in found}
        self._looked_at = self._now()

    def key(self, day: date) -> bytes:
        with self._turn:
            if (self._now() - self._read_at).total_seconds() > REMEMBER_SECONDS:
                self._read, self._read_at = {}, self._now()
            if day not in self._read:
                held = self.keys([day])
                if day not in held:
                    raise Halt(f"the key of submissions of {day} is not in the database: restore it before going on")
                key = held[day]
                if key is None:
                    raise Erased(f"submissions of {day}")
                self._read[day] = key
            return self._read[day]

    def keys(self, days: Iterable[date]) -> Mapping[date, bytes | None]:
        """The keys themselves, for a replay that can't ask for them; None for one that was destroyed. Raises Retry."""
        with self._connection() as connection:
            found = connection.execute(_READ, (sorted(set(days)),)).fetchall()
        return {day: None if wrapped is None else self._unwrapped(day, bytes(wrapped)) for day, wrapped in found}

    def round(self, readable_days: int) -> int:
        """Make what is needed ahead, and destroy what is older than ``readable_days``; how many went. Raises Retry."""
        day = self._now().date()
        wanted = [day + timedelta(days=n) for n in range(AHEAD_DAYS)]
        # Another process may have made one first: what stands is the key.
        wrapped = [self._root.seal(os.urandom(DAY_KEY_BYTES), _about(one)) for one in wanted]
        with self._connection() as connection:
            connection.execute(_NEW, (SETTLE_SECONDS, wanted, wrapped))
            return connection.execute(_DESTROY, (day - timedelta(days=readable_days),)).rowcount

    def _unwrapped(self, day: date, wrapped: bytes) -> bytes:
        try:
            return self._root.open(wrapped, _about(day))
        except SealBroken:
            raise Halt(f"HUB_SEAL_KEY_FILE does not open the key of submissions of {day}: give the hub's own") from None

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[TupleRow]]:
        """For one errand: keys are asked for some times a day. Raises Retry."""
        options = f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={LOCK_MS}"
        with (
            retrying(),
            psycopg.connect(
                self._url, autocommit=True, options=options, connect_timeout=10, application_name="hub-ingest-days"
            ) as connection,
        ):
            yield connection


class Rounds:
    """Keys made ahead and destroyed in time, beside a process that runs; ``close`` ends it."""

    def __init__(self, days: PostgresDays, readable_days: int, seconds: float = ROUND_SECONDS) -> None:
        self._days, self._readable_days, self._seconds = days, readable_days, seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="day-keys", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while True:
            # While the database is away the service itself says so; `hub doctor` names a key that stands too long.
            with suppress(Retry):
                if gone := self._days.round(self._readable_days):
                    log().info("day_keys_destroyed", count=gone)
            if self._stop.wait(self._seconds):
                return


def readable_days(contracts: Path) -> int:
    """For how many days what a partner sent can be read at most, from policy/governance.yaml. Raises Halt."""
    read = YAML(typ="safe").load(contracts / "policy" / "governance.yaml").get(SETTING, READABLE_DAYS)
    if not isinstance(read, int) or read < 1:
        raise Halt(f"policy/governance.yaml: {SETTING} is a whole number above 0")
    return read


def overdue(connection: psycopg.Connection[TupleRow], today: date, readable_days: int) -> int:
    """Keys that stand a day longer than they may: nobody destroys them."""
    try:
        row = connection.execute(_OVERDUE, (today - timedelta(days=readable_days + 1),)).fetchone()
    except NO_TABLES:
        return 0
    return int(row[0]) if row else 0


def _about(day: date) -> bytes:
    return f"submissions of {day}".encode()
