"""The database breaks: its server is killed, its disks are full, it is slow; a real service keeps its promises."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import psutil
import psycopg
import pytest

from hub.machine import postgres
from hub.machine.ports import free_ports, wait_until
from hub.machine.process import Server, end
from tests.faults.resume import seconds_to_resume
from tests.faults.wire import SlowLine
from tests.spine.conftest import Toy, toy, toy_on
from tests.spine.toy import check_exact

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(240)]

__all__ = ["toy"]

#: Of a disk that is filled.
DISK_MB = 64


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


@pytest.fixture
def own_server() -> Iterator[tuple[Server, Callable[[], Server]]]:
    """A database server of the test's own that keeps its promises on disk, and how it is started again."""
    reason = postgres.missing()
    if reason:
        pytest.skip(reason)
    # Where the server's user can reach it whoever runs the tests.
    folder = Path(tempfile.mkdtemp(prefix="hub-database-", dir="/var/tmp"))
    folder.chmod(0o755)
    started: list[Server] = []

    def start() -> Server:
        started.append(postgres.start(folder, guard=os.getpid()))
        return started[-1]

    try:
        yield start(), start
    finally:
        postgres.stop(started[-1])
        postgres.remove(folder)


@contextlib.contextmanager
def small_disk(owner: str) -> Iterator[Path]:
    """A file system of ``DISK_MB`` in memory that ``owner`` may write; skips where none can be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="hub-small-disk-", dir="/var/tmp"))
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)], check=False)
    if done.returncode != 0:
        folder.rmdir()
        pytest.skip("a small disk needs the right to mount one (root)")
    user = pwd.getpwnam(owner)
    os.chown(folder, user.pw_uid, user.pw_gid)
    folder.chmod(0o700)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
        folder.rmdir()


def fill(disk: Path) -> Path:
    """A file that leaves no room."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while True:
            out.write(bytes(4096))
    return ballast


def postmaster(server: Server) -> psutil.Process:
    """The server behind its guard."""
    return next(one for one in psutil.Process(server.pid).children() if "postgres" in one.name())


def test_a_database_server_killed_outright_costs_time_and_nothing_else(
    own_server: tuple[Server, Callable[[], Server]], kafka_bootstrap: str, tmp_path: Path
) -> None:
    """``pg_ctl stop -m immediate``: no checkpoint, no farewell; on its start it recovers from its own log."""
    server, start = own_server
    with toy_on(kafka_bootstrap, server.address, tmp_path) as toy:
        toy.feed(range(600))
        process = toy.start(HUB_RECORDS_MAX="20")
        toy.until(lambda: toy.decided() > 60)
        end(postmaster(server).pid, signal.SIGQUIT)
        assert wait_until(lambda: not server.running(), 20)
        toy.feed(range(600, 900))
        time.sleep(4)
        assert process.poll() is None
        start()
        seconds_to_resume(toy, "database server killed", time.monotonic(), toy.decided())
        toy.settled(900, 45)
        stop(process)
        check_exact(toy.rows(), toy.echoes(), range(900))


def test_a_row_that_somebody_holds_and_a_slow_line_cost_time_and_nothing_else(toy: Toy) -> None:
    line, url = SlowLine.to(toy.url)
    (port,) = free_ports(1)
    try:
        toy.feed(range(200))
        process = toy.start(HUB_POSTGRES=url, HUB_RECORDS_MAX="50", HUB_HEALTH_PORT=str(port))
        toy.settled(200)
        with psycopg.connect(toy.url) as other:
            other.execute("SELECT next FROM toy.source_offset FOR UPDATE")
            toy.feed(range(200, 400))
            time.sleep(3)
            assert toy.decided() == 200 and process.poll() is None
            assert wait_until(lambda: lag(port) > 0, 25), "what waits must show"
            other.rollback()
            seconds_to_resume(toy, "database rows held", time.monotonic(), 200)
        toy.settled(400)
        stop(process)
    finally:
        line.close()
    check_exact(toy.rows(), toy.echoes(), range(400))


def lag(port: int) -> float:
    told = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
    return sum(float(line.split()[-1]) for line in told.splitlines() if line.startswith("hub_lag_records{"))


