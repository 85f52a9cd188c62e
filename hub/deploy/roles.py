"""Database roles, each with its own schema and nothing else. Pure: SQL out.

``hub_owner`` owns schemas and tables and runs the migrations; a process has the role ``hub_<schema>``, which changes
rows in its schema and can neither alter a table nor read another's. Nobody's password is here: who runs the database
gives each role a certificate or a password of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote, urlsplit, urlunsplit

from hub.deploy.processes import PROCESSES, Process
from hub.heads import SERVICE as HEADS
from hub.subject.registers import SCHEMA as GOVERNANCE
from spine.keystore.postgres import SCHEMA as KEYSTORE

OWNER, OPERATOR = "hub_owner", "hub_operator"
#: For whoever erases, holds and answers about a person: keys are destroyed, orders and looks written down.
OFFICER = "hub_officer"
#: For backups, replays and verifications: reads everything, writes nothing.
READER = "hub_reader"
#: For who watches: positions and outboxes may be counted, not one row of content read.
WATCHER = "hub_watcher"
AUDIT = "audit"
#: Schemas that no one process has to itself.
SHARED = (KEYSTORE, HEADS, GOVERNANCE)
ROWS = "SELECT, INSERT, UPDATE, DELETE"


def role_of(schema: str) -> str:
    return f"hub_{schema.replace('-', '_')}"


def as_role(url: str, role: str, password: str) -> str:
    """The address of the same database for ``role``."""
    parts = urlsplit(url)
    who = f"{role}:{quote(password.strip(), safe='')}"
    return urlunsplit(parts._replace(netloc=f"{who}@{parts.netloc.rpartition('@')[2]}"))


def schemas(processes: Iterable[Process] = PROCESSES) -> list[str]:
    """Every schema of a process, those of the policy heads and of people's orders, and the key store."""
    return sorted({process.schema for process in processes if process.schema} | {*SHARED})


def makers(names: Sequence[str]) -> list[str]:
    """Make the roles and schemas that are missing; for the database's administrator, in the hub's database."""
    roles = made(names)
    return [*(_role(role) for role in roles), *_database(roles), *(one for name in names for one in _schema(name))]


def made(names: Sequence[str]) -> list[str]:
    """Every role."""
    return [OWNER, OPERATOR, OFFICER, READER, WATCHER, *(role_of(name) for name in names if name not in SHARED)]


def _role(role: str) -> str:
    new = f"CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT CONNECTION LIMIT 40"
    return f"DO $$ BEGIN {new}; EXCEPTION WHEN duplicate_object THEN NULL; END $$"


def _database(roles: Sequence[str]) -> Iterator[str]:
    """What everybody may by default, nobody may any more."""
    for statement in (
        "REVOKE ALL ON DATABASE %I FROM PUBLIC",
        f"GRANT CONNECT, TEMPORARY ON DATABASE %I TO {', '.join(roles)}",
        f"GRANT CREATE ON DATABASE %I TO {OWNER}",
    ):
        yield f"DO $$ BEGIN EXECUTE format('{statement}', current_database()); END $$"
    yield "REVOKE ALL ON SCHEMA public FROM PUBLIC"


def _schema(name: str) -> Iterator[str]:
    """What stood before there were roles becomes the owner's; an identity's sequence goes with its table."""
    yield f'CREATE SCHEMA IF NOT EXISTS "{name}" AUTHORIZATION {OWNER}'
    yield f'ALTER SCHEMA "{name}" OWNER TO {OWNER}'
    tables = f"SELECT tablename FROM pg_tables WHERE schemaname = '{name}' AND tableowner <> '{OWNER}'"
    alter = f"EXECUTE format('ALTER TABLE %I.%I OWNER TO {OWNER}', '{name}', one.tablename)"
    yield f"DO $$ DECLARE one record; BEGIN FOR one IN {tables} LOOP {alter}; END LOOP; END $$"


