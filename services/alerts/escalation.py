"""Overdue and not acknowledged: the owner's manager is told on the next working day (POLICY 5.3)."""

from __future__ import annotations

from datetime import date

from services.alerts.case import Case
from services.alerts.state import Alert


def falls_on(case: Case, alert: Alert) -> date:
    """A worker who put it off with a reason has until that day."""
    day = case.policy.calendar.after(alert.due_on, case.policy.escalate_after)
    return day if alert.snoozed_until is None else max(day, case.policy.calendar.on_or_after(alert.snoozed_until))


def waiting(alert: Alert) -> bool:
    return alert.open and not alert.acknowledged and not alert.escalated and bool(alert.owner)


def due(case: Case) -> list[Alert]:
    """Alerts to escalate today. Those of the hub's own roles have no manager here."""
    return [
        alert for alert in case.alerts if waiting(alert) and _owned(case, alert) and falls_on(case, alert) <= case.today
    ]


def _owned(case: Case, alert: Alert) -> bool:
    """Only where the owner is among those who were told: a manager of nobody told must not learn of it."""
    del case
    return any(recipient.role == alert.owner for recipient in alert.recipients)
