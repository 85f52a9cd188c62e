"""``hub explain``: one file says why an alert was raised or was not, and proves it without a hub."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.__main__ import app
from hub.story import Told
from hub.subject.books import Books, books_of
from hub.subject.chain import Unknown, explained, found, silence
from hub.subject.explain import verdict
from hub.subject.proof import sealed_document
from services.alerts.state import Alert, decode
from tests.subject.conftest import CONTRACTS, SCHEMAS

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
Document = dict[str, Any]


@pytest.fixture(scope="module")
def book(college_leaver: Told) -> Books:
    return books_of(college_leaver.hub)


@pytest.fixture(scope="module")
def alerts(college_leaver: Told) -> tuple[Alert, ...]:
    return decode(college_leaver.hub.states("alerts")[college_leaver.person_of["E1"]]).alerts


@pytest.fixture(scope="module")
def document(book: Books, alerts: tuple[Alert, ...]) -> Document:
    """Of the conflict between college and Jobcentre Plus (A05), which rests on facts."""
    chosen = next(one for one in alerts if one.rule == "A05")
    return explained(book, found(book, chosen.alert_id), CONTRACTS, NOW)


def failing(document: Document) -> list[str]:
    return [one.what for one in verdict(document, CONTRACTS, SCHEMAS) if one.holds is False]


def test_every_alert_of_a_life_is_explained_and_decided_again_from_its_file(
    book: Books, alerts: tuple[Alert, ...]
) -> None:
    assert len(alerts) > 3
    for alert in alerts:
        told = verdict(explained(book, found(book, alert.alert_id), CONTRACTS, NOW), CONTRACTS, SCHEMAS)
        assert [one.what for one in told if one.holds is not True] == []
        assert any(one.what.endswith("decided again") for one in told)


def test_the_facts_lead_back_to_the_gate_with_source_agreement_and_place(document: Document) -> None:
    assert document["facts"]
    for fact in document["facts"]:
        assert fact["source"] and "@" in fact["agreement"]
        assert [one["service"] for one in fact["decisions"]][:1] == ["ingest"]
        assert {"ingest", "matching", "status", "alerts"} <= {one["service"] for one in fact["decisions"]}


def test_each_recipient_stands_with_what_was_shown_and_under_which_agreements(document: Document) -> None:
    told = [one for act in document["acts"] for one in act["recipients"]]
    assert told and all(one["shown"]["agreements"] for one in told)
    assert {one["agreement"] for one in document["agreements"]} >= {
        a for one in told for a in one["shown"]["agreements"]
    }
    assert {one["channel"] for one in document["deliveries"]} == {"inbox", "email"}


def _shown(document: Document) -> None:
    document["acts"][0]["recipients"][0]["shown"]["headline"] += "!"


def _settings(document: Document) -> None:
    document["acts"][0]["decisions"][0]["row"]["note"] = "x"


def _record(document: Document) -> None:
    value = document["acts"][0]["record"]["value"]
    document["acts"][0]["record"]["value"] = value[:-1] + ("0" if value[-1] != "0" else "1")


def _input(document: Document) -> None:
    one = document["facts"][0]["decisions"][0]
    one["input"] = one["input"][:-2] + ("00" if one["input"][-2:] != "00" else "01")


def _link(document: Document) -> None:
    document["acts"][0]["decisions"][0]["previous_link"] = "00" * 32


def _swapped(document: Document) -> None:
    document["facts"][0]["decisions"][1]["row"]["event_id"] = "another"


@pytest.mark.parametrize("change", [_shown, _settings, _record, _input, _link, _swapped])
def test_a_change_is_found_even_if_the_hash_of_the_file_is_made_anew(
    document: Document, change: Callable[[Document], None]
) -> None:
    changed = copy.deepcopy(document)
    change(changed)
    assert failing(changed)[:1] == ["the file is as it was written"]
    assert failing(sealed_document({name: value for name, value in changed.items() if name != "sha256"}))


def test_a_rule_that_is_silent_says_at_which_gate_it_stops(book: Books, college_leaver: Told) -> None:
    asked = silence(book, college_leaver.person_of["E1"], "A10", CONTRACTS, NOW, date(2026, 1, 30))
    assert asked["why_not"] == "its ground does not hold on the last day"
    assert asked["facts"] == []
    assert any(name.startswith("education.attendance") for name in asked["wants"])
    assert failing(asked) == []


def test_nobody_is_explained_by_an_id_that_is_none(book: Books) -> None:
    with pytest.raises(Unknown):
        found(book, "f" * 32)


def test_an_explanation_needs_a_question_and_a_reason() -> None:
    for words in (
        ["explain"],
        ["explain", "abc"],
        ["explain", "abc", "--person", "p", "--rule", "A01", "--reason", "r"],
    ):
        assert CliRunner().invoke(app, words).exit_code == 2
