"""What a worker's act makes of a standing alert: put off until a day, handed to a colleague. Pure.

A note changes no alert: it is a fact on the log and stands beside the alert where it is read. Reopening a closed one is
``reopening``'s.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from services.alerts.case import Case
from services.alerts.reading import Acted
from services.alerts.state import Alert, Recipient, State

DAY_CHARACTERS = len("2026-01-31")


def acted(case: Case, alert: Alert, news: Acted) -> Alert | None:
    """The alert after ``snooze`` or ``assign``; None where the act changes nothing."""
    match news.verb:
        case "snooze":
            return snoozed(case, alert, news.value)
        case "assign":
            return handed(alert, news.role, news.value)
        case _:
            return None


def snoozed(case: Case, alert: Alert, value: str) -> Alert | None:
    """``value``: until-day and reason, as ``2026-01-31 family away``. The manager is not told before that day.

    None where there is no reason, the day is not ahead or too far (``snooze_days_max``), or the alert is too grave.
    """
    if alert.severity in case.policy.snooze_never or not value[DAY_CHARACTERS:].strip():
        return None
    try:
        until = date.fromisoformat(value[:DAY_CHARACTERS])
    except ValueError:
        return None
    if not case.today < until <= case.today + timedelta(days=case.policy.snooze_days_max):
        return None
    return replace(alert, snoozed_until=until)


def handed(alert: Alert, role: str, worker: str) -> Alert | None:
    """The same role and team, another worker. None where the role holds no part in it, or nothing would change."""
    found = next((r for r in alert.recipients if r.role == role), None)
    if found is None or not worker.strip() or found.worker == worker or role in alert.gone:
        return None
    fresh = replace(found, worker=worker.strip())
    recipients = tuple(fresh if r == found else r for r in alert.recipients)
    return replace(alert, recipients=recipients, former=with_former(alert, [found]))


def with_review_asked(state: State, alert: Alert, event_id: str) -> State:
    """Whoever holds the alert is not sure that its records are of one person: a review is open, and the alert stands.

    While one that was asked for at this alert is open, asking again opens no other.
    """
    asked = f"asked:{alert.alert_id}:"
    if alert.rule == "MR" or any(review.startswith(asked) for review in state.reviews):
        return state
    return replace(state, reviews={**state.reviews, f"{asked}{event_id}": False})


def with_former(alert: Alert, lost: list[Recipient]) -> tuple[Recipient, ...]:
    """Everybody who was told and holds it no longer, each once: should it prove untrue they must hear of it."""
    return tuple(dict.fromkeys((*alert.former, *lost)))


def to_recall(alert: Alert) -> list[Recipient]:
    """Everybody who was ever told of it (POLICY 5.2, retracted: everybody who got it is told)."""
    return list(dict.fromkeys((*alert.recipients, *alert.former)))
