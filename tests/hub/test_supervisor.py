"""The supervisor: crashes come back, halts stay down, everything ends."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.up import supervisor as module
from hub.up.record import ProcessRecord, RunRecord, born, read_run
from hub.up.supervisor import Child, Supervisor, pause_after

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def changes() -> list[int]:
    return []


@pytest.fixture
def started(tmp_path: Path, changes: list[int]) -> Iterator[list[Supervisor]]:
    made: list[Supervisor] = []
    yield made
    for supervisor in made:
        supervisor.stop()


def watch_until(supervisor: Supervisor, state: str, restarts: int = 0) -> ProcessRecord:
    for _ in range(400):
        supervisor.watch()
        (record,) = supervisor.records()
        if record.state == state and record.restarts >= restarts:
            return record
        time.sleep(0.02)
    raise AssertionError(f"never {state}: {supervisor.records()}")


def test_a_killed_service_is_started_again(tmp_path: Path, started: list[Supervisor]) -> None:
    supervisor = Supervisor([Child("status", SLEEPS)], tmp_path, lambda: None)
    started.append(supervisor)
    supervisor.start()
    (first,) = supervisor.records()
    os.kill(first.pid, signal.SIGKILL)
    again = watch_until(supervisor, "up", restarts=1)
    assert again.pid != first.pid
    assert again.running()


def test_a_halted_service_stays_down(tmp_path: Path, started: list[Supervisor], changes: list[int]) -> None:
    halts = [sys.executable, "-c", "import sys; sys.exit(3)"]
    supervisor = Supervisor([Child("status", halts)], tmp_path, lambda: changes.append(1))
    started.append(supervisor)
    supervisor.start()
    record = watch_until(supervisor, "halted")
    assert record.exit_code == module.HALT
    told = len(changes)
    time.sleep(1)
    supervisor.watch()
    assert watch_until(supervisor, "halted") == record
    assert len(changes) == told


def test_pauses_grow_to_a_limit() -> None:
    pauses = [pause_after(n) for n in range(100)]
    assert pauses == sorted(pauses)
    assert pauses[0] == module.PAUSE_SECONDS_MIN
    assert pauses[-1] == module.PAUSE_SECONDS_MAX


def test_stopping_ends_every_child(tmp_path: Path) -> None:
    supervisor = Supervisor([Child("a", SLEEPS), Child("b", SLEEPS)], tmp_path, lambda: None)
    supervisor.start()
    records = supervisor.records()
    assert all(record.running() for record in records)
    supervisor.stop()
    assert not any(record.running() for record in records)


def test_another_process_with_a_recorded_id_is_not_taken_for_ours() -> None:
    assert ProcessRecord("status", os.getpid(), born(os.getpid())).running()
    assert not ProcessRecord("status", os.getpid(), born(os.getpid()) - 100).running()


def test_the_record_reads_back_as_written(tmp_path: Path) -> None:
    record = RunRecord(
        ProcessRecord("supervisor", 1, 2.0),
        True,
        (ProcessRecord("status", 2, 3.0, "halted", None, 1, 3),),
        {"console": "http://127.0.0.1:1"},
    )
    record.write(tmp_path / "run.json")
    assert read_run(tmp_path / "run.json") == record
    assert record.halted() == ["status"]
    assert read_run(tmp_path / "none.json") is None
