"""Every process has a database role of its own: it works in its own schema and can't look into another's."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from hub.access import write_down
from hub.backlog import _journal
from hub.backup.dump import load, take
from hub.deploy import app, roles
from hub.deploy.processes import PROCESSES
from hub.heads import SERVICE as HEADS
from hub.heads import head_kept
from hub.subject import holds
from hub.subject.operations import note
from hub.subject.registers import registers
from services.ingest.channels.day_keys import PostgresDays
from spine.clock import now
from spine.journal import Position
from spine.keystore.kek import LocalKek
from spine.keystore.postgres import PostgresKeys
from spine.log import MemoryLog
from spine.migrate import migrate, migrate_keystore
from spine.postgres import PostgresJournal
from spine.publisher import publish
from spine.registry_service import Registry
from spine.seal import Sealer

#: Roles stand for the whole server, which ends with the run.
PASSWORD = secrets.token_hex(16)
# Roles are the server's, not a database's: one process of the suite makes them.
pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.xdist_group("database-roles")]


def as_role(url: str, role: str) -> str:
    """The same database, spoken to as another."""
    return roles.as_role(url, role, PASSWORD)


def hub_deploy(url: str, *words: str) -> object:
    done = CliRunner(env={"HUB_POSTGRES": url}).invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def url(module_database: str) -> Iterator[str]:
    """A database that stood before there were roles, then has them, and is migrated by its owner, twice."""
    migrate(module_database, "status")
    hub_deploy(module_database, "roles", "--apply")
    with psycopg.connect(module_database) as connection:
        for role in roles.made(roles.schemas()):
            connection.execute(f"ALTER ROLE {role} PASSWORD '{PASSWORD}'".encode())
    for _ in range(2):
        hub_deploy(as_role(module_database, roles.OWNER), "migrate")
    yield module_database


def test_the_schemas_are_those_of_the_processes_the_heads_and_the_keys() -> None:
    assert roles.schemas() == sorted({p.schema for p in PROCESSES if p.schema} | {"policy", "keystore", "governance"})


def test_without_the_roles_everything_is_migrated_and_no_right_is_given(fresh_database: str) -> None:
    done = hub_deploy(fresh_database, "migrate")
    assert isinstance(done, dict) and "alerts" in done["schemas"]


def test_a_service_works_with_its_own_role_and_its_own_start_migrates_nothing(url: str) -> None:
    mine = as_role(url, "hub_status")
    migrate(mine, "status")
    journal = PostgresJournal(mine, "status")
    with journal.transaction() as transaction:
        transaction.offsets([("attributions", 0)])
        transaction.set_offsets({("attributions", 0): Position(7)})
    assert journal.positions("attributions")[("attributions", 0)].next == 7
    journal.close()


def _table(schema: str) -> str:
    """One with content."""
    named = {"keystore": "data_key", "registry": "schema", "audit": "operation", "governance": "hold"}
    return named.get(schema, "state")


@pytest.mark.parametrize("schema", sorted({p.schema for p in PROCESSES if p.schema} - {"registry"}))
def test_no_role_reads_another_schema_or_alters_its_own(url: str, schema: str) -> None:
    role = roles.role_of(schema)
    with psycopg.connect(as_role(url, role), autocommit=True) as connection:
        connection.execute(f'SELECT count(*) FROM "{schema}"."{_table(schema)}"'.encode())
        for other in roles.schemas():
            opens = other == "keystore" and any(p.opens for p in PROCESSES if p.schema == schema)
            if other == schema or opens:
                continue
            looks = any(other in p.looks_into for p in PROCESSES if p.schema == schema)
            kinds = ["DELETE FROM"] if looks else ["DELETE FROM", "SELECT * FROM"]
            for kind in kinds:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f'{kind} "{other}"."{_table(other)}"'.encode())
        for forbidden in (
            f'DROP TABLE "{schema}"."{_table(schema)}"',
            f'CREATE TABLE "{schema}".x ()',
            "CREATE SCHEMA mine",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden.encode())


def test_who_opens_what_is_sealed_reaches_the_keys_and_delivery_does_not(url: str) -> None:
    kek = LocalKek(os.urandom(32))
    migrate_keystore(as_role(url, "hub_matching"))
    keys = PostgresKeys(as_role(url, "hub_matching"), kek)
    keys.close()
    with (
        psycopg.connect(as_role(url, "hub_delivery")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("SELECT wrapped FROM keystore.data_key")


def test_the_kafka_door_reads_keys_of_days_and_makes_none(url: str) -> None:
    root = Sealer(bytes(32))
    PostgresDays(as_role(url, "hub_ingest"), root).round(40)
    door = PostgresDays(as_role(url, "hub_ingest_door"), root)
    assert door.today() is not None
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        door.round(40)


def test_the_registry_starts_as_its_own_role(url: str) -> None:
    registry = Registry(as_role(url, "hub_registry"))
    number = registry.register("t-value", '{"type": "string"}')
    assert registry.rows() and number >= 1
    registry.engine.dispose()


def test_the_watcher_counts_positions_and_reads_no_content(url: str) -> None:
    with psycopg.connect(as_role(url, roles.WATCHER), autocommit=True) as connection:
        assert _journal(connection, "status", "attributions")[1] == 0
        for content in ("status.state", "status.decision", "keystore.data_key"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT * FROM {content}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT body FROM status.outbox")


def refused(url: str, role: str, *statements: str) -> None:
    with psycopg.connect(as_role(url, role), autocommit=True) as connection:
        for statement in statements:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_the_officer_writes_orders_down_and_destroys_keys_and_changes_nothing_else(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = as_role(url, roles.OFFICER)
    monkeypatch.setenv("HUB_POSTGRES", mine)
    with registers(mine) as engine, engine.begin() as connection:
        hold = holds.place(connection, "p-1", "CASE-7", "R. Patel", now())
        holds.lift(connection, hold.number, "R. Patel", now())
    write_down("hub erase", ["p-1"], "asked by R. Patel")
    note(mine, "erasure", {"erasure_id": "e-1"})
    PostgresKeys(mine, LocalKek(os.urandom(32))).destroy(["northvale-college/1"])
    refused(
        url,
        roles.OFFICER,
        *(f"DELETE FROM {table}" for table in ("status.state", "console.access", "keystore.data_key", "policy.state")),
        "UPDATE keystore.agency_key SET wrapped = NULL",
        "UPDATE audit.operation SET kind = 'x'",
    )


def test_the_reader_takes_a_whole_backup_writes_nowhere_and_the_owner_puts_it_back(url: str, tmp_path: Path) -> None:
    made = take(as_role(url, roles.READER), tmp_path / "backup")
    assert set(made.schemas) == set(roles.schemas())
    # As a replay begins: nothing to migrate, no move of the head left to send.
    mine = as_role(url, roles.READER)
    migrate(mine, HEADS)
    journal = PostgresJournal(mine, HEADS)
    assert head_kept(journal) is None and publish(journal, MemoryLog({}, lambda kind, body: body)) == 0
    journal.close()
    refused(url, roles.READER, *(f'DELETE FROM "{schema}"."{_table(schema)}"' for schema in roles.schemas()))
    owner = as_role(url, roles.OWNER)
    load(owner, tmp_path / "backup", replace=True)
    hub_deploy(owner, "migrate")
    for schema in ("status", "keystore", "governance", "audit"):
        refused(url, roles.role_of("delivery"), f'SELECT * FROM "{schema}"."{_table(schema)}"')
    journal = PostgresJournal(as_role(url, "hub_status"), "status")
    assert journal.positions("attributions")[("attributions", 0)].next == 7
    journal.close()
