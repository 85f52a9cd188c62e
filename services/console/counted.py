"""What the console counts: how soon an alert is in the inbox, what stands open there, what waits for a steward."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import sqlalchemy as sa

from services.console.tables import INBOX, REVIEW, TODAY
from spine.carried import carried
from spine.clock import local_date, now
from spine.step import Told
from spine.telemetry import log, metrics

LOOK_SECONDS = 30.0
SEVERITIES = ("P1", "P2", "P3", "P4")


def waited(told: Sequence[Told], clock: Callable[[], datetime] = now) -> None:
    """How long after its cause was taken each new alert can be read in the inbox."""
    metrics().at_zero("hub_receipt_to_alert_seconds", stage="inbox")
    for one in told:
        if one.fact is None or one.fact.kind != "alert.v1" or one.decided.note != "shown":
            continue
        taken = carried(one.record.headers).received_ms
        if taken is not None and one.fact.fields["act"] == "raised":
            seconds = max(0.0, clock().timestamp() - taken / 1000)
            metrics().observe("hub_receipt_to_alert_seconds", seconds, stage="inbox")


def look(connection: sa.Connection, at: datetime) -> None:
    """Set the gauges of what stands open: alerts by severity, overdue ones, reviews and the age of the oldest."""
    # Until the first tick the day is the clock's.
    today: date = connection.scalar(sa.select(TODAY.c.on)) or local_date(at)
    # An alert has a row for each recipient; it stands while any of them holds it.
    each = sa.func.count(INBOX.c.alert_id.distinct())
    alerts = (
        sa.select(INBOX.c.severity, each, each.filter(INBOX.c.due_on < today))
        .where(INBOX.c.open, ~INBOX.c.handed_on)
        .group_by(INBOX.c.severity)
    )
    found = {severity: (standing, overdue) for severity, standing, overdue in connection.execute(alerts)}
    for severity in SEVERITIES:
        standing, overdue = found.get(severity, (0, 0))
        metrics().gauge("hub_alerts_open", standing, priority=severity)
        metrics().gauge("hub_alerts_overdue", overdue, priority=severity)
    reviews = (
        sa.select(REVIEW.c.safeguarding, sa.func.count(), sa.func.min(REVIEW.c.opened_at))
        .where(REVIEW.c.state == "open")
        .group_by(REVIEW.c.safeguarding)
    )
    waiting = {jumps: (number, oldest) for jumps, number, oldest in connection.execute(reviews)}
    for jumps in (True, False):
        number, oldest = waiting.get(jumps, (0, at))
        labels = {"safeguarding": "yes" if jumps else "no"}
        metrics().gauge("hub_reviews_open", number, **labels)
        metrics().gauge("hub_review_oldest_seconds", max(0.0, (at - oldest).total_seconds()), **labels)


@dataclass(slots=True)
class Looking:
    """Looks again and again in a thread of its own, beside the processor. ``close`` ends it."""

    engine: sa.Engine
    stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="looking", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while True:
            try:
                with self.engine.connect() as connection:
                    look(connection, now())
            except sa.exc.SQLAlchemyError as error:
                # The numbers stand still until it answers again; that the database is away is told elsewhere.
                log().warning("retry", where="looking", reason=type(error).__name__, attempt=1, seconds=LOOK_SECONDS)
            if self.stop.wait(LOOK_SECONDS):
                return
