"""The agent over a large source: rows a second next to a plain fetch of the same query, and memory that does not grow.

HUB_BENCH_CONNECT_ROWS=1000000 measures what docs/connect.md says.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy

ROOT = Path(__file__).resolve().parents[2]
ROWS = int(os.environ.get("HUB_BENCH_CONNECT_ROWS", "40000"))
GROWTH_BYTES_MAX = 40_000_000
RATIO_MIN = 0.005

# The door is played: it takes everything at once, so that the agent's own part is what is measured.
WORK = """
import ctypes, gc, json, sys, time
from datetime import date
from pathlib import Path
import psutil
from hub.client import Answer, Report
from hub.connect.mapping import read_mapping
from hub.connect.run import Agent, Round
from hub.connect.source import Source
from hub.connect.state import State

url, folder = sys.argv[1], Path(sys.argv[2])
mapping = read_mapping(folder / "mapping.yaml")
(feed,) = mapping.feeds

class Door:
    def publish(self, events):
        return Report(tuple(Answer(n, event.id, "taken", 202) for n, event in enumerate(events)))
    def extract(self, *told):
        return None

process, peaks = psutil.Process(), []
source = Source(url)
begun = time.monotonic()
with source.reading() as reading:
    rows = sum(1 for _ in reading.rows(feed))
plain = time.monotonic() - begun
gc.collect()
ctypes.CDLL(None).malloc_trim(0)
took = []
with State(folder / "state") as state:
    agent = Agent(source, state, date(2025, 11, 24), {}, lambda told: peaks.append(process.memory_info().rss))
    for _ in range(2):
        begun = time.monotonic()
        told = Round(feed.name, feed.shape)
        agent.send(feed, Door(), told)
        took.append(time.monotonic() - begun)
assert (told.rows, told.unchanged) == (rows, rows)
print(json.dumps({
    "rows": rows, "plain_rows_a_second": int(rows / plain),
    "first_rows_a_second": int(rows / took[0]), "first_ratio": round(plain / took[0], 4),
    "again_rows_a_second": int(rows / took[1]), "again_ratio": round(plain / took[1], 4),
    "first": peaks[0], "peak": max(peaks),
}))
"""
MAPPING = """
party: northvale-college
source: {url_env: CASES_URL}
feeds:
- name: withdrawals
  event: education.enrolment.withdrawn
  shape: snapshot
  query: SELECT ref, forename, surname, dob, left_on, why FROM leavers
  key: [ref]
  effective_on: left_on
  fields:
    subject.source_ref: ref
    subject.given_name: forename
    subject.family_name: surname
    subject.date_of_birth: dob
    data.reason: {column: why, map: {W1: changed_mind, W2: work}}
    data.destination: {value: unknown}
    data.destination_confirmed: {value: false}
"""


def measure(url: str, folder: Path, rows: int) -> dict[str, float]:
    """A source of ``rows`` leavers, read once as it is and twice by the agent."""
    (folder / "mapping.yaml").write_text(MAPPING)
    engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    columns = "ref VARCHAR(20), forename VARCHAR(40), surname VARCHAR(40), dob DATE, left_on DATE, why VARCHAR(8)"
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE leavers ({columns})")
        for start in range(0, rows, 5000):
            values = ", ".join(
                f"('P{n:07}', 'Ada', 'Testcase{n}', '2009-03-14', '2025-11-21', 'W1')"
                for n in range(start, min(start + 5000, rows))
            )
            connection.exec_driver_sql(f"INSERT INTO leavers VALUES {values}")
    engine.dispose()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", WORK, url, str(folder)]
    ran = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    read: dict[str, float] = json.loads(ran.stdout)
    return read


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.long
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_a_large_source_is_read_in_memory_that_does_not_grow(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    sqlite = f"sqlite:///{tmp_path / 'cases.db'}"
    found = measure(sqlite if kind == "sqlite" else request.getfixturevalue("fresh_database"), tmp_path, ROWS)
    print(json.dumps({"source": kind, **found}))
    assert found["rows"] == ROWS
    assert found["peak"] - found["first"] < GROWTH_BYTES_MAX
    assert min(found["first_ratio"], found["again_ratio"]) > RATIO_MIN
