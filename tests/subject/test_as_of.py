"""``hub as-of``: what was known at a moment is told from the facts known then, next to what had been said by then."""

from __future__ import annotations

from datetime import date

import pytest
from typer.testing import CliRunner

from hub.__main__ import app
from hub.held import InProcess
from hub.moments import moment
from hub.person.command import answer
from hub.person.told import Told as Answer
from hub.story import Told
from hub.subject.as_of import document, last_said
from hub.subject.books import Books, books_of
from tests.subject.conftest import CONTRACTS


@pytest.fixture(scope="module")
def book(college_leaver: Told) -> Books:
    return books_of(college_leaver.hub)


def asked(life: Told, known: str, on: str) -> Answer:
    found = answer(InProcess(life.hub), life.person_of["E1"], moment(known), date.fromisoformat(on), CONTRACTS)
    assert found is not None
    return found


def test_what_had_been_said_on_the_log_is_what_is_found_again(book: Books, college_leaver: Told) -> None:
    for known in ("2025-11-15", "2026-01-30"):
        found = asked(college_leaver, known, "2025-11-15")
        said = last_said(book, found)
        assert said is not None and said.known_at <= found.known_at
        assert (said.code, said.settled) == (found.status["code"], True)


def test_late_news_is_not_known_before_it_came(book: Books, college_leaver: Told) -> None:
    before, after = (asked(college_leaver, known, "2025-11-15") for known in ("2025-11-15", "2026-01-30"))
    early, late = last_said(book, before), last_said(book, after)
    assert early and late and early.code != late.code
    told = document(before, early)
    assert "A05" in {one["rule"] for one in told["open_alerts"]}
    assert "A05" not in {one["rule"] for one in document(after, late)["open_alerts"]}
    assert {one["type"] for one in told["heard"]} < {one["type"] for one in document(after, late)["heard"]}


def test_a_moment_before_everything_has_nothing_said(book: Books, college_leaver: Told) -> None:
    found = asked(college_leaver, "2020-01-01", "2020-01-01")
    assert last_said(book, found) is None
    assert document(found, None)["heard"] == ()


def test_a_day_that_is_none_is_wrong_usage() -> None:
    ran = CliRunner().invoke(app, ["as-of", "p-1", "--known", "yesterday", "--reason", "r"])
    assert ran.exit_code == 2
