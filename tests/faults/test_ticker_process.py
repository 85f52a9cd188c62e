"""The ticker as a process: it ticks on its start, and after kill -9 it ticks nothing twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spine.postgres import PostgresJournal
from spine.ticker import last_tick
from tests.spine.conftest import Toy, toy
from tests.spine.toy import ROOT

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

__all__ = ["toy"]


def start(toy: Toy, contracts: Path, **more: str) -> subprocess.Popen[bytes]:
    settings = {
        "HUB_KAFKA": toy.bootstrap,
        "HUB_POSTGRES": toy.url,
        "HUB_REGISTRY": "",
        "HUB_SCHEMAS": str(toy.schemas),
    }
    environment = {**os.environ, **settings, "HUB_CONTRACTS": str(contracts), **more}
    return subprocess.Popen([sys.executable, "-m", "spine.ticker"], cwd=ROOT, env=environment)


def test_a_day_is_ticked_once_in_every_partition_though_the_ticker_was_killed(toy: Toy, tmp_path: Path) -> None:
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    for name in ("log_events.yaml", "metrics.yaml"):
        shutil.copy(ROOT / "contracts" / name, contracts / name)
    (contracts / "topics.yaml").write_text(f"topics: {{{toy.topic}: {{partitions: 4, input_of: toy}}}}")
    killed = start(toy, contracts, HUB_CRASH_AT="produced")
    assert killed.wait(30) == -signal.SIGKILL
    ticker, service = start(toy, contracts), toy.start()
    # The killed one had produced: four ticks, and four repetitions with the same ids.
    toy.settled(8)
    rows = toy.rows()
    assert sorted(row.note for row in rows) == [""] * 4 + ["repeated"] * 4
    assert {row.partition for row in rows if not row.note} == {0, 1, 2, 3}
    journal = PostgresJournal(toy.url, "ticker")
    assert last_tick(journal) is not None
    journal.close()
    for process in (ticker, service):
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
