"""The machine: real servers start, hold what they were given, and end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psycopg
import pytest

from hub.machine import kafka, postgres
from hub.machine.ports import free_ports, is_free, wait_until
from hub.machine.process import MachineError, alive, end, spawn


def test_free_ports_differ_and_are_free() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(is_free(port) for port in ports)


@pytest.mark.kafka
def test_a_record_written_to_the_broker_is_read_back(kafka_bootstrap: str) -> None:
    from confluent_kafka import Consumer, Producer, TopicPartition
    from confluent_kafka.admin import AdminClient, NewTopic

    topic = f"test-machine-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    admin.create_topics([NewTopic(topic, 1)])[topic].result(30)
    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    producer.produce(topic, b"value")
    assert producer.flush(20) == 0
    consumer = Consumer({"bootstrap.servers": kafka_bootstrap, "group.id": "test", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None and message.value() == b"value"


@pytest.mark.postgres
def test_a_fresh_database_is_empty(fresh_database: str) -> None:
    with psycopg.connect(fresh_database) as connection:
        row = connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone()
    assert row == (0,)


@pytest.mark.postgres
def test_the_database_server_keeps_its_data_and_port_over_a_restart(tmp_path: Path) -> None:
    if postgres.missing():
        pytest.skip(postgres.missing())
    folder = tmp_path / "postgres"
    try:
        first = postgres.start(folder, volatile=True, guard=os.getpid())
        with psycopg.connect(first.address) as connection:
            connection.execute("create table kept (n int)")
        end(first.pid, signal.SIGINT)
        second = postgres.start(folder, volatile=True, guard=os.getpid())
        with psycopg.connect(second.address) as connection:
            assert connection.execute("select count(*) from kept").fetchone() == (0,)
        end(second.pid, signal.SIGINT)
        assert first.address == second.address
    finally:
        postgres.remove(folder)


@pytest.mark.postgres
def test_the_database_server_refuses_a_wrong_password(postgres_url: str) -> None:
    if os.environ.get("HUB_POSTGRES"):
        pytest.skip("an outside server sets its own rules")
    head, _, tail = postgres_url.partition("@")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(head.rpartition(":")[0] + ":wrong@" + tail)


def test_jars_other_than_the_committed_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = tmp_path / "jars.json"
    hashes.write_text(json.dumps({"a.jar": "00"}))
    monkeypatch.setattr(kafka, "HASHES", hashes)
    monkeypatch.setenv("HUB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "kafka").mkdir(parents=True)
    (tmp_path / "cache" / "kafka" / "a.jar").write_bytes(b"not the broker")
    with pytest.raises(MachineError, match=r"a\.jar"):
        kafka.jars()


def test_a_guarded_server_ends_when_the_process_it_serves_is_killed(tmp_path: Path) -> None:
    served = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    note = tmp_path / "pid"
    code = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    guard = spawn([sys.executable, "-c", code], tmp_path / "log", guard=served.pid)
    assert wait_until(lambda: note.exists() and note.read_text() != "", 20)
    server = int(note.read_text())
    served.kill()
    served.wait()
    assert wait_until(lambda: not alive(server), 20)
    guard.wait(20)


def test_a_process_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    log = tmp_path / "log"
    process = spawn([sys.executable, "-c", code], log)
    assert wait_until(lambda: "up" in log.read_text(), 20)
    began = time.monotonic()
    assert end(process.pid, seconds_max=0.5) is False
    assert time.monotonic() - began < 15
    assert not alive(process.pid)


def test_a_cluster_id_is_never_taken_for_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([uuid.UUID(bytes=bytes([0xFB]) * 16), uuid.UUID(bytes=bytes([0x10]) * 16)])
    monkeypatch.setattr(uuid, "uuid4", lambda: next(drawn))
    assert kafka.cluster_id() == "EBAQEBAQEBAQEBAQEBAQEA"
