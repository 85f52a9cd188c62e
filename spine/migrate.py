"""Bring one service's schema up to date. Safe to call again, and by several processes at once.

Revisions: the journal's (``spine/migrations/versions``), then the service's own
(``services/<name>/migrations/versions``; ``down_revision = "journal_0001"`` for the first). Tables that a service
makes without naming a schema land in its own.
"""

from __future__ import annotations

import os
import threading
import zlib
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from spine.postgres import engine_for, retrying

_HERE = Path(__file__).resolve().parent
#: How long a step waits for a table that is in use.
LOCK_MS = 3_000
#: Alembic's context is one for the process.
_ONE = threading.Lock()


def migrate(url: str, service: str, services: Path = _HERE.parent / "services") -> None:
    """Create schema ``service`` and run its migrations. Raises Retry while the database does not answer."""
    # A service may live inside another's folder.
    own = sorted(services.glob(f"**/{service}/migrations/versions"))
    _upgrade(url, service, [_HERE / "migrations" / "versions", *own])


def migrate_keystore(url: str) -> None:
    """As ``migrate``, for the key store, which is no service and keeps no journal."""
    _upgrade(url, "keystore", [_HERE / "keystore" / "migrations" / "versions"])


def migrate_ledger(url: str) -> None:
    """As ``migrate``, for the ledger's schema ``audit``, which is no service's."""
    _upgrade(url, "audit", [_HERE / "ledger" / "migrations" / "versions"])


def heads(service: str, services: Path = _HERE.parent / "services") -> frozenset[str]:
    """The revisions to which this build brings the schema of ``service``."""
    folders = [_HERE / "migrations" / "versions", *sorted(services.glob(f"**/{service}/migrations/versions"))]
    own = {"keystore": "keystore", "audit": "ledger"}.get(service)
    if own:
        folders = [_HERE / own / "migrations" / "versions"]
    return frozenset(ScriptDirectory.from_config(_config(folders)).get_heads())


def _config(folders: list[Path]) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE / "migrations"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", os.pathsep.join(map(str, folders)))
    return config


def _upgrade(url: str, service: str, folders: list[Path]) -> None:
    config = _config(folders)
    engine = engine_for(url, service)
    try:
        with retrying(), _ONE, engine.begin() as connection:
            # One at a time: whoever waited here finds everything done.
            connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
            lock = zlib.crc32(f"migrate {service}".encode())
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:n)"), {"n": lock})
            # A step that waits for a table makes everybody behind it wait: it gives up soon and is tried again.
            connection.execute(sa.text(f"SET LOCAL lock_timeout = {LOCK_MS}"))
            ensure_schema(connection, service)
            config.attributes.update({"connection": connection, "schema": service})
            command.upgrade(config, "heads")
    finally:
        engine.dispose()


def ensure_schema(connection: sa.Connection, name: str) -> None:
    """Make the schema if it is not there. PostgreSQL asks for the right to create one before it looks whether it is,
    and a process's role has that right only where nobody made roles (``hub deploy roles``)."""
    if connection.scalar(sa.text("SELECT to_regnamespace(quote_ident(:name))"), {"name": name}) is None:
        connection.execute(sa.schema.CreateSchema(name, if_not_exists=True))
