"""A process that is asked to stop hears it, whatever it was doing at that moment."""

from __future__ import annotations

import signal
import subprocess
import sys

#: It spends nearly all its time in the log and in asking ``stop``: under a lock, where a handler may interrupt it.
TALKS = """
import threading, time
from spine.service import on_signals
from spine.telemetry import log, setup
setup("toy")
stop = threading.Event()
on_signals(stop, 30)
until = time.monotonic() + 20
while not stop.wait(1e-6) and time.monotonic() < until:
    log().info("stopped", seconds=0.0, code=0)
raise SystemExit(0 if stop.is_set() else 9)
"""


def test_a_process_that_is_writing_its_log_hears_that_it_shall_stop() -> None:
    command = [sys.executable, "-c", TALKS]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(3)]
    try:
        for process in started:
            assert process.stdout is not None
            for _ in range(50):
                process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=10)
            assert process.returncode == 0
    finally:
        for process in started:
            process.kill()
            process.communicate()
