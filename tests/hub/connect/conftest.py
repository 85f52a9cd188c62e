"""A case system with one table, the agent beside it, and a real door on the other side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from typer.testing import CliRunner

from hub.__main__ import app
from hub.connect import command
from tests.hub.partner_door import RealDoor, real_door
from tests.ingest.conftest import RECEIVED

ROOT = Path(__file__).resolve().parents[3]
MAPPING = """
party: northvale-college
source: {url_env: CASES_URL}
feeds:
- name: withdrawals
  event: education.enrolment.withdrawn
  shape: delta
  leaver: true
  query: SELECT ref, forename, surname, dob, left_on, why FROM leavers WHERE why <> 'x:y' ORDER BY ref
  key: [ref]
  effective_on: left_on
  fields:
    subject.source_ref: ref
    subject.given_name: forename
    subject.family_name: surname
    subject.date_of_birth: {column: dob, date_format: "%d/%m/%Y"}
    data.reason: {column: why, map: {W1: changed_mind, "2": work}}
    data.destination: {value: unknown}
    data.destination_confirmed: {value: false}
"""


class Cases:
    """A case system with one table, and an agent beside it."""

    def __init__(self, url: str, folder: Path, door: RealDoor) -> None:
        self.engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        self.door, self.folder = door, folder
        self.mapping = folder / "mapping.yaml"
        self.mapping.write_text(MAPPING)
        self.environment = {"HUB_DOOR": door.url, "HUB_API_KEY": "northvale-college-key", "CASES_URL": url}
        self.sql(
            "CREATE TABLE leavers (ref VARCHAR(20), forename VARCHAR(40), surname VARCHAR(40), dob CHAR(12),"
            " left_on DATE, why VARCHAR(8))"
        )

    def sql(self, text: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(sqlalchemy.text(text))

    def leaver(self, ref: str, why: str = "W1", left_on: str = "2025-11-21") -> None:
        self.sql(f"INSERT INTO leavers VALUES ('{ref}', 'Aaliyah', 'Khan-Reid', '14/03/2009', '{left_on}', '{why}')")

    def agent(self, command: str = "run", *words: str, code: int = 0) -> Any:
        state = ["--state", str(self.folder / "state")] if command != "doctor" else []
        ran = CliRunner().invoke(
            app, ["connect", command, str(self.mapping), *state, *words, "--json"], env=self.environment
        )
        assert ran.exit_code == code, ran.output
        # The door in this process may log a line of its own before.
        return json.loads(ran.output[min(at for mark in "[{" if (at := ran.output.find(f"{mark}\n")) >= 0) :])

    def release(self, *words: str, code: int = 0) -> Any:
        state = str(self.folder / "state")
        ran = CliRunner().invoke(app, ["connect", "release", *words, "--state", state, "--json"])
        assert ran.exit_code == code, ran.output
        return json.loads(ran.output)

    def observed(self) -> list[str]:
        self.door.run()
        opened, kind = self.door.catalogue.open, "education.enrolment.withdrawn"
        facts = [fact for fact in self.door.facts("observations") if fact.fields["type"] == kind]
        return [str(opened(f"{kind}.data.v1", fact.fields["data"])["reason"]) for fact in facts]

    def told(self) -> list[tuple[str, str]]:
        """(reference, reason) of every withdrawal that the hub took."""
        self.door.run()
        opened, kind = self.door.catalogue.open, "education.enrolment.withdrawn"
        facts = [fact.fields for fact in self.door.facts("observations") if fact.fields["type"] == kind]
        return [
            (str(opened("subject.v1", f["subject"])["source_ref"]), str(opened(f"{kind}.data.v1", f["data"])["reason"]))
            for f in facts
        ]

    def extracts(self) -> list[Any]:
        """What the hub knows of whole readings."""
        self.door.run()
        opened, kind = self.door.catalogue.open, "feed.extract_received"
        facts = [fact for fact in self.door.facts("observations") if fact.fields["type"] == kind]
        return [opened(f"{kind}.data.v1", fact.fields["data"]) for fact in facts]


@pytest.fixture(autouse=True)
def _same_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent's clock is the door's."""
    monkeypatch.setattr(command, "now", lambda: RECEIVED)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[RealDoor]:
    with real_door(tmp_path / "door") as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def cases(request: pytest.FixtureRequest, tmp_path: Path, door: RealDoor) -> Iterator[Cases]:
    sqlite = f"sqlite:///{tmp_path / 'cases.db'}"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("fresh_database")
    held = Cases(url, tmp_path, door)
    yield held
    held.engine.dispose()


@pytest.fixture
def one(tmp_path: Path, door: RealDoor) -> Iterator[Cases]:
    held = Cases(f"sqlite:///{tmp_path / 'cases.db'}", tmp_path, door)
    yield held
    held.engine.dispose()
