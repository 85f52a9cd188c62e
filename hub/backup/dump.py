"""Taking a dump of the hub's database and putting it back, with PostgreSQL's own ``pg_dump`` and ``pg_restore``.

A backup is a folder: ``hub.dump`` and ``manifest.json``, which is written last. No manifest, no backup.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hub.machine import postgres
from hub.private import write_private

DUMP, MANIFEST, FORMAT = "hub.dump", "manifest.json", 1
KEYSTORE = "keystore"
MINE = "hub-backup"


class BackupError(Exception):
    """A backup can't be taken or put back. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. ``positions``: next offset by service and ``topic/partition``, of the dump's own moment."""

    taken_at: str
    server: str
    schemas: Sequence[str]
    positions: Mapping[str, Mapping[str, int]]
    keys: int
    bytes: int
    sha256: str
    seconds: float
    format: int = FORMAT

    @property
    def whole(self) -> bool:
        """False for a copy of the key store alone."""
        return list(self.schemas) != [KEYSTORE]


def take(url: str, folder: Path, *, keys_only: bool = False) -> Manifest:
    """Dump the database at ``url`` into the new ``folder``, of one moment, while the hub runs. Raises BackupError."""
    begun = time.monotonic()
    if folder.exists() and any(folder.iterdir()):
        raise BackupError(f"{folder} is not empty: a backup gets a folder of its own")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    dump = folder / DUMP
    with _connected(url) as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        (snapshot,) = _row(connection, "SELECT pg_export_snapshot()")
        (moment, server) = _row(connection, "SELECT now(), current_setting('server_version')")
        schemas = [name for name in schemas_in(connection) if not keys_only or name == KEYSTORE]
        if not schemas:
            raise BackupError("there is nothing of the hub in this database")
        positions = {name: held for name in schemas if (held := _positions(connection, name))}
        keys = _keys(connection) if KEYSTORE in schemas else 0
        chosen = [f"--schema={name}" for name in schemas]
        command = ["--format=custom", f"--snapshot={snapshot}", "--no-owner", f"--file={dump}", *chosen]
        # Made before it is filled, for the owner's eyes only.
        os.close(os.open(dump, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        _client("pg_dump", url, command)
    taken_at = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    seconds = round(time.monotonic() - begun, 2)
    digest = _sha256(dump)
    made = Manifest(taken_at, server, schemas, positions, keys, dump.stat().st_size, digest, seconds)
    write_private(folder / MANIFEST, json.dumps(asdict(made), indent=1))
    return made


def read_manifest(folder: Path) -> Manifest:
    """Raises BackupError where the folder holds no whole backup, or another one than its manifest says."""
    try:
        read = json.loads((folder / MANIFEST).read_text())
        made = Manifest(**read)
    except FileNotFoundError:
        raise BackupError(f"{folder} holds no backup: it has no {MANIFEST}") from None
    except (ValueError, TypeError):
        raise BackupError(f"{folder / MANIFEST} can't be read: it was altered, or a newer hub wrote it") from None
    if made.format != FORMAT:
        raise BackupError(f"{folder} is of format {made.format}; this hub reads format {FORMAT}")
    if not (folder / DUMP).exists() or _sha256(folder / DUMP) != made.sha256:
        raise BackupError(f"{folder / DUMP} is not what its manifest says: take another backup")
    return made


def load(url: str, folder: Path, *, keys: Path | None = None, replace: bool = False) -> Manifest:
    """Put the backup in ``folder`` into the database at ``url``, and over its key store the newer copy in ``keys``.

    The dump comes in whole or not at all. With ``replace`` what the database holds of the hub goes before it, for good;
    without, there must be nothing. Raises BackupError.
    """
    made = read_manifest(folder)
    newer = read_manifest(keys) if keys is not None else None
    if not made.whole:
        raise BackupError(f"{folder} is a copy of the key store alone: give it as --keys beside a whole backup")
    if newer is not None and (KEYSTORE not in newer.schemas or newer.taken_at < made.taken_at):
        raise BackupError(f"{keys} is no newer copy of the key store")
    with _connected(url) as connection:
        if at_work := sessions_of_the_hub(connection):
            raise BackupError(f"the hub is at work on this database ({', '.join(at_work)}): stop it first")
        held = schemas_in(connection)
        if held and not replace:
            raise BackupError(f"the database holds {', '.join(held)}: --replace puts the backup in their place")
        _drop(connection, held)
    _client("pg_restore", url, ["--single-transaction", "--exit-on-error", "--no-owner", str(folder / DUMP)])
    if keys is not None:
        with _connected(url) as connection:
            _drop(connection, [KEYSTORE])
        only = f"--schema={KEYSTORE}"
        # pg_restore leaves out the schema itself when it is named.
        with _connected(url) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(KEYSTORE)))
        _client("pg_restore", url, ["--single-transaction", "--exit-on-error", "--no-owner", only, str(keys / DUMP)])
    return made


def schemas_in(connection: psycopg.Connection[Any]) -> list[str]:
    """Schemas of the hub in this database: all but PostgreSQL's own."""
    query = (
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')"
    )
    return sorted(name for (name,) in connection.execute(query.encode()))


