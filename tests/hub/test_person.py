"""``hub person show``: what was believed of somebody, on any day, as known at any moment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from hub.__main__ import app
from hub.held import InProcess
from hub.moments import moment
from hub.person import command, picture
from hub.person.command import answer
from hub.person.told import Told, changes
from hub.story import play, read_story

ROOT = Path(__file__).resolve().parents[2]


class Life:
    """S02: Jobcentre Plus knows in October, the college tells a month late that he left."""

    def __init__(self) -> None:
        run = play(read_story(ROOT / "tests" / "stories" / "S02.yaml"), ROOT / "contracts", ROOT / "schemas" / "avro")
        self.held, self.person = InProcess(run.hub), run.person_of["E1"]

    def told(self, known: str, on: str) -> Told:
        found = answer(self.held, self.person, moment(known), date.fromisoformat(on), ROOT / "contracts")
        assert found is not None
        return found


@pytest.fixture(scope="module")
def life() -> Life:
    return Life()


def test_what_was_true_and_what_was_known_are_two_questions(life: Life) -> None:
    before, after = life.told("2025-11-15", "2025-11-15"), life.told("2026-01-30", "2025-11-15")
    assert before.status["group"] == "EET"
    assert before.status["flags"]["conflict"]
    assert after.status["group"] == "NEET"
    assert not after.status["flags"]["conflict"]


def test_each_interval_names_the_fact_that_decided_it(life: Life) -> None:
    first = life.told("2026-01-30", "2025-11-15").timeline[0]
    assert any(line.startswith("education.enrolment.started of 2025-") for line in first.because)


def test_an_observation_repeated_is_told_and_does_not_count(life: Life) -> None:
    heard = [one for one in life.told("2026-01-30", "2025-11-15").heard if one.type.startswith("uc.")]
    assert {one.counts for one in heard} == {True, False}


def test_nothing_is_told_that_was_not_yet_known(life: Life) -> None:
    found = life.told("2025-11-15", "2026-01-15")
    assert all(one.known_at <= found.known_at for one in found.heard)
    assert all(one.raised_on <= date(2025, 11, 15) for one in found.alerts)
    assert not [one for one in found.alerts if one.closed_on and one.closed_on > date(2025, 11, 15)]


def test_two_moments_of_knowing_are_compared_in_lines(life: Life) -> None:
    lines = changes(life.told("2025-11-15", "2025-11-15"), life.told("2026-01-30", "2025-11-15"))
    assert any(line.startswith("no longer: ") for line in lines)
    assert any(line.startswith("now: 619 from ") for line in lines)
    assert any(line.startswith("closed: A05 ") for line in lines)


def test_the_picture_says_in_words_what_it_draws(life: Life) -> None:
    found = life.told("2026-01-30", "2025-11-15")
    root = ElementTree.fromstring(picture.svg(found))
    words = "".join(root.itertext())
    assert root.get("role") == "img"
    assert all(f"{one.code} from {one.start}" in words for one in found.timeline)
    assert all(one.rule in words for one in found.alerts)


def test_a_bare_day_of_knowing_ends_in_london() -> None:
    assert moment("2026-07-01") == datetime(2026, 7, 1, 22, 59, 59, tzinfo=UTC)
    assert moment("2026-07-01T12:00:00Z") == datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_nothing_is_shown_that_could_not_be_written_down(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def of_the_story() -> Iterator[InProcess]:
        yield life.held

    written: list[tuple[str, str]] = []
    monkeypatch.setattr(command, "stored", of_the_story)
    monkeypatch.setattr(command, "contracts_folder", lambda: ROOT / "contracts")
    monkeypatch.setattr(command, "write_down", lambda person, reason: written.append((person, reason)))
    words = ["person", "show", life.person, "--known", "2025-11-15", "--json", "--reason"]
    shown = CliRunner().invoke(app, [*words, "tribunal asks"])
    assert shown.exit_code == 0
    assert json.loads(shown.output)["status"]["group"] == "EET"
    assert written == [(life.person, "tribunal asks")]

    def away(person: str, reason: str) -> None:
        raise OSError("no database")

    monkeypatch.setattr(command, "write_down", away)
    refused = CliRunner().invoke(app, [*words, "tribunal asks"])
    assert refused.exit_code == 1
    assert "EET" not in refused.output
    assert CliRunner().invoke(app, [*words, " "]).exit_code == 2
    nobody = CliRunner().invoke(app, ["person", "show", "nobody", "--reason", "x"])
    assert nobody.exit_code == 1


def test_an_episode_that_goes_on_is_as_long_as_the_day_asked_about(life: Life) -> None:
    assert life.told("2026-01-10", "2025-11-23").episodes[0].detail == "30 days by 2025-11-23"
    assert life.told("2026-01-30", "2026-01-25").episodes[0].detail == "86 days"
