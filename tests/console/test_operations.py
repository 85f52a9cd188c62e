"""Operations and agreements."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.console.agreements import Agreement, load
from services.console.web import create_app
from tests.console.conftest import CONTRACTS, Desk, Visit

MADE = Agreement("isa-1@1.0", "t", "active", date(2025, 9, 1), date(2027, 8, 31), date(2027, 6, 1), 3)


@pytest.mark.parametrize(
    ("today", "state"),
    [
        (date(2025, 8, 31), "not_begun"),
        (date(2026, 1, 1), "in_force"),
        (date(2027, 4, 2), "review_due"),
        (date(2027, 7, 2), "ends_soon"),
        (date(2027, 8, 31), "ends_soon"),
        (date(2027, 9, 1), "ended"),
    ],
)
def test_an_agreement_says_where_it_is_in_its_life(today: date, state: str) -> None:
    assert MADE.state(today) == state


def test_every_agreement_of_the_contracts_is_listed() -> None:
    found = load(CONTRACTS)
    assert len(found) == len(list((CONTRACTS / "agreements").glob("*.isa.yaml")))
    assert [one.last for one in found] == sorted(one.last for one in found)


@pytest.mark.postgres
def test_operators_see_how_far_the_services_are_and_what_is_given_up(visit: Any, desk: Desk) -> None:
    desk.alert("a1")
    desk.clock = desk.clock.replace(year=2026)
    desk.refusal("not_in_agreement")
    visit.sign_in("operator")
    page = visit.get("/operations").text
    # This console's own journal is here; the other services have no schema in this database.
    assert page.count("Not read from here") == 5
    assert "Not in agreement" in page and "southmere-college" in page
    assert "isa-2024-011" in visit.get("/agreements").text
    with TestClient(create_app(desk.console())) as client:
        worker = Visit(client).sign_in("inclusion-team")
        assert worker.get("/operations").status_code == worker.get("/agreements").status_code == 404
