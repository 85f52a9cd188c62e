"""kill -9 at every point of a round: nothing is lost, and nothing comes twice that the door does not recognise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy

from tests.hub.connect.conftest import MAPPING, ROOT, Cases

# A round is made of reading, the state's writes and requests to the door. The n-th run dies at the n-th of all points
# before and after each of them; the last run meets no more points and ends by itself. Forked: an import costs a second.
KILLER = """
import json, os, signal, sqlite3, sys
from pathlib import Path
from hub.__main__ import app
from hub.client import Client
from hub.connect import command
from hub.connect.source import Reading
from hub.connect.state import State
from datetime import datetime

folder, mapping, now = Path(sys.argv[1]), sys.argv[2], datetime.fromisoformat(sys.argv[3])
command.now = lambda: now
left = [-1]

def point():
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def watch(owner, name):
    kept = getattr(owner, name)
    def watched(*words, **named):
        point()
        out = kept(*words, **named)
        point()
        return out
    setattr(owner, name, watched)

for owner, name in [(State, "mark"), (State, "end_reading"), (State, "told"), (Client, "publish"), (Client, "extract")]:
    watch(owner, name)
read = Reading.rows
def rows(self, feed):
    for row in read(self, feed):
        point()
        yield row
Reading.rows = rows

def agent(number, points):
    child = os.fork()
    if child == 0:
        left[0] = points
        os.environ["CASES_URL"] = f"sqlite:///{folder}/cases-{number}.db"
        sys.stdout = sys.stderr = open(folder / f"said-{number}", "a")
        try:
            app(["connect", "run", mapping, "--state", str(folder / f"state-{number}"), "--json"])
        except SystemExit as ended:
            sys.stdout.flush()
            os._exit(ended.code or 0)
    status = os.waitpid(child, 0)[1]
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)

def sql(number, text):
    with sqlite3.connect(folder / f"cases-{number}.db") as database:
        database.execute(text)

number, died = 0, True
while died:
    number += 1
    sql(number, "CREATE TABLE leavers (ref, forename, surname, dob, left_on, why)")
    for n in range(5):
        sql(number, f"INSERT INTO leavers VALUES ('K{number}-{n}', 'Ada', 'Able', '14/03/2009', '2025-11-21', 'W1')")
    died = agent(number, number)
    assert died in (0, 9), died
    if number % 2:
        # The world goes on while the agent lies dead.
        sql(number, f"UPDATE leavers SET why = '2' WHERE ref = 'K{number}-0'")
    for _ in range(2):
        assert agent(number, -1) == 0, (folder / f"said-{number}").read_text()
print(number)
"""


@pytest.mark.slow
def test_a_round_killed_at_any_point_loses_nothing_and_repeats_nothing(
    one: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.connect import command

    one.mapping.write_text(MAPPING.replace("shape: delta", "shape: snapshot"))
    environment = {**os.environ, **one.environment, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", KILLER, str(one.folder), str(one.mapping), command.now().isoformat()]
    ran = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rounds = int(ran.stdout)
    assert rounds > 5 + 2 * 5, "five rows, and five doings with a point on either side"
    said = Counter(one.told())
    for number in range(1, rounds + 1):
        for n in range(5):
            now = "work" if number % 2 and n == 0 else "changed_mind"
            assert said[(f"K{number}-{n}", now)] == 1, "what the source says now came once"
    assert set(said.values()) == {1}
    assert sum(said.values()) <= 5 * rounds + (rounds + 1) // 2, "and what it said before at most once"
    assert not one.door.facts("refusals"), "a refusal would be an id with two meanings"
    told = Counter(json.dumps(extract) for extract in one.extracts())
    assert sum(told.values()) == sum(_ended(one.folder, number) for number in range(1, rounds + 1))


def _ended(folder: Path, number: int) -> int:
    """Readings that came to their end, by the agent's own count."""
    engine = sqlalchemy.create_engine(f"sqlite:///{folder / f'state-{number}'}")
    with engine.connect() as connection:
        return int(connection.execute(sqlalchemy.text("SELECT number FROM extracts")).scalar_one())
