"""The commands read a real database: a county's states go into PostgreSQL, and the return is that of the memory."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from hub.__main__ import app
from hub.held import InProcess, stored
from hub.persons import persons
from hub.story import play, read_story
from services.console.tables import ACCESS, INBOX
from spine.migrate import migrate
from spine.postgres import engine_for

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.postgres


def test_what_is_stored_is_counted_returned_and_listed(
    fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = fresh_database
    story = read_story(sorted((ROOT / "tests" / "stories").glob("S*.yaml"))[0])
    hub = play(story, ROOT / "contracts", ROOT / "schemas" / "avro").hub
    for service in ("status", "alerts", "console"):
        migrate(url, service)
    for service in ("status", "alerts"):
        engine = engine_for(url, service)
        with engine.begin() as connection:
            for key, body in hub.states(service).items():
                values = {"key": key, "body": body, "topic": "t", "partition": 0}
                connection.execute(
                    sa.text("INSERT INTO state (topic, partition, key, body) VALUES (:topic, :partition, :key, :body)"),
                    values,
                )
        engine.dispose()
    with stored(url) as held:
        assert list(persons(held)) == list(persons(InProcess(hub)))
    monkeypatch.setenv("HUB_POSTGRES", url)
    monkeypatch.setenv("HUB_KAFKA", "127.0.0.1:1")
    run = CliRunner().invoke
    page = tmp_path / "page.html"
    told = run(app, ["measures", "--on", "2026-11-30", "--json", "--html", str(page)])
    assert told.exit_code == 0, told.output
    assert json.loads(told.output)["targets"] and "<svg" in page.read_text()
    made = run(app, ["returns", "nccis", "--period", "2026-10", "--out", str(tmp_path), "--json", "--known", _now()])
    assert made.exit_code == 0, made.output
    again = run(app, ["returns", "nccis", "--period", "2026-10", "--out", str(tmp_path), "--json"])
    assert json.loads(again.output) == json.loads(made.output)
    assert run(app, ["returns", "ssda903", "--year", "2026", "--out", str(tmp_path), "--json"]).exit_code == 0
    listed = run(app, ["worklist", "--team", "yjt"])
    assert listed.exit_code == 0 and listed.output.startswith("due_on,")
    assert run(app, ["worklist", "--team", "yjt", "--out", str(tmp_path / "list.csv")]).exit_code == 0
    assert (tmp_path / "list.csv").stat().st_mode & 0o077 == 0
    assert run(app, ["risk", "list", "--role", "nobody"]).exit_code == 2
    assert run(app, ["worklist"]).exit_code == 2


def _now() -> str:
    return datetime(2026, 11, 6, tzinfo=UTC).isoformat()


def test_whom_a_worklist_shows_is_written_down_before_it_is_shown(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(fresh_database, "console")
    engine = engine_for(fresh_database, "console")
    day, view = date(2026, 11, 20), {"headline": "Contact needed", "lines": [], "todo": []}
    row: dict[str, Any] = {
        "alert_id": "a1",
        "role": "yjt-manager",
        "team": "yjt",
        "worker": "",
        "ref": "r1",
        "person_id": "p-1",
    }
    row |= {"rule": "A30", "severity": "P2", "raised_on": day, "due_on": day, "open": True, "act": "raised"}
    row |= {
        "times": 1,
        "handed_on": False,
        "title": "Contact needed",
        "at": datetime(2026, 11, 20, tzinfo=UTC),
        "view": view,
    }
    with engine.begin() as connection:
        connection.execute(sa.insert(INBOX).values(**row))
    monkeypatch.setenv("HUB_POSTGRES", fresh_database)
    monkeypatch.setenv("HUB_KAFKA", "127.0.0.1:1")
    shown = CliRunner().invoke(app, ["worklist", "--team", "yjt"])
    assert shown.exit_code == 0 and "Contact needed" in shown.output
    with engine.begin() as connection:
        (seen,) = connection.execute(sa.select(ACCESS.c.person_id, ACCESS.c.page, ACCESS.c.about)).all()
        assert tuple(seen) == ("p-1", "hub worklist", "team yjt role")
        connection.execute(sa.text("ALTER TABLE access RENAME TO access_gone"))
    refused = CliRunner().invoke(app, ["worklist", "--team", "yjt"])
    engine.dispose()
    assert refused.exit_code == 3 and "Contact needed" not in refused.output
