"""The inbox's bar: 500 alerts in under 300 ms on the server, among 50,000 alerts of 100,000 people."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from services.console.web import create_app
from spine.migrate import migrate
from tests.benchmarks.console_inbox import fill, measure
from tests.console.conftest import Desk, Visit

pytestmark = [pytest.mark.postgres, pytest.mark.long]
INBOX_MS_MAX = 300


@pytest.fixture
def crowded(fresh_database: str) -> Iterator[Desk]:
    migrate(fresh_database, "console")
    desk = Desk(fresh_database)
    yield desk
    desk.journal.close()


def test_the_inbox_opens_quickly_among_fifty_thousand_alerts(crowded: Desk) -> None:
    fill(crowded.journal.engine, team_of_others="inclusion-north")
    with TestClient(create_app(crowded.console())) as client:
        visit = Visit(client).sign_in("inclusion-team")
        assert "500 alerts, oldest due first: page 1 of 10" in visit.get("/").text
        found = measure(visit.get, 5)
    print({name: f"{median:.0f} ms" for name, (median, _) in found.items()})
    # The quickest of five: what the others took besides is the machine's other work.
    assert not {name: quickest for name, (_, quickest) in found.items() if quickest > INBOX_MS_MAX}
