"""What stories and measures ask of the stored state: alerts in the words of expectations, and who was at risk when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.alerts.reading import millis
from services.alerts.rules.a25 import RISKS
from services.alerts.state import decode


def alerts_of(body: bytes) -> list[dict[str, Any]]:
    """Every alert of one state, open or closed; one that moved to another person is reported there."""
    state = decode(body)
    return [
        {
            "rule": alert.rule,
            "person_id": state.person_id,
            "raised_on": alert.raised_on,
            "to": {recipient.role for recipient in alert.recipients},
            "due_on": alert.due_on,
            "closed_on": alert.closed_on,
            "outcome": alert.outcome,
            "alert_id": alert.alert_id,
        }
        for alert in state.alerts
        if alert.outcome != "moved"
    ]


def at_risk(body: bytes, known_at: datetime) -> bool:
    """Whether A10, A11, A12 or A36 stood open at a known moment. The caller asks for the group of the day."""
    at = millis(known_at)
    return any(
        alert.rule in RISKS
        and alert.outcome != "moved"
        and alert.opened_ms <= at
        and (alert.closed_ms is None or alert.closed_ms > at)
        for alert in decode(body).alerts
    )
