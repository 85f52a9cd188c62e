"""The servers under the hub: those whose addresses are given, and embedded ones for the rest."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import psycopg

from hub.agreement_checks import errors_in
from hub.deploy.migrating import ensure_roles
from hub.layout import Home, contracts_folder
from hub.machine import kafka, postgres
from hub.machine.ports import free_ports, is_free
from hub.machine.process import MachineError, Server
from hub.private import write_private
from hub.running import Where
from hub.sharing import ensure_built
from hub.topics.command import bring
from hub.up.plan import PORT_NAMES, Addresses
from hub.up.record import ProcessRecord, born, read_run
from spine.clock import local_date, now
from spine.kafka import Broker
from spine.settings import Settings

DATABASE = "hub"


def servers_of(home: Home, ends: ExitStack) -> Where:
    """The servers of the hub while no service runs: by address, else this machine's own, which ``ends`` then ends.

    Raises MachineError where the hub of this machine is up, or a server can't be started.
    """
    held = read_run(home.run)
    if held is not None and held.supervisor.running():
        raise MachineError("the hub of this machine is up: `hub down` first")
    database = os.environ.get("HUB_POSTGRES")
    if not database:
        server = postgres.start(home.postgres)
        ends.callback(postgres.stop, server)
        database = _made(server.address)
    if os.environ.get("HUB_KAFKA"):
        return Where(Settings().broker, database, os.environ.get("HUB_REGISTRY", ""))
    started = kafka.start(home.kafka, heap=os.environ.get("HUB_KAFKA_HEAP", "1g"), secure=kafka.is_secure(home.kafka))
    ends.callback(kafka.stop, started)
    return Where(kafka.admin(home.kafka), database, "")


def _made(server: str) -> str:
    """URL of the hub's database on this server, made where it is not there."""
    with psycopg.connect(server, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
            connection.execute(f'CREATE DATABASE "{DATABASE}"')
    return server.rpartition("/")[0] + f"/{DATABASE}"


class Machine(AbstractContextManager["Machine"]):
    """Starts what is needed on ``start`` and ends what it started on leaving, in reverse order."""

    def __init__(self, home: Home, *, secure: bool = False, roles: bool = False) -> None:
        self._home, self._secure, self._roles = home, secure, roles
        self._ends = ExitStack()
        self.processes: list[ProcessRecord] = []

    def __exit__(self, *error: object) -> None:
        self._ends.close()

    def start(self) -> Addresses:
        """Raises MachineError, or Halt where a person must decide how the broker comes to the contract."""
        if self._secure and os.environ.get("HUB_KAFKA"):
            raise MachineError("--secure-kafka is for a broker started here; HUB_KAFKA_* say how yours is spoken to")
        # The sharing policy is compiled from the agreements; without it the gate lets nothing in.
        if errors := errors_in(contracts_folder(), local_date(now())):
            raise MachineError(f"the agreements have {len(errors)} errors; see hub contracts check")
        ensure_built(contracts_folder())
        self._home.reports.mkdir(parents=True, exist_ok=True)
        ports = chosen_ports(self._home.folder / "ports.json", PORT_NAMES)
        database = os.environ.get("HUB_POSTGRES") or self._postgres()
        if self._roles:
            ensure_roles(database, self._home.database_users)
        broker = Settings().broker if os.environ.get("HUB_KAFKA") else self._kafka()
        bring(broker, contracts_folder(), database, self._home.kafka_users)
        registry = os.environ.get("HUB_REGISTRY") or f"http://127.0.0.1:{ports['registry']}"
        roles = str(self._home.database_users) if self._roles else ""
        return Addresses(broker.address, database, registry, ports, self._users_of(broker), roles)

    def _postgres(self) -> str:
        server = postgres.start(self._home.postgres)
        self._ends.callback(postgres.stop, server)
        self._note("postgres", server)
        return _made(server.address)

    def _kafka(self) -> Broker:
        heap = os.environ.get("HUB_KAFKA_HEAP", "1g")
        server = kafka.start(self._home.kafka, heap=heap, secure=self._secure)
        self._ends.callback(kafka.stop, server)
        self._note("kafka", server)
        return kafka.admin(self._home.kafka)

    def _users_of(self, broker: Broker) -> dict[str, str]:
        """How processes find the users of a broker that has users with passwords; empty for any other."""
        if not broker.protocol.startswith("SASL"):
            return {}
        folder = self._home.kafka_users
        if self._secure:
            # For this machine's own commands; who administers a broker of yours stays with you.
            write_private(folder / f"{broker.user}.password", broker.password + "\n")
        return {
            "protocol": broker.protocol,
            "ca_file": broker.ca_file,
            "admin": broker.user,
            "passwords": str(folder),
        }

    def _note(self, name: str, server: Server) -> None:
        port = int(server.address.split("/")[-2 if "//" in server.address else 0].rpartition(":")[2])
        self.processes.append(ProcessRecord(name, server.pid, born(server.pid), port=port))


def chosen_ports(path: Path, names: Sequence[str]) -> dict[str, int]:
    """The ports of earlier starts, and new ones for names that have none or whose port is taken now."""
    held: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    wanted = [name for name in names if name not in held or not is_free(held[name])]
    held |= dict(zip(wanted, free_ports(len(wanted)), strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(held, indent=1))
    return held
