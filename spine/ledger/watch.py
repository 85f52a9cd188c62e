"""Whether the ledger keeps up: without a checkpoint for too long nothing more is accepted (promise 8).

Asked before each append and looked up seldom. The age of the last round is the database's; while the database does not
answer it goes on growing here, so that a ledger that nobody can see is a ledger that makes no checkpoints.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

import psycopg

from spine.clock import now
from spine.errors import Retry
from spine.record import Outgoing
from spine.telemetry import metrics

LOOK_SECONDS = 30.0
CONNECT_SECONDS = 5


class NoCheckpoint(Retry):
    """The ledger made no checkpoint for too long: what is accepted now could be denied later."""


class Watch:
    """Over the ledger of the database at ``url``. ``hours_max``: how old its last round may be."""

    def __init__(self, url: str, hours_max: float = 4, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._hours_max, self._clock = url, hours_max, clock
        # A ledger that was never there has as long as one that stopped when this process began.
        self._made, self._looked = clock(), float("-inf")
        self._why = "no round of the ledger has ended yet; is its process running?"
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raises NoCheckpoint, with the reason."""
        if self._clock() - self._looked >= LOOK_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._look()
                self._looked = self._clock()
            finally:
                self._lock.release()
        hours = (self._clock() - self._made) / 3600
        if hours > self._hours_max:
            raise NoCheckpoint(f"no checkpoint of the ledger for {hours:.1f} hours: {self._why}")

    def _look(self) -> None:
        query = "SELECT extract(epoch FROM clock_timestamp() - made_at)::float8, problem FROM audit.beat"
        try:
            with psycopg.connect(self._url, connect_timeout=CONNECT_SECONDS) as connection:
                row = connection.execute(query).fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return
        except psycopg.Error:
            self._why = "the database does not answer"
            return
        if row is not None:
            self._made = self._clock() - row[0]
            metrics().gauge("hub_ledger_checkpoint_timestamp_seconds", now().timestamp() - row[0])
            self._why = row[1] or "the process that makes them does not run"


class _Appends(Protocol):
    def append(self, records: Iterable[Outgoing]) -> None: ...


class WatchedLog:
    """A door's log: it takes records while the ledger keeps up; ``append`` raises NoCheckpoint otherwise."""

    def __init__(self, log: _Appends, watch: Watch) -> None:
        self._log, self._watch = log, watch

    def append(self, records: Iterable[Outgoing]) -> None:
        self._watch.check()
        self._log.append(records)