@pytest.mark.skipif(bool(os.environ.get("HUB_POSTGRES")), reason="the database server is not this machine's")
def test_a_disk_really_full_is_waited_out_and_nothing_partial_stands(
    kafka_bootstrap: str, postgres_url: str, tmp_path: Path
) -> None:
    name = f"small_{uuid.uuid4().hex[:8]}"
    with small_disk(owner_of_server()) as disk, psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE TABLESPACE {name} LOCATION '{disk}'")
        admin.execute(f"CREATE DATABASE {name} TABLESPACE {name}")
        try:
            url = f"{postgres_url.rpartition('/')[0]}/{name}"
            with toy_on(kafka_bootstrap, url, tmp_path) as toy:
                _until_full_and_after(toy, disk)
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (force)")
            admin.execute(f"DROP TABLESPACE {name}")


def _until_full_and_after(toy: Toy, disk: Path) -> None:
    toy.feed(range(200))
    process = toy.start(HUB_RECORDS_MAX="50")
    toy.settled(200)
    ballast = fill(disk)
    toy.feed(range(200, 3_000))
    # Pages that exist still take rows; then nothing moves.
    assert wait_until(lambda: _stands(toy), 30), "it never got full"
    decided = toy.decided()
    assert decided < 3_000 and process.poll() is None
    assert len(toy.rows()) == decided, "a decision without its offset, or the other way round"
    ballast.unlink()
    seconds_to_resume(toy, "database disk full", time.monotonic(), decided)
    toy.settled(3_000, 45)
    stop(process)
    check_exact(toy.rows(), toy.echoes(), range(3_000))


def _stands(toy: Toy) -> bool:
    before = toy.decided()
    time.sleep(1.5)
    return toy.decided() == before


def owner_of_server() -> str:
    """Whose files the database server writes."""
    return postgres._user() or pwd.getpwuid(os.geteuid()).pw_name


def test_a_full_disk_under_the_write_ahead_log_ends_the_server_and_loses_nothing(
    own_server: tuple[Server, Callable[[], Server]], kafka_bootstrap: str, tmp_path: Path
) -> None:
    """The server must end itself (PANIC): what it can't write ahead it may not promise. With room again it starts."""
    server, start = own_server
    user = owner_of_server()
    with small_disk(user) as disk:
        data = next(server.folder.rglob("PG_VERSION")).parent
        postgres.stop(server)
        _move_log(data, disk, user)
        server = start()
        with toy_on(kafka_bootstrap, server.address, tmp_path) as toy:
            toy.feed(range(300))
            process = toy.start(HUB_RECORDS_MAX="20")
            toy.settled(300)
            ballast = fill(disk)
            toy.feed(range(300, 600))
            _use_up_the_log(server)
            assert wait_until(lambda: not _answers(server), 30), "the server went on without a log"
            assert process.poll() is None
            ballast.unlink()
            if not wait_until(lambda: _answers(server), 3):
                end(server.pid, signal.SIGINT)
                server = start()
            seconds_to_resume(toy, "write-ahead log disk full", time.monotonic(), toy.decided())
            toy.settled(600, 45)
            stop(process)
            check_exact(toy.rows(), toy.echoes(), range(600))
        # Before the disk goes.
        postgres.stop(server)


def _move_log(data: Path, disk: Path, user: str) -> None:
    log = data / "pg_wal"
    moved = disk / "pg_wal"
    subprocess.run(["cp", "-a", str(log), str(moved)], check=True)
    subprocess.run(["rm", "-r", str(log)], check=True)
    log.symlink_to(moved)
    owner = pwd.getpwnam(user)
    os.lchown(log, owner.pw_uid, owner.pw_gid)


def _use_up_the_log(server: Server) -> None:
    """Ask for a new segment until none can be had."""
    with contextlib.suppress(psycopg.Error), psycopg.connect(server.address, autocommit=True) as admin:
        for n in range(20):
            admin.execute(f"CREATE TABLE used_{n} AS SELECT generate_series(1, 20000)")
            admin.execute("SELECT pg_switch_wal()")


def _answers(server: Server) -> bool:
    try:
        with psycopg.connect(server.address, connect_timeout=2):
            return True
    except psycopg.Error:
        return False
