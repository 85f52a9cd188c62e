"""Keeps children running: a crash is restarted after a growing pause, a halt stays down for a person to look at."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hub.machine.process import end_all, spawn
from hub.up.record import ProcessRecord, born

#: Exit code by which a service says ``Halt``: going on would lose or double something.
HALT = 3
PAUSE_SECONDS_MIN = 0.5
PAUSE_SECONDS_MAX = 30.0
STEADY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep: what to run, and the port it serves, if any."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None


@dataclass(slots=True)
class _Kept:
    child: Child
    process: subprocess.Popen[bytes] | None = None
    record: ProcessRecord | None = None
    restarts: int = 0
    started_at: float = 0.0
    again_at: float = 0.0


def pause_after(restarts: int) -> float:
    """Seconds to wait before start number ``restarts`` + 1."""
    return min(PAUSE_SECONDS_MIN * 2.0 ** min(restarts, 16), PAUSE_SECONDS_MAX)


class Supervisor:
    """Starts ``children`` in order and watches them until ``stop``. ``changed`` is told after every change."""

    def __init__(self, children: Sequence[Child], logs: Path, changed: Callable[[], None]) -> None:
        self._kept = [_Kept(child) for child in children]
        self._logs = logs
        self._changed = changed

    def start(self) -> None:
        for kept in self._kept:
            self._start(kept)
        self._changed()

    def watch(self) -> None:
        """One look at every child."""
        moved = [kept for kept in self._kept if self._look(kept)]
        if moved:
            self._changed()

    def records(self) -> tuple[ProcessRecord, ...]:
        return tuple(kept.record for kept in self._kept if kept.record is not None)

    def stop(self) -> None:
        """End the children, all at once: each can do without the others, and their servers go later."""
        running = [kept.process for kept in reversed(self._kept) if kept.process is not None]
        end_all([process.pid for process in running if process.poll() is None])
        for process in running:
            process.poll()
        self._changed()

    def _start(self, kept: _Kept) -> None:
        child = kept.child
        env = {**os.environ, **child.env}
        kept.process = spawn(child.command, self._logs / f"{child.name}.log", env=env)
        kept.started_at = time.monotonic()
        pid = kept.process.pid
        kept.record = ProcessRecord(child.name, pid, born(pid), "up", child.port, kept.restarts)

    def _look(self, kept: _Kept) -> bool:
        """True if the child's state changed."""
        assert kept.record is not None
        if kept.process is None:
            if kept.record.state == "restarting" and time.monotonic() >= kept.again_at:
                self._start(kept)
                return True
            return False
        code = kept.process.poll()
        if code is None:
            return False
        self._ended(kept, kept.record, code)
        return True

    def _ended(self, kept: _Kept, record: ProcessRecord, code: int) -> None:
        now = time.monotonic()
        if now - kept.started_at > STEADY_SECONDS:
            kept.restarts = 0
        kept.process = None
        kept.again_at = now + pause_after(kept.restarts)
        kept.restarts += 1
        state = "halted" if code == HALT else "restarting"
        kept.record = ProcessRecord(record.name, record.pid, record.born, state, record.port, kept.restarts, code)
