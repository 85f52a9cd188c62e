"""Starting and ending one server process: its own group, its output in a file, its end awaited."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


class MachineError(Exception):
    """A server can't be had on this machine. The message says what to install or set."""


@dataclass(frozen=True, slots=True)
class Server:
    """A started server: where it answers, its process, its folder."""

    address: str
    pid: int
    folder: Path
    log: Path

    def running(self) -> bool:
        return alive(self.pid)


def spawn(
    command: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: str | None = None,
    guard: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start ``command`` in a session of its own, appending both outputs to ``log``.

    With ``guard`` it ends when the process of that id does, however that one ended.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if guard is not None:
        # The guard itself stays root: another user may not be able to read this interpreter's folder.
        command = [sys.executable, "-m", "hub.machine.guard", str(guard), user or "-", *command]
        user = None
    with log.open("ab") as out:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            user=user,
            extra_groups=[] if user is not None else None,
            start_new_session=True,
        )


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended but was not collected by its parent does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end_all(pids: Sequence[int], seconds_max: float = 20) -> None:
    """Ask all of them to end, then wait for all: one after the other takes a second each. Kills what remains."""
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, remaining = psutil.wait_procs(processes, seconds_max)
    for process in remaining:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(remaining, 10)


def end(pid: int, how: signal.Signals = signal.SIGTERM, seconds_max: float = 20) -> bool:
    """Ask the process to end and wait; kill it after ``seconds_max``. True if it ended by itself."""
    try:
        process = psutil.Process(pid)
        process.send_signal(how)
    except psutil.NoSuchProcess:
        return True
    try:
        process.wait(seconds_max)
        return True
    except psutil.TimeoutExpired:
        os.kill(pid, signal.SIGKILL)
        process.wait(10)
        return False


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a server's own log, for the error that says it did not start."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
