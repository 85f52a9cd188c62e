"""One appender in front of the log: requests that wait together are appended together; each learns the result."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Protocol

from spine.errors import Retry
from spine.record import Outgoing

RECORDS_WAITING_MAX = 20_000
REQUESTS_TOGETHER_MAX = 200
BEAT_SECONDS = 5.0

_Waiting = tuple[Sequence[Outgoing], "Future[None]"]


class Busy(Exception):
    """Too much waits already: the sender should slow down."""


class Appends(Protocol):
    """The end of a ``spine.log.Log`` that takes records."""

    def append(self, records: Iterable[Outgoing]) -> None: ...


class Appender:
    """Thread-safe. ``append`` returns when the records are durable; raises Retry if they may not be, or Busy."""

    def __init__(self, log: Appends, beat: Callable[[], None] = lambda: None) -> None:
        self._log = log
        self._beat = beat
        self._queue: queue.Queue[_Waiting | None] = queue.Queue()
        self._records = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="door-appender", daemon=True)
        self._thread.start()

    def append(self, records: Sequence[Outgoing]) -> None:
        if not records:
            return
        done: Future[None] = Future()
        with self._lock:
            if self._records + len(records) > RECORDS_WAITING_MAX:
                raise Busy
            self._records += len(records)
        self._queue.put((records, done))
        done.result()

    def close(self) -> None:
        """Append what waits, then stop."""
        self._queue.put(None)
        self._thread.join(timeout=40)

    def _run(self) -> None:
        while True:
            # Health follows this thread: if it hangs in the broker, the process is not alive.
            self._beat()
            try:
                first = self._queue.get(timeout=BEAT_SECONDS)
            except queue.Empty:
                continue
            if first is None:
                return
            batch, last = [first], False
            while len(batch) < REQUESTS_TOGETHER_MAX:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                    break
                batch.append(following)
            self._together(batch)
            if last:
                return

    def _together(self, batch: Sequence[_Waiting]) -> None:
        records = [record for waiting, _ in batch for record in waiting]
        error: BaseException | None = None
        try:
            self._log.append(records)
        except Retry as failed:
            error = failed
        except Exception as failed:
            # The thread must live: a fault of one batch is told to its requests, not to all that follow.
            error = Retry(f"append failed: {type(failed).__name__}")
        with self._lock:
            self._records -= len(records)
        for _, done in batch:
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
