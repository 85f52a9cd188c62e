"""Services as processes on a broker with an authorizer, each with its own password or certificate."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import psycopg
import pytest

from hub.machine import kafka
from hub.machine.ports import wait_until
from spine.kafka import Broker, KafkaLog
from spine.schema import Catalogue
from spine.ticker import write_tick
from tests.hub.topics.conftest import ROOT, Secure

pytestmark = [
    *(pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow),
    pytest.mark.xdist_group("secure-broker"),
    pytest.mark.long,
]
WAIT_SECONDS_MAX = 90


def environment(broker: Broker, database: str, folder: Path, **more: str) -> dict[str, str]:
    """Everything that a service needs; its password in a file."""
    password = folder / "password"
    password.write_text(broker.password)
    settings = {
        "HUB_KAFKA": broker.address,
        "HUB_KAFKA_PROTOCOL": broker.protocol,
        "HUB_KAFKA_USER": broker.user,
        "HUB_KAFKA_PASSWORD_FILE": str(password) if broker.password else "",
        "HUB_KAFKA_CA_FILE": broker.ca_file,
        "HUB_KAFKA_CERTIFICATE_FILE": broker.certificate_file,
        "HUB_KAFKA_KEY_FILE": broker.key_file,
        "HUB_POSTGRES": database,
        "HUB_SEAL_KEY": base64.b64encode(bytes(range(32))).decode(),
    }
    held = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    return {**held, **settings, **more}


@contextmanager
def running(service: str, env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", f"services.{service}", "run"], cwd=ROOT, env=env, stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def tick(secure: Secure, on: date) -> None:
    """The date, to every input topic, as the ticker."""
    catalogue = Catalogue([ROOT / "schemas" / "avro"])
    log = KafkaLog(secure.user("hub-ticker"), catalogue.frame, source="ticker")
    write_tick(log, ROOT / "contracts" / "topics.yaml", on, catalogue)
    log.close()


def ticked(database: str, service: str, on: date) -> int:
    """Partitions of its input in which the service has decided the tick."""
    with psycopg.connect(database) as connection:
        query = f'SELECT count(*) FROM "{service}".source_offset WHERE tick = %s'
        try:
            row = connection.execute(query.encode(), (on,)).fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
    return int(row[0]) if row else 0


@pytest.mark.parametrize(("host", "by"), [("confluent", "password"), ("faust", "password"), ("faust", "certificate")])
def test_a_service_reads_and_commits_as_its_own_user_under_either_host(
    secure: Secure, fresh_database: str, tmp_path: Path, host: str, by: str
) -> None:
    mine = secure.user("hub-status") if by == "password" else kafka.by_certificate(secure.folder, "hub-status")
    on = date(2026, 1, 15)
    log = tmp_path / "log"
    with running("status", environment(mine, fresh_database, tmp_path, HUB_HOST=host), log) as process:
        tick(secure, on)
        done = wait_until(lambda: process.poll() is not None or ticked(fresh_database, "status", on) == 4, 60)
        assert done and process.poll() is None, log.read_text()[-2000:]
    assert process.returncode == 0
    said = log.read_text()
    assert "AUTHORIZATION" not in said
    assert not mine.password or mine.password not in said


def test_a_service_under_another_s_user_says_what_it_may_not_do(
    secure: Secure, fresh_database: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    env = environment(secure.user("hub-alerts"), fresh_database, tmp_path, HUB_START_SECONDS_MAX="3")
    with running("matching", env, log) as process:
        assert process.wait(WAIT_SECONDS_MAX) == 4
    assert "TOPIC_AUTHORIZATION_FAILED: observations" in log.read_text()


def test_a_service_without_its_password_halts_and_names_every_fault(
    secure: Secure, fresh_database: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    nobody = Broker(secure.administrator().address, "SASL_SSL", ca_file="/none/ca.pem")
    with running("matching", environment(nobody, fresh_database, tmp_path), log) as process:
        assert process.wait(WAIT_SECONDS_MAX) == 3
    said = log.read_text()
    for name in ("HUB_KAFKA_USER", "HUB_KAFKA_PASSWORD_FILE", "HUB_KAFKA_CA_FILE names no file: /none/ca.pem"):
        assert name in said