def grants(names: Sequence[str], processes: Iterable[Process] = PROCESSES) -> list[str]:
    """What each role may, on what stands now and on what a later migration makes. To be run by the owner."""
    openers = sorted({role_of(process.schema) for process in processes if process.opens})
    held: list[str] = []
    for name in names:
        if name == KEYSTORE:
            held += [one for role in openers for one in _rows(name, role)]
        elif name == HEADS:
            held += _rows(name, OPERATOR)
        elif name == AUDIT:
            # What people order (an erasure, an un-suspending) is a leaf in the same transaction.
            held += [*_rows(name, role_of(name)), *_rows(name, OPERATOR)]
        elif name == GOVERNANCE:
            held += _rows(name, OFFICER)
            # Un-suspending and redriving are asked for by one and approved by another.
            held.append(f'GRANT {ROWS} ON "{name}".request TO {OPERATOR}')
        else:
            held += _rows(name, role_of(name))
        lookers = {role_of(p.schema) for p in processes if p.schema and name in p.looks_into}
        held += [one for role in sorted(lookers) for one in _reading(name, role)]
        for role in (OPERATOR, OFFICER, READER):
            held += _reading(name, role)
        held += _counting(name, READER)
        held.append(f'GRANT USAGE ON SCHEMA "{name}" TO {WATCHER}')
    return [*held, *_ordering(), *_sealing()]


def _ordering() -> Iterator[str]:
    """What an order about a person changes beside the register: keys, the ledger's leaf, the record of who looked."""
    yield f'GRANT UPDATE (wrapped, destroyed_at) ON "{KEYSTORE}".data_key TO {OFFICER}'
    yield f'GRANT INSERT ON "{AUDIT}".operation TO {OFFICER}'
    for role in (OFFICER, OPERATOR):
        yield f"GRANT INSERT ON console.access TO {role}"


def _sealing() -> Iterator[str]:
    """A door with a schema of its own reads the keys of days, and nothing else of what the gate keeps."""
    door = role_of("ingest-door")
    yield f"GRANT USAGE ON SCHEMA ingest TO {door}"
    yield f"GRANT SELECT ON ingest.day_key TO {door}"


def watching(tables: Iterable[tuple[str, str]]) -> list[str]:
    """Positions, and numbers in outboxes, of the schemas that have them; which keys of days stand, and not the keys."""
    columns: dict[str, Sequence[str] | None] = {
        "source_offset": ("topic", "partition", "next", "tick"),
        "outbox": ("number",),
        "day_key": ("day", "destroyed_at"),
        "migration": None,
    }
    return [
        f'GRANT SELECT {_columns(columns[table])} ON "{schema}"."{table}" TO {WATCHER}'
        for schema, table in sorted(tables)
        if table in columns
    ]


def _columns(names: Sequence[str] | None) -> str:
    return "" if names is None else f"({', '.join(names)})"


def _rows(schema: str, role: str) -> list[str]:
    return [
        f'GRANT USAGE ON SCHEMA "{schema}" TO {role}',
        f'GRANT {ROWS} ON ALL TABLES IN SCHEMA "{schema}" TO {role}',
        f'GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA "{schema}" TO {role}',
        f'ALTER DEFAULT PRIVILEGES IN SCHEMA "{schema}" GRANT {ROWS} ON TABLES TO {role}',
        f'ALTER DEFAULT PRIVILEGES IN SCHEMA "{schema}" GRANT USAGE, SELECT ON SEQUENCES TO {role}',
    ]


def _counting(schema: str, role: str) -> list[str]:
    """A dump holds where each sequence stands."""
    return [
        f'GRANT SELECT ON ALL SEQUENCES IN SCHEMA "{schema}" TO {role}',
        f'ALTER DEFAULT PRIVILEGES IN SCHEMA "{schema}" GRANT SELECT ON SEQUENCES TO {role}',
    ]


def _reading(schema: str, role: str) -> list[str]:
    return [
        f'GRANT USAGE ON SCHEMA "{schema}" TO {role}',
        f'GRANT SELECT ON ALL TABLES IN SCHEMA "{schema}" TO {role}',
        f'ALTER DEFAULT PRIVILEGES IN SCHEMA "{schema}" GRANT SELECT ON TABLES TO {role}',
    ]
