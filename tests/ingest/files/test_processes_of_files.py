"""The files door and the file server as processes: a file goes in by SFTP and comes out as observations."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import asyncssh
import pytest

from hub.machine.ports import free_ports
from tests.ingest.files.conftest import COLLEGE, ENROLLED, LEFT, csv_text
from tests.ingest.test_processes import Machine, machine

__all__ = ["machine"]
WAIT_SECONDS_MAX = 60

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow, pytest.mark.long]


async def _upload(port: int, key: asyncssh.SSHKey, text: str) -> None:
    async with (
        asyncssh.connect(
            "127.0.0.1", port, username=COLLEGE, client_keys=[key], known_hosts=None, config=None
        ) as connection,
        connection.start_sftp_client() as client,
    ):
        async with client.open("in/NVC_ENROL_1.csv", "wb") as file:
            await file.write(text.encode())
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while not [name for name in await client.listdir("out") if name.endswith(".summary.json")]:
            assert time.monotonic() < deadline, "no answer came"
            await asyncio.sleep(0.2)


def test_a_file_by_sftp_becomes_observations_and_an_answer(machine: Machine, tmp_path: Path) -> None:
    key, (port,) = asyncssh.generate_private_key("ssh-ed25519"), free_ports(1)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / f"{COLLEGE}.pub").write_bytes(key.export_public_key())
    machine.environment |= {
        "HUB_FILES": str(tmp_path / "files"),
        "HUB_SFTP_KEYS": str(tmp_path / "keys"),
        "HUB_SFTP_PORT": str(port),
        "HUB_FILES_QUIET_SECONDS": "0.5",
        "HUB_FILES_ROUND_SECONDS": "0.2",
    }
    processes = [machine.start(name) for name in ("files", "sftp")]
    try:
        machine.wait_for(lambda: _listens(port))
        asyncio.run(_upload(port, key, csv_text([{**ENROLLED, "ULN": ""}, {**LEFT, "ULN": ""}])))
        machine.wait_for(lambda: len(machine.facts("observations")) >= 3)
        types = sorted(str(fact.fields["type"]) for fact in machine.facts("observations"))
        assert types == ["education.enrolment.started", "education.enrolment.withdrawn", "feed.extract_received"]
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(timeout=60) for process in processes]
    assert codes == [0, 0]


def _listens(port: int) -> bool:
    import socket

    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
