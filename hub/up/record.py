"""What runs on this machine, as the supervisor writes it to ``run.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from spine.errors import Retry
from spine.kafka import Broker


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
    #: Of a broker whose users have passwords: ``protocol``, ``ca_file``, ``admin``, and the folder ``passwords``.
    secure: Mapping[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        new = path.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(asdict(self), indent=1))
        new.replace(path)

    def broker(self, user: str = "hub-operator") -> Broker:
        """The broker as ``user`` reaches it; in the clear everybody is the same. Raises Retry without a password."""
        return broker_as(self.addresses["kafka"], self.secure, user)

    def administered(self) -> Broker:
        """The broker as its administrator reaches it."""
        return self.broker(self.secure.get("admin", ""))

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
        read.get("secure", {}),
    )


def broker_as(address: str, secure: Mapping[str, str], user: str) -> Broker:
    """The broker of this machine for a user whose password's file is there. Raises Retry if it is not."""
    if not secure:
        return Broker(address)
    path = Path(secure["passwords"]) / f"{user}.password"
    try:
        password = path.read_text().strip()
    except OSError as error:
        raise Retry(f"no password of {user}: {path}: {error.strerror}") from error
    return Broker(address, secure["protocol"], user, password, secure["ca_file"])


def born(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0
