"""``python -m spine.ledger run``: the process ``ledger``, which makes leaves and checkpoints until it is stopped.

Exit codes as every service's: 0 stopped, 1 failed, 3 halted (a row is gone, or there is no key), 4 the database did not
answer at the start.
"""

from __future__ import annotations

import sys
import threading
import time

from spine.clock import now
from spine.errors import Halt, Retry
from spine.health import HealthServer
from spine.ledger.sequencer import Ledger
from spine.ledger.settings import LedgerSettings
from spine.migrate import migrate_ledger
from spine.progress import Progress
from spine.service import FAILED, HALTED, NOT_READY, STOPPED, on_signals
from spine.settings import Settings
from spine.telemetry import log, metrics, setup, where


def run() -> int:
    setup("ledger")
    shared, own, stop, begun = Settings(), LedgerSettings(), threading.Event(), time.monotonic()
    on_signals(stop, shared.stop_seconds_max)
    code, url = FAILED, shared.postgres.get_secret_value()
    try:
        if not _migrated(url, stop, begun + shared.start_seconds_max):
            return STOPPED if stop.is_set() else NOT_READY
        ledger = Ledger(url, own.signer(), own.origin)
        progress = Progress()
        health = HealthServer(progress, shared.health_port, shared.health_host)
        health.start()
        log().info("started", host="ledger", seconds=round(time.monotonic() - begun, 1), port=health.port)
        _rounds(ledger, own.seconds, stop, progress)
        health.stop()
        code = STOPPED
    except Halt as halt:
        log().critical("halt", reason=str(halt))
        code = HALTED
    except Exception as error:
        log().critical("failed", error=type(error).__name__, at=where(error))
    log().info("stopped", seconds=round(time.monotonic() - begun, 1), code=code)
    return code


def _migrated(url: str, stop: threading.Event, deadline: float) -> bool:
    while not stop.is_set() and time.monotonic() < deadline:
        try:
            migrate_ledger(url)
            return True
        except Retry as retry:
            log().warning("retry", where="start", reason=str(retry))
            stop.wait(0.5)
    return False


def _rounds(ledger: Ledger, seconds: float, stop: threading.Event, progress: Progress) -> None:
    """Every ``seconds``, and at the end once more, so that a hub taken down stands under its checkpoints."""
    while True:
        try:
            grown = {tree: count for tree, count in ledger.round().items() if count}
            if grown:
                log().info("checkpointed", count=sum(grown.values()))
            progress.state = "running"
            metrics().gauge("hub_ledger_checkpoint_timestamp_seconds", now().timestamp())
        except Retry as retry:
            progress.state = "retrying: ledger"
            log().warning("retry", where="ledger", reason=str(retry))
        progress.alive()
        if stop.is_set():
            return
        stop.wait(seconds)


if __name__ == "__main__":
    if sys.argv[1:] != ["run"]:
        sys.exit("usage: python -m spine.ledger run")
    sys.exit(run())
