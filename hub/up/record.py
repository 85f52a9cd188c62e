"""What runs on this machine, as the supervisor writes it to ``run.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """One process. ``state``: up, restarting, halted or stopped. ``born`` tells it from a later one with its id."""

    name: str
    pid: int
    born: float
    state: str = "up"
    port: int | None = None
    restarts: int = 0
    exit_code: int | None = None

    def running(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            # Two clocks' worth of rounding: the kernel counts a start in hundredths of a second.
            return abs(process.create_time() - self.born) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The machine's hub: its supervisor, its processes in order of start, its addresses."""

    supervisor: ProcessRecord
    ready: bool
    processes: tuple[ProcessRecord, ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        new = path.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(asdict(self), indent=1))
        new.replace(path)

    def halted(self) -> list[str]:
        return [process.name for process in self.processes if process.state == "halted"]


def read_run(path: Path) -> RunRecord | None:
    """The record, or None where no hub was started or it was taken down."""
    try:
        read = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return RunRecord(
        ProcessRecord(**read["supervisor"]),
        read["ready"],
        tuple(ProcessRecord(**process) for process in read["processes"]),
        read["addresses"],
    )


def born(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0
