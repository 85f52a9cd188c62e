"""A closed alert stands again because its outcome was given by mistake: when it may, and why not. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from services.alerts.case import Case
from services.alerts.state import Alert

#: How a worker's outcome stands in ``because``. Nothing that the hub closed by itself is reopened by hand.
BY_OUTCOME = frozenset({"outcome done", "outcome declined", "outcome not_needed"})


def askable(alert: Alert, role: str, reason: str) -> bool:
    """Whether the role may ask at all: it holds a part in an alert that was closed by an outcome, and says why.

    A review (MR) is settled by its own decision; *wrong person* took the alert back and is looked at as a match.
    """
    theirs = any(r.role == role for r in alert.recipients) and role not in alert.gone
    return not alert.open and alert.because in BY_OUTCOME and alert.rule != "MR" and theirs and bool(reason.strip())


def stays_closed(case: Case, alert: Alert, *, ended: bool) -> str:
    """Why it stays closed, as a machine word; empty where it may stand again. ``ended``: its ground has gone since."""
    assert alert.closed_on is not None
    if case.today > alert.closed_on + timedelta(days=case.policy.reopen_days_max):
        return "too_long_ago"
    if case.open_alert(alert.rule) is not None:
        return "another_stands"
    return "ended" if ended else ""


def reopened(alert: Alert) -> Alert:
    """It stands with its old due day. Whoever reopens it knows of it: it is acknowledged."""
    return replace(alert, outcome="open", because="reopened", closed_on=None, closed_ms=None, acknowledged=True)