def sessions_of_the_hub(connection: psycopg.Connection[Any]) -> list[str]:
    query = (
        "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'hub-%%' AND application_name <> %s AND pid <> pg_backend_pid()"
    )
    return sorted(name for (name,) in connection.execute(query, (MINE,)))


def _drop(connection: psycopg.Connection[Any], schemas: Sequence[str]) -> None:
    with connection.transaction():
        for name in schemas:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))


def _positions(connection: psycopg.Connection[Any], schema: str) -> dict[str, int]:
    (there,) = _row(connection, "SELECT to_regclass(%s) IS NOT NULL", (f'"{schema}".source_offset',))
    if not there:
        return {}
    query = sql.SQL("SELECT topic, partition, next FROM {}.source_offset WHERE next IS NOT NULL ORDER BY 1, 2")
    rows = connection.execute(query.format(sql.Identifier(schema)))
    return {f"{topic}/{n}": following for topic, n, following in rows}


def _keys(connection: psycopg.Connection[Any]) -> int:
    (count,) = _row(connection, "SELECT count(*) FROM keystore.data_key WHERE wrapped IS NOT NULL")
    return int(count)


def _row(connection: psycopg.Connection[Any], query: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
    row = connection.execute(query.encode(), values).fetchone()
    assert row is not None
    return tuple(row)


def _connected(url: str) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(url, autocommit=True, connect_timeout=10, application_name=MINE)
    except psycopg.OperationalError as error:
        raise BackupError(f"the database does not answer ({type(error).__name__}): is HUB_POSTGRES right?") from error


def _client(program: str, url: str, arguments: Sequence[str]) -> None:
    """Run a client program of PostgreSQL. The password travels in the environment: a command line is there for all."""
    held = {name: str(value) for name, value in conninfo_to_dict(url, application_name=MINE).items()}
    password = held.pop("password", "")
    # All of the address but the password: without its `sslmode` and root the server would not be proved.
    command = [str(postgres.client(program)), f"--dbname={make_conninfo(**held)}", *arguments]
    done = subprocess.run(
        command, env={**os.environ, "PGPASSWORD": password}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        # Its words name tables and settings; a row's content would follow "DETAIL" or "CONTEXT".
        told = [line for line in done.stderr.splitlines() if "error:" in line and "DETAIL" not in line]
        raise BackupError(f"{program} failed: {'; '.join(told[:3]) or 'exit code ' + str(done.returncode)}")


def _sha256(path: Path) -> str:
    with path.open("rb") as read:
        return hashlib.file_digest(read, "sha256").hexdigest()
