"""The servers under the hub: those whose addresses are given, and embedded ones for the rest."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import psycopg

from hub.agreement_checks import errors_in
from hub.layout import Home, contracts_folder
from hub.machine import kafka, postgres
from hub.machine.ports import free_ports, is_free
from hub.machine.process import MachineError, Server
from hub.sharing import ensure_built
from hub.topics import create_topics
from hub.up.plan import PORT_NAMES, Addresses
from hub.up.record import ProcessRecord, born
from spine.clock import local_date, now

DATABASE = "hub"


class Machine(AbstractContextManager["Machine"]):
    """Starts what is needed on ``start`` and ends what it started on leaving, in reverse order."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._ends = ExitStack()
        self.processes: list[ProcessRecord] = []

    def __exit__(self, *error: object) -> None:
        self._ends.close()

    def start(self) -> Addresses:
        """Raises MachineError, or Halt where topics differ from the contract."""
        # The sharing policy is compiled from the agreements; without it the gate lets nothing in.
        if errors := errors_in(contracts_folder(), local_date(now())):
            raise MachineError(f"the agreements have {len(errors)} errors; see hub contracts check")
        ensure_built(contracts_folder())
        ports = chosen_ports(self._home.folder / "ports.json", PORT_NAMES)
        database = os.environ.get("HUB_POSTGRES") or self._postgres()
        bootstrap = os.environ.get("HUB_KAFKA") or self._kafka()
        create_topics(bootstrap, contracts_folder())
        registry = os.environ.get("HUB_REGISTRY") or f"http://127.0.0.1:{ports['registry']}"
        return Addresses(bootstrap, database, registry, ports)

    def _postgres(self) -> str:
        server = postgres.start(self._home.postgres)
        self._ends.callback(postgres.stop, server)
        self._note("postgres", server)
        with psycopg.connect(server.address, autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
                connection.execute(f'CREATE DATABASE "{DATABASE}"')
        return server.address.rpartition("/")[0] + f"/{DATABASE}"

    def _kafka(self) -> str:
        server = kafka.start(self._home.kafka, heap=os.environ.get("HUB_KAFKA_HEAP", "1g"))
        self._ends.callback(kafka.stop, server)
        self._note("kafka", server)
        return server.address

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
