"""Servers that fail in the middle of what they were asked: a commit without an answer, a restart, a full disk."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import psycopg
import pytest

from hub.machine import kafka
from hub.machine.ports import free_ports, wait_until
from hub.machine.process import end
from spine import postgres
from spine.errors import Retry
from spine.journal import Position
from tests.faults.wire import Line, close
from tests.spine.conftest import Toy, toy, toy_on
from tests.spine.toy import check_exact, counts

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

__all__ = ["toy"]


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(25) == 0


class CommitCutter(Line):
    """Between the service and the database: every ``every``-th COMMIT reaches the server, its answer no one."""

    every = 6

    def __init__(self, host: str, port: int) -> None:
        self._commits, self.cuts = 0, 0
        self._counting = threading.Lock()
        super().__init__(host, port)

    def carry(self, client: socket.socket, server: socket.socket) -> None:
        cut = threading.Event()
        threading.Thread(target=self._ask, args=(client, server, cut), daemon=True).start()
        threading.Thread(target=self._answer, args=(client, server, cut), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        try:
            while data := client.recv(65_536):
                if b"COMMIT\0" in data and self._is_due():
                    cut.set()
                server.sendall(data)
        except OSError:
            pass
        close(server)

    def _is_due(self) -> bool:
        with self._counting:
            self._commits += 1
            due = self._commits % self.every == 0
            self.cuts += due
            return due

    def _answer(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        try:
            while data := server.recv(65_536):
                if cut.is_set():
                    # The server has answered, so the commit stands; the client never hears of it.
                    break
                client.sendall(data)
        except OSError:
            pass
        close(client)
        close(server)


@pytest.mark.parametrize("host", ["confluent", "faust"])
def test_a_commit_whose_answer_is_lost_is_not_done_again(toy: Toy, host: str) -> None:
    cutter, address = CommitCutter.to(toy.url)
    try:
        toy.feed(range(600))
        process = toy.start(host, HUB_POSTGRES=address, HUB_RECORDS_MAX="20")
        toy.settled(600)
        stop(process)
    finally:
        cutter.close()
    assert cutter.cuts >= 3
    check_exact(toy.rows(), toy.echoes(), range(600))


def test_a_full_disk_stops_the_work_and_leaves_nothing_partial(toy: Toy) -> None:
    """SQLSTATE 53100, raised by the server in the last write of the transaction."""
    toy.feed(range(200))
    process = toy.start(HUB_RECORDS_MAX="50")
    toy.settled(200)
    with psycopg.connect(toy.url, autocommit=True) as admin:
        admin.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$"
        )
        tables = [row[0] for row in admin.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'toy'")]
        assert "decision" in tables
        for table in ("decision", "state"):
            # Deferred: it fails at COMMIT, when every row has been given.
            admin.execute(
                f"CREATE CONSTRAINT TRIGGER full_{table} AFTER INSERT OR UPDATE ON toy.{table} "
                "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION full_disk()"
            )
        toy.feed(range(200, 400))
        time.sleep(3)
        assert process.poll() is None
        assert toy.decided() == 200
        assert len(toy.rows()) == 200 and toy.journal.outbox_size() == 0
        for table in ("decision", "state"):
            admin.execute(f"DROP TRIGGER full_{table} ON toy.{table}")
    toy.settled(400)
    stop(process)
    check_exact(toy.rows(), toy.echoes(), range(400))


def test_a_worker_frozen_in_the_middle_of_a_copy_does_not_keep_its_successor_out(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No timeout of the server ends such a session: the successor ends it when it stands in its way."""
    monkeypatch.setattr(postgres, "LOCK_MS", 1_000)
    monkeypatch.setattr(postgres, "IDLE_IN_TRANSACTION_MS", 1_500)
    journal, place = postgres.PostgresJournal(toy.url, "toy"), (toy.topic, 0)
    with journal.transaction() as transaction:
        transaction.set_offsets({place: Position(5)})
    frozen = psycopg.connect(toy.url, application_name="hub-toy")
    frozen.execute("SELECT next FROM toy.source_offset FOR UPDATE")
    frozen.pgconn.exec_(b"COPY toy.inbox (event_id) FROM STDIN")
    frozen.pgconn.put_copy_data(b"half a row")
    begun, refused = time.monotonic(), 0
    while True:
        assert time.monotonic() - begun < 20
        try:
            with journal.transaction() as transaction:
                transaction.set_offsets({place: Position(7)})
            break
        except Retry:
            refused += 1
    assert refused >= 1
    assert toy.journal.positions(toy.topic)[place].next == 7
    frozen.pgconn.finish()
    journal.close()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Path]:
    reason = kafka.missing()
    if reason:
        pytest.skip(reason)
    folder = tmp_path / "kafka"
    folder.mkdir()
    yield folder


@pytest.mark.timeout(300)
def test_a_broker_killed_and_started_again_loses_nothing(own_broker: Path, fresh_database: str, tmp_path: Path) -> None:
    server = kafka.start(own_broker, heap="512m", guard=os.getpid())
    try:
        with toy_on(server.address, fresh_database, tmp_path) as toy:
            toy.feed(range(500))
            process = toy.start(HUB_RECORDS_MAX="20")
            toy.until(lambda: toy.decided() > 60)
            (broker,) = psutil.Process(server.pid).children()
            end(broker.pid, signal.SIGKILL)
            wait_until(lambda: not server.running(), 10)
            time.sleep(2)
            assert process.poll() is None
            address = server.address
            server = kafka.start(own_broker, heap="512m", guard=os.getpid())
            assert server.address == address
            toy.feed(range(500, 800))
            toy.settled(800, 45)
            stop(process)
            check_exact(toy.rows(), toy.echoes(), range(800))
    finally:
        kafka.stop(server)


@pytest.mark.long
def test_a_slow_service_holds_bounded_memory_and_shows_its_lag(toy: Toy) -> None:
    """Behind by far more bytes than its queues may hold, it takes no more memory than they may."""
    for start in range(0, 4_000, 500):
        toy.log.append(counts(toy.catalogue, toy.topic, range(start, start + 500), filler=os.urandom(20_000)))
    (port,) = free_ports(1)
    process = toy.start(HUB_TOY_SECONDS="0.05", HUB_RECORDS_MAX="20", HUB_HEALTH_PORT=str(port))
    toy.until(lambda: toy.decided() > 20)
    begun, most = psutil.Process(process.pid).memory_info().rss / 2**20, 0.0
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        most = max(most, psutil.Process(process.pid).memory_info().rss / 2**20)
        time.sleep(0.2)
    told = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
    lag = sum(float(line.split()[-1]) for line in told.splitlines() if line.startswith("hub_lag_records{"))
    decided = toy.decided()
    assert decided < 2_000, "not slow enough to show anything"
    assert lag > 1_000
    # 80 MB wait; the client's queues may hold 16 MB a partition set, the batch and its effects the rest.
    assert most - begun < 60
    stop(process)
    places = [(row.topic, row.partition, row.offset) for row in toy.rows()]
    assert len(places) == len(set(places)) == toy.decided()
