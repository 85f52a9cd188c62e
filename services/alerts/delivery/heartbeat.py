"""Once a working day, that the hub is alive: silence must not look like nothing to do. Sent where a team asked."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, time

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from services.alerts.delivery.grouping import Mail
from services.alerts.delivery.policy import DeliveryPolicy
from services.alerts.delivery.tables import BEATS, MAILED
from spine.clock import LONDON


def claim(connection: sa.Connection, policy: DeliveryPolicy, now: datetime) -> str | None:
    """A recipient whose heartbeat of today is due and now belongs to the caller; None when there is none.

    Whoever was sent a message today needs no heartbeat: that is noted as ``not_needed``.
    """
    local = now.astimezone(LONDON)
    due = sorted(who for who, at in policy.heartbeats.items() if at <= local.time())
    if not due:
        return None
    midnight = datetime.combine(local.date(), time(0), LONDON)
    done = set(connection.scalars(sa.select(BEATS.c.recipient).where(BEATS.c.on == local.date())))
    for who in (who for who in due if who not in done):
        told = connection.scalar(sa.select(sa.func.count()).where(MAILED.c.recipient == who, MAILED.c.at >= midnight))
        row = {"recipient": who, "on": local.date(), "outcome": "not_needed" if told else "sending"}
        mine = connection.scalar(insert(BEATS).values(row).on_conflict_do_nothing().returning(BEATS.c.recipient))
        if mine is not None and not told:
            return who
    return None


def settle(connection: sa.Connection, recipient: str, on: date, outcome: str) -> None:
    where = sa.and_(BEATS.c.recipient == recipient, BEATS.c.on == on)
    connection.execute(sa.update(BEATS).where(where).values(outcome=outcome))


def beat(recipient: str, at: datetime, link: str) -> Mail:
    """The message: nothing but that there is nothing."""
    on = at.astimezone(LONDON).date()
    reference = hashlib.sha256(f"beat\x1f{recipient}\x1f{on.isoformat()}".encode()).hexdigest()[:16]
    lines = [
        "The hub is alive. There is nothing new for you today.",
        "",
        f"Look: {link}",
        "",
        f"Reference: {reference}",
    ]
    return Mail("The hub is alive, nothing new", "\n".join(lines) + "\n", reference, ())
