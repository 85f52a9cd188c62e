"""The processes of the files door: ``files`` looks into the drop folders in rounds, ``sftp`` serves them to partners.

Settings: HUB_FILES (root of the folders), HUB_FILES_QUIET_SECONDS, HUB_FILES_ROUND_SECONDS; HUB_SFTP_HOST,
HUB_SFTP_PORT, HUB_SFTP_KEYS (folder of ``<party>.pub``), HUB_SFTP_HOST_KEY (made if it is missing).
HUB_SIMULATED_CLOCK=1 (demo): files arrive when ``.hub/simulated_time`` says.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from services.ingest.agent import Gates, sealer_of_environment
from services.ingest.channels.files.batch import FilesDoor
from services.ingest.channels.files.folder import QUIET_SECONDS, Folder
from services.ingest.channels.files.mapping import MappingWrong, PartyMapping, load_mappings
from services.ingest.channels.files.places import PRIVATE, SIMULATED
from services.ingest.channels.live import LiveGate
from services.ingest.door import Door
from services.ingest.fields import type_specs
from spine import traces
from spine.clock import now
from spine.errors import Retry
from spine.health import HealthServer
from spine.ledger.settings import watch_of
from spine.ledger.watch import WatchedLog
from spine.progress import Progress
from spine.schema import Catalogue
from spine.service import HALTED, on_signals, prepare
from spine.settings import Settings
from spine.telemetry import log, setup

if TYPE_CHECKING:
    from services.ingest.channels.files.sftp_site import Site

ROUND_SECONDS = 5.0
SERVICE = "ingest-files"


def files() -> None:
    """Look into the drop folders until SIGTERM; a file that has begun is read again after the next start."""
    setup(SERVICE)
    traces.begin("files")
    settings, stop = Settings(), threading.Event()
    on_signals(stop, settings.stop_seconds_max)
    mappings = _mappings(settings.contracts, Catalogue([settings.schemas]))
    prepared = prepare("ingest", ("submissions",), settings)
    progress = Progress(state="running")
    health = HealthServer(progress, prepared.settings.health_port, prepared.settings.health_host)
    health.start()
    root = root_of_environment()
    gate = LiveGate(prepared.journal, Gates(prepared.catalogue, settings.contracts), time.monotonic)

    def beat() -> None:
        # A large file is read for minutes: each few hundred rows are a sign of life, and a place to stop.
        progress.alive()
        if stop.is_set():
            raise Retry("stopping")

    clock = _simulated(root) if os.environ.get("HUB_SIMULATED_CLOCK") == "1" else now
    watched = WatchedLog(prepared.log, watch_of(prepared.settings))
    door = FilesDoor(Door(sealer_of_environment(), prepared.catalogue), gate, watched.append, clock, beat=beat)
    quiet = float(os.environ.get("HUB_FILES_QUIET_SECONDS", QUIET_SECONDS))
    log().info("started", host="files", topics=["submissions"])
    try:
        with alone(root):
            folders = [
                Folder(root, mapping, door, time.monotonic, quiet, test=test)
                for mapping in mappings.values()
                for test in (False, True)
            ]
            seconds = float(os.environ.get("HUB_FILES_ROUND_SECONDS", ROUND_SECONDS))
            rounds(folders, stop, seconds, progress.alive)
    finally:
        health.stop()
        prepared.close()
        traces.end()
        log().info("stopped", code=0)


def rounds(folders: Sequence[Folder], stop: threading.Event, seconds: float, beat: Callable[[], None]) -> None:
    """Look into all folders again and again. What can't be done now lies there still."""
    while not stop.is_set():
        for folder in folders:
            beat()
            try:
                folder.round(stop.is_set)
            except Retry as retry:
                log().warning("file_waits", party=folder.party, reason=str(retry))
            except sqlite3.Error:
                # Full, locked, damaged: nothing is taken without it, or a snapshot could shrink unseen.
                log().warning("file_waits", party=folder.party, reason="ledger")
            except OSError as error:
                log().warning("file_waits", party=folder.party, reason=type(error).__name__)
        stop.wait(seconds)


def sftp() -> None:
    """Serve the drop folders over SFTP until SIGTERM."""
    # Imported here: asyncssh is large, and the other doors have no use for it.
    from services.ingest.channels.files.sftp_site import Site

    setup("ingest-sftp")
    settings = Settings()
    mappings = _mappings(settings.contracts, Catalogue([settings.schemas]))
    root = root_of_environment()
    site = Site(root, Path(os.environ["HUB_SFTP_KEYS"]), frozenset(mappings))
    host, port = os.environ.get("HUB_SFTP_HOST", "127.0.0.1"), int(os.environ.get("HUB_SFTP_PORT", "2222"))
    host_key = Path(os.environ.get("HUB_SFTP_HOST_KEY", root / PRIVATE / "sftp_host_key"))
    progress = Progress(state="running")
    health = HealthServer(progress, settings.health_port, settings.health_host)
    health.start()
    try:
        asyncio.run(_serve(site, host, port, host_key, progress))
    finally:
        health.stop()
        log().info("stopped", code=0)


async def _serve(site: Site, host: str, port: int, host_key: Path, progress: Progress) -> None:
    from services.ingest.channels.files.sftp import listen

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await listen(site, host, port, host_key)
    log().info("started", host="sftp", topics=[], port=server.get_port())
    while not stop.is_set():
        progress.alive()
        try:
            await asyncio.wait_for(stop.wait(), ROUND_SECONDS)
        except TimeoutError:
            continue
    server.close()
    await server.wait_closed()


def root_of_environment() -> Path:
    """HUB_FILES, or ``files`` in the hub's home."""
    return Path(os.environ.get("HUB_FILES") or Path(os.environ.get("HUB_HOME", ".hub")) / "files").absolute()


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold the root: two doors on one folder would read one file twice. Waits for the other to end."""
    (root / PRIVATE).mkdir(parents=True, exist_ok=True, mode=0o700)
    with (root / PRIVATE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in (root / PRIVATE / "work").glob("*"):
            left.unlink()
        yield


def _simulated(root: Path) -> Callable[[], datetime]:
    """The demo's clock: the moment that stands in a file which no partner reaches, if there is one."""

    def clock() -> datetime:
        try:
            return datetime.fromisoformat((root / PRIVATE / SIMULATED).read_text())
        except FileNotFoundError:
            return now()

    return clock


def _mappings(contracts: Path, catalogue: Catalogue) -> Mapping[str, PartyMapping]:
    """Leaves the process if one is wrong: a door that starts without it would refuse whatever its partner sends."""
    try:
        return load_mappings(contracts, type_specs(catalogue.sources))
    except MappingWrong as wrong:
        log().critical("halt", reason=str(wrong))
        raise SystemExit(HALTED) from None
