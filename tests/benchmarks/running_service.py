"""A service's process over its input on the log: what it spends from its first decision to its last."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from hub.machine.process import end
from spine.log import Place
from spine.postgres import PostgresJournal

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 900


def run(
    name: str, place: Place, settings: dict[str, str], count: int, profile: Path | None
) -> tuple[float, float, int]:
    """CPU seconds, wall seconds and resident bytes of the process of service ``name``, for the ``count`` records of a
    place. ``settings`` are its environment; ``profile``: a file for a cProfile of the thread that decides."""
    environment = {**os.environ, "HUB_REGISTRY": "", **settings}
    command = [sys.executable, "-m", f"services.{name}", "run"]
    if profile:
        command = [sys.executable, "-m", "cProfile", "-o", str(profile), *command[1:]]
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = PostgresJournal(settings["HUB_POSTGRES"], name)
    try:
        measured, deadline = psutil.Process(process.pid), time.monotonic() + SECONDS_MAX
        begun: tuple[float, float, int] | None = None
        while True:
            assert process.poll() is None, "the service ended"
            assert time.monotonic() < deadline, "the service does not get through"
            done = _done(journal, place)
            if done and begun is None:
                begun = (_cpu(measured), time.monotonic(), done)
            if done >= count and journal.outbox_size() == 0:
                break
            time.sleep(0.05)
        assert begun is not None
        cpu, wall = _cpu(measured) - begun[0], time.monotonic() - begun[1]
        share = count / (count - begun[2])
        return cpu * share, wall * share, measured.memory_info().rss
    finally:
        journal.close()
        end(process.pid)
        process.wait()


def _done(journal: PostgresJournal, place: Place) -> int:
    try:
        position = journal.positions(place[0]).get(place)
    except Exception as error:
        # Before the service has made its tables.
        if "UndefinedTable" not in f"{type(error).__name__} {type(getattr(error, 'orig', None)).__name__}":
            raise
        return 0
    return position.next if position else 0


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
