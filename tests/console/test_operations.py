"""Operations and agreements."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from hub.subject import approvals, holds
from hub.subject.officers import Officers
from hub.subject.registers import ERASURE, registers
from hub.under_way import UnderWay
from services.console.agreements import Agreement, load
from services.console.reader import Reader
from services.console.reports import Reports
from services.console.web import create_app
from spine.clock import now
from spine.headed import Head, encode_head
from spine.ledger.operations import record
from spine.migrate import migrate, migrate_ledger
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
def test_reports_are_listed_for_operators_and_fetched_by_the_auditor_alone(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "march.html").write_text("<script>alert(1)</script>")
    (tmp_path / "secret.json").write_text("{}")
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    (folder / "notes.txt").write_text("not a report")
    far = UnderWay(folder / "april.json.progress", "verify", lambda: desk.clock)
    far.step("decisions", 1, 3)
    far.expect(50_000)
    far.write()
    with TestClient(create_app(desk.console(reports=Reports(folder)))) as client:
        page = Visit(client).sign_in("operator").get("/operations").text
        assert "april.json" in page and "Runs" in page and "Decisions, 1 of 3" in page and "0 of 50,000" in page
        desk.clock += timedelta(minutes=2)
        assert "Stopped" in client.get("/operations").text
        far.end()
        assert "Under way" not in client.get("/operations").text
        assert "march.html" in page and "link.json" not in page and "notes.txt" not in page
        assert "/operations/reports/" not in page
        assert client.get("/operations/reports/march.html").status_code == 404
        visit = Visit(client).sign_in("auditor")
        assert 'href="/operations/reports/march.html"' in visit.get("/operations").text
        fetched = visit.get("/operations/reports/march.html")
        # As a file, never as a page of this address.
        assert fetched.status_code == 200 and fetched.headers["content-disposition"].startswith("attachment")
        assert fetched.headers["content-type"] == "application/octet-stream"
        # Who took it is on the record; it is about no one young person.
        seen = [row for row in Reader(desk.journal.engine).seen("", 0) if row["page"] == "report"]
        assert [(row["user_id"], row["about"], row["person_id"]) for row in seen] == [("auditor", "march.html", "")]
        assert visit.get("/oversight").text.count("Who else looked") == 0
        for name in ("link.json", "notes.txt", "..%2Fsecret.json", "absent.html"):
            assert client.get(f"/operations/reports/{name}").status_code == 404
    assert Reports(tmp_path / "away").latest() is None is Reports().latest()


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


PERSON = "p-0123456789abcdef"


@pytest.fixture
def ordered(desk: Desk) -> Iterator[Desk]:
    """A hub with orders that wait, a hold, an erasure begun, a policy head and a ledger."""
    orders(desk.url)
    yield desk
    with desk.journal.engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA governance, policy, audit CASCADE"))


def orders(url: str) -> None:
    with registers(url) as engine, engine.begin() as connection:
        approvals.ask(connection, Officers(), "erase", f"{PERSON} request", "Rachel Osei", now())
        approvals.ask(connection, Officers(), "redrive", "invalid", "Long Gone", now() - timedelta(days=8))
        holds.place(connection, PERSON, "LIT-2026-7", "Rachel Osei", now())
        begun = {"erasure_id": "er-1", "person_id": "p-2", "ground": "request", "asked_by": "A", "approved_by": "B"}
        begun |= {"ordered_at": now(), "step": "keys_destroyed", "plan": {}}
        connection.execute(sa.insert(ERASURE), begun)
        done = {**begun, "erasure_id": "er-2", "person_id": "p-3", "step": "certified"}
        connection.execute(sa.insert(ERASURE), done)
    migrate(url, "policy")
    migrate_ledger(url)
    record(url, "export", {"person_id": PERSON}, datetime(2026, 11, 24, 8, tzinfo=UTC))
    record(url, "redrive", {"class": "invalid", "party": "x", "event": PERSON, "sent": 3}, now())
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        head = {"body": encode_head(Head(4, "abcdef0123456789ffff", ("isa-2024-012",)))}
        row = "INSERT INTO policy.state (key, topic, partition, body) VALUES ('head', 'policy', 0, :body)"
        connection.execute(sa.text(row), head)
        connection.execute(sa.text("INSERT INTO audit.beat (made_at, problem) VALUES (now(), 'tree alerts is behind')"))
    engine.dispose()


@pytest.mark.postgres
def test_orders_versions_and_proofs_are_shown_and_nobody_they_are_about(ordered: Desk) -> None:
    ordered.alert("a1")
    with TestClient(create_app(ordered.console())) as client:
        page = Visit(client).sign_in("dpo").get("/operations").text
    assert "Erasure" in page and "Rachel Osei" in page and "Waits" in page and "Long Gone" not in page
    assert "LIT-2026-7" in page and "er-1" in page and "Keys destroyed" in page and "er-2" not in page
    assert "abcdef0123456789<" in page and "isa-2024-012" in page
    assert "tree alerts is behind" in page and "class invalid, sent 3" in page and "Export" in page
    assert PERSON not in page and "p-2" not in page


@pytest.mark.postgres
def test_what_is_not_read_from_here_is_said_and_never_taken_for_empty(desk: Desk) -> None:
    with TestClient(create_app(desk.console())) as client:
        page = Visit(client).sign_in("operator").get("/operations").text
    assert "The registers are not read from here" in page and "The ledger is not read from here" in page
