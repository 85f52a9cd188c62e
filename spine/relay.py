"""The publisher's own thread: woken after each step, one per service (the others wait for its place)."""

from __future__ import annotations

import random
import threading
import time

from spine.errors import Retry
from spine.journal import Journal
from spine.log import Log
from spine.publisher import publish
from spine.telemetry import log, metrics

IDLE_SECONDS = 0.25
BACKOFF_SECONDS_MAX = 10.0
LEAVE_SECONDS_MAX = 20.0


class Relay:
    """Publishes until ``leave``; ``failure`` holds what ended it otherwise, and ``stop`` is set then."""

    def __init__(self, service: str, journal: Journal, held: Log, stop: threading.Event) -> None:
        self.failure: BaseException | None = None
        self._service, self._journal, self._log, self._stop = service, journal, held, stop
        self._wake, self._leave = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def leave(self) -> None:
        """Publish what is there, for a bounded time, and end."""
        self._leave.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(LEAVE_SECONDS_MAX)

    def _run(self) -> None:
        attempt = 0
        try:
            while True:
                try:
                    self._as_only_publisher()
                    attempt = 0
                except Retry as retry:
                    attempt += 1
                    seconds = min(BACKOFF_SECONDS_MAX, 0.1 * 2**attempt) * random.uniform(0.5, 1)
                    log().warning(
                        "retry", where="publish", reason=str(retry), attempt=attempt, seconds=round(seconds, 2)
                    )
                    metrics().count("hub_retries_total", service=self._service, where="publish")
                    self._leave.wait(seconds)
                if self._leave.is_set():
                    return
        except BaseException as error:
            self.failure = error
            self._stop.set()

    def _as_only_publisher(self) -> None:
        with self._journal.publishing() as mine:
            if not mine:
                self._leave.wait(1)
                return
            log().info("publisher", mine=True)
            metrics().gauge("hub_publisher", 1, service=self._service)
            try:
                self._publish_until_left()
            finally:
                metrics().gauge("hub_publisher", 0, service=self._service)

    def _publish_until_left(self) -> None:
        while True:
            self._wake.clear()
            sent = publish(self._journal, self._log)
            if sent:
                metrics().count("hub_published_total", sent, service=self._service)
            metrics().gauge("hub_outbox_rows", 0 if sent == 0 else sent, service=self._service)
            if sent == 0:
                if self._leave.is_set():
                    return
                self._wake.wait(IDLE_SECONDS)
            elif sent < 20:
                # A breath lets the next steps' rows join: fewer, larger transactions.
                time.sleep(0.002)
