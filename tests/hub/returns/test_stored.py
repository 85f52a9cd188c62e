"""The commands read a real database: a county's states go into PostgreSQL, and the return is that of the memory."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from hub.__main__ import app
from hub.held import InProcess, stored
from hub.persons import persons
from hub.story import play, read_story
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
