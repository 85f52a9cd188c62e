"""How long the inbox takes on the server: 100,000 people, 50,000 open alerts, 500 of them one worker's.

``PYTHONPATH=. python tests/benchmarks/console_inbox.py postgresql://…`` fills the console's schema of an EMPTY database
and prints milliseconds; ``tests/benchmarks/test_console.py`` holds the bar.
"""

from __future__ import annotations

import html
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

ALERTS, PEOPLE, OWN = 50_000, 100_000, 500
LINES = [{"label": f"Label {n}", "value": "x" * 40, "category": "status"} for n in range(8)]
VIEW = {
    "lines": LINES, "why": ["y" * 80] * 4, "todo": ["z" * 40] * 2, "withheld": [], "agreements": ["ISA-2024-011@1.0"],
    "policy": "f00d", "timeline": [{"start": "2025-09-03", "end": None, "label": "School sixth form"}] * 6,
}  # fmt: skip
#: The first 500 are Beth Novak's; of the rest, four fifths are one other team's of her role, all others nobody's.
FILL = """
INSERT INTO told (alert_id, role, team, worker, ref, person_id, rule, severity, raised_on, due_on, open, act, times,
                  handed_on, at, view, title)
SELECT 'a' || n, 'inclusion-team', CASE WHEN n <= :own THEN 'inclusion-south' ELSE :others END,
       CASE WHEN n <= :own THEN 'w-4401' WHEN n % 5 = 0 THEN '' ELSE 'w-4403' END,
       left(md5('a' || n) || md5('b' || n), 20), 'p-' || (n * 7919) % :people, 'A' || lpad((n % 38 + 1)::text, 2, '0'),
       'P' || n % 4 + 1, date '2026-11-01' + n % 20, date '2026-11-10' + n % 60, true, 'raised', 1, false,
       timestamptz '2026-11-20 08:00Z' + n * interval '1 second',
       jsonb_set(CAST(:view AS jsonb), '{headline}', to_jsonb('Title ' || n % 38 || ': Aisha Verity')),
       'Title ' || n % 38
FROM generate_series(1, :alerts) n
"""
MORE = (
    "INSERT INTO history SELECT 'h' || alert_id, alert_id, 'raised', raised_on, at, severity, due_on FROM told",
    "INSERT INTO action SELECT 'x' || ref, alert_id, role, 'w-1', 'acknowledge', '', at FROM told WHERE number % 5 = 0",
    "ANALYZE told", "ANALYZE history", "ANALYZE action",
)  # fmt: skip


def fill(engine: sa.Engine, *, team_of_others: str) -> None:
    """``team_of_others``: the worker's own team makes all 50,000 visible to them; another leaves them their 500."""
    given = {"own": OWN, "others": team_of_others, "people": PEOPLE, "alerts": ALERTS, "view": json.dumps(VIEW)}
    with engine.begin() as connection:
        connection.execute(sa.text("TRUNCATE told, history, action, shown"))
        connection.execute(sa.text(FILL), given)
        for statement in MORE:
            connection.execute(sa.text(statement))


def took(get: Callable[[str], Any], path: str, times: int = 15) -> tuple[float, float]:
    """Median and quickest of ``times`` in milliseconds, after one that warms."""
    assert get(path).status_code == 200, path
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        get(path)
        found.append((time.perf_counter() - begun) * 1000)
    return statistics.median(found), min(found)


def deep(get: Callable[[str], Any], pages: int) -> str:
    """The path of a page far down."""
    path = "/"
    for _ in range(pages):
        path = html.unescape(get(path).text.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0])
    return path


def measure(get: Callable[[str], Any], times: int = 15) -> dict[str, tuple[float, float]]:
    paths = {
        "inbox": "/",
        "mine": "/?scope=mine",
        "one title": "/?about=Title+7",
        "not acknowledged": "/?state=new",
        "page 6": deep(get, 5),
        "team": "/team",
    }
    return {name: took(get, path, times) for name, path in paths.items()}


def main(url: str) -> None:
    from fastapi.testclient import TestClient

    from services.console.web import create_app
    from spine.migrate import migrate
    from spine.postgres import PostgresJournal
    from tests.console.conftest import Desk, Visit

    migrate(url, "console")
    desk = Desk(url)
    assert isinstance(desk.journal, PostgresJournal)
    for words, team in (("500 visible of 50,000", "inclusion-north"), ("all 50,000 visible", "inclusion-south")):
        fill(desk.journal.engine, team_of_others=team)
        with TestClient(create_app(desk.console())) as client:
            visit = Visit(client).sign_in("inclusion-team")
            for name, (median, quickest) in measure(visit.get).items():
                print(f"{words:24} {name:18} median {median:6.0f} ms   quickest {quickest:6.0f} ms")
    desk.journal.close()


if __name__ == "__main__":
    main(sys.argv[1])
