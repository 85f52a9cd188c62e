"""What a worker may do with a standing alert besides closing it. Pure: the alert as it is afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from services.alerts.case import Case
from services.alerts.state import Alert


def assigned_to(alert: Alert, role: str, worker: str) -> Alert:
    """To a colleague in the same role, until the case itself is allocated otherwise. Unchanged without a worker."""
    if not worker:
        return alert
    taken = tuple(replace(one, worker=worker) if one.role == role else one for one in alert.recipients)
    return replace(alert, recipients=taken)


def put_off(case: Case, alert: Alert, value: str) -> Alert:
    """Until the day that ``value`` begins with, for the reason that follows it; till then nobody is told that it is
    overdue. Unchanged where that is no day ahead, too far ahead, without a reason, or an alert that cannot wait."""
    day, _, reason = value.partition(" ")
    try:
        until = date.fromisoformat(day)
    except ValueError:
        return alert
    latest = case.today + timedelta(days=case.policy.put_off_days_max)
    if not reason.strip() or not case.today < until <= latest or alert.severity in case.policy.never_put_off:
        return alert
    return replace(alert, put_off_until=until)
