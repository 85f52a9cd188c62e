"""Every schema brought up to date at once, by the owner, before a new version's processes start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from hub.deploy import roles
from hub.subject.registers import SCHEMA as GOVERNANCE
from hub.subject.registers import registers
from hub.topics.users import held_or_made
from spine.keystore.postgres import SCHEMA as KEYSTORE
from spine.migrate import migrate, migrate_keystore, migrate_ledger
from spine.postgres import retrying
from spine.registry_service import SCHEMA as REGISTRY
from spine.registry_service import Registry


@dataclass(frozen=True, slots=True)
class Migrated:
    """``granted`` is False where the database has no roles for the processes."""

    schemas: list[str]
    granted: bool


def migrate_all(url: str) -> Migrated:
    """Raises Retry while the database does not answer, psycopg.Error where it refuses."""
    names = roles.schemas()
    for name in names:
        if name == KEYSTORE:
            migrate_keystore(url)
        elif name == roles.AUDIT:
            migrate_ledger(url)
        elif name == GOVERNANCE:
            with registers(url):
                pass
        elif name == REGISTRY:
            with retrying():
                Registry(url).engine.dispose()
        else:
            migrate(url, name)
    with psycopg.connect(url) as connection:
        there = {str(row[0]) for row in connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'hub\\_%'")}
        if not set(roles.made(names)) <= there:
            return Migrated(names, granted=False)
        query = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY(%s)"
        tables = [(str(schema), str(table)) for schema, table in connection.execute(query, (names,))]
        for statement in [*roles.grants(names), *roles.watching(tables)]:
            connection.execute(statement.encode())
    return Migrated(names, granted=True)


def ensure_roles(url: str, folder: Path) -> None:
    """Roles with passwords of their own, one private file each, and every schema migrated by its owner.

    ``url`` is the database's administrator. Raises Retry, psycopg.Error, OSError.
    """
    names = roles.schemas()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with psycopg.connect(url) as connection:
        for statement in roles.makers(names):
            connection.execute(statement.encode())
        for role in roles.made(names):
            password = held_or_made(folder, role)
            who, what = sql.Identifier(role), sql.Literal(password)
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(who, what))
    owner = (folder / f"{roles.OWNER}.password").read_text()
    migrate_all(roles.as_role(url, roles.OWNER, owner))
