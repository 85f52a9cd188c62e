"""Published measures: one set a month, small numbers hidden beforehand, exports without formulas."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from hub.measures import performance
from hub.measures.count import Line
from hub.measures.publish import PublishedBefore, publish
from services.console.routes_measures import trend
from services.console.web import create_app
from tests.console.conftest import Desk, Visit

AT = datetime(2026, 12, 1, 9, tzinfo=UTC)


def found(on: date = date(2026, 11, 30), neet: int | None = 30) -> dict[str, Any]:
    """As ``hub.measures.command.counted`` tells it: what is None was hidden there."""
    of = None if neet is None else 1000
    lines = [
        Line("neet", "all", "all", neet, of),
        Line("known", "all", "all", 940, 1000),
        Line("yj_ete", "all", "all", None, None),
        Line("neet", "academic age", "16", 12, 480),
        Line("neet", "postcode district", "=HYPERLINK(1)", None, None),
    ]
    months = [date(2025, 12, 31), *(date(2026, m, 28) for m in range(1, 12))]
    percents: list[float | None] = [3.1, 3.3, None, 3.0, 2.9, 2.8, 2.9, 5.2, 4.8, 3.9, 3.4, 3.1]
    targets = [
        {"measure": "neet", "percent": 3, "direction": "at_most", "strategy": "Leicestershire", "clause": "targets"},
        {"measure": "known", "percent": 95, "direction": "at_least", "strategy": "Leicestershire", "clause": "targets"},
        {"measure": "yj_ete", "percent": 70, "direction": "at_least", "strategy": "Leicestershire", "clause": "yj"},
    ]
    trend_of = list(zip(months, percents, strict=True))
    alerts = [
        {"title": "all", "hidden": False, "raised": 60, "hours": 5, "helped": 30, "other_outcome": 10, "taken_back": 0,
         "by_itself": 10, "open": 10, "overdue": 12, "in_time": 48, "acknowledged": 50, "not_acknowledged": 10},
        {"title": "Left learning, destination unknown", "hidden": True},
    ]  # fmt: skip
    return {
        "alerts": alerts,
        "on": on,
        "known_at": AT,
        "lines": lines,
        "trend": trend_of,
        "annual": (3.1, 2.2),
        "targets": targets,
    }


def test_a_month_that_is_hidden_breaks_the_line() -> None:
    months = [{"on": f"2026-0{n}-28", "percent": p} for n, p in enumerate((3.0, 3.5, None, 4.0, 4.2), start=1)]
    picture = trend(months)
    assert picture is not None and len(picture.runs) == 2
    assert trend([{"on": "2026-01-31", "percent": None}]) is None


@pytest.mark.postgres
def test_a_manager_reads_what_is_published_against_the_targets(visit: Any, desk: Any) -> None:
    visit.sign_in("inclusion-manager")
    assert "No measures are published yet" in visit.get("/measures").text
    assert visit.get("/measures.csv").status_code == 404
    publish(desk.journal.engine, found(), AT)
    page = visit.get("/measures").text
    assert [page.count(word) for word in (">\n  Met\n", ">\n  Not met\n", ">\n  Hidden\n")] == [1, 1, 1]
    assert "3.0%" in page and "at most 3%" in page and "Counted on 30 November 2026" in page
    assert "480" in visit.get("/measures?by=academic+age&month=nonsense").text


@pytest.mark.postgres
def test_a_month_is_published_once(desk: Desk) -> None:
    publish(desk.journal.engine, found(date(2026, 11, 15)), AT)
    with pytest.raises(PublishedBefore, match="November 2026"):
        publish(desk.journal.engine, found(date(2026, 11, 30)), AT)
    publish(desk.journal.engine, found(date(2026, 12, 31)), AT)


@pytest.mark.postgres
def test_the_export_says_hidden_and_runs_nothing(visit: Any, desk: Any) -> None:
    publish(desk.journal.engine, found(), AT)
    visit.sign_in("data-manager")
    answer = visit.get("/measures.csv?month=2026-11-01")
    assert answer.headers["content-disposition"] == 'attachment; filename="measures-2026-11.csv"'
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert rows[1] == ["2026-11-30", "neet", "all", "all", "30", "1000", "3.0"]
    assert rows[3][4:] == ["hidden", "hidden", "hidden"]
    assert rows[5][3] == "'=HYPERLINK(1)"


@pytest.mark.postgres
def test_a_caseworker_has_no_measures(desk: Desk) -> None:
    publish(desk.journal.engine, found(), AT)
    with TestClient(create_app(desk.console())) as client:
        visit = Visit(client).sign_in("inclusion-team")
        assert visit.get("/measures").status_code == visit.get("/measures.csv").status_code == 404
        assert "/measures" not in visit.get("/").text


@pytest.mark.postgres
def test_how_alerts_were_dealt_with_is_published_from_their_lives_and_hides_what_is_small(
    visit: Any, desk: Any
) -> None:
    at = datetime(2026, 11, 20, 8, tzinfo=UTC)
    for n in range(8):
        desk.alert(f"a{n}", at=at, settle=False)
        desk.alert(f"a{n}", act="acknowledged", at=at + timedelta(hours=6), settle=False)
    desk.alert("b0", rule="A05", at=at, settle=False)
    desk.alert("late", rule="A01", at=AT + timedelta(hours=1))
    dealt = performance.lives(desk.journal.engine, date(2026, 11, 30), AT, 12)
    assert len(dealt) == 9
    alerts = performance.lines(dealt, date(2026, 11, 30), 5)
    publish(desk.journal.engine, {**found(), "alerts": performance.lines(dealt[:8], date(2026, 11, 30), 5)}, AT)
    page = visit.sign_in("inclusion-manager").get("/measures").text
    assert "half of them within 6 hours" in page and "Still open 100.0%" in page
    # The one beside them is hidden, and the total with it, which would tell it.
    assert [line["hidden"] for line in alerts] == [True, False, True]
