"""What stands open, as the operators' gauges see it: each alert once, whoever was told of it, and no rehearsal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.console.counted import look
from spine.telemetry import metrics
from tests.console.conftest import TODAY, Desk

OPENED = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def number(name: str, **labels: str) -> float | None:
    return metrics().registry.get_sample_value(name, labels)


def test_open_and_overdue_alerts_and_waiting_reviews_are_counted(desk: Desk) -> None:
    two = [{"role": role, "team": "inclusion-south", "worker": "w-4401"} for role in ("inclusion-team", "pa")]
    desk.alert("late", severity="P1", due=TODAY - timedelta(days=1), told=two)
    desk.alert("soon", severity="P1")
    desk.alert("closed", severity="P1", due=TODAY - timedelta(days=9), is_open=False)
    desk.alert("rehearsal", severity="P2", test=True)
    desk.review("r1", opened_at=OPENED, safeguarding=False)
    desk.review("r2", opened_at=OPENED + timedelta(hours=1), safeguarding=True)
    desk.review("r3", state="closed", opened_at=OPENED - timedelta(days=9))
    # The day is the last one ticked, whatever the clock says.
    desk.tell("alerts", "", "tick.v1", {"on": TODAY})
    desk.settle()
    with desk.journal.engine.connect() as connection:
        look(connection, OPENED + timedelta(hours=2))
    open_ones = [number("hub_alerts_open", priority=p) for p in ("P1", "P2", "P3", "P4")]
    assert open_ones == [2, 0, 0, 0] and number("hub_alerts_overdue", priority="P1") == 1
    assert [number("hub_reviews_open", safeguarding=s) for s in ("no", "yes")] == [1, 1]
    assert [number("hub_review_oldest_seconds", safeguarding=s) for s in ("no", "yes")] == [7200, 3600]
