"""What goes into one mail, and what it says. Pure. No name, no content: a count, the first due day, a link.

Nor the rule: its number can say more than the headline that the reader may see (release from custody).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from services.alerts.delivery.policy import DeliveryPolicy

NEW_ACTS = ("raised", "moved", "escalated")
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery that waits for its mail."""

    delivery_id: str
    alert_id: str
    act: str
    severity: str
    due_on: date | None
    urgent: bool
    attempt: int


@dataclass(frozen=True, slots=True)
class Plan:
    """``now`` travels in one mail; ``later`` waits for the hour's summary."""

    now: tuple[Waiting, ...]
    later: tuple[Waiting, ...]


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail without an address. ``reference`` stands in header and body, so that a repetition is recognised."""

    subject: str
    text: str
    reference: str
    delivery_ids: tuple[str, ...]


def plan(policy: DeliveryPolicy, waiting: Sequence[Waiting], mails_last_hour: int) -> Plan:
    """Everything that waits, in one mail; above the hourly limit only what is urgent. Nothing is ever dropped."""
    ordered = sorted(waiting, key=lambda w: (not w.urgent, w.due_on or date.max, w.delivery_id))
    if mails_last_hour >= policy.mails_per_hour_max:
        now = [w for w in ordered if w.urgent]
    else:
        now = ordered
    now = now[: policy.deliveries_per_mail_max]
    chosen = {w.delivery_id for w in now}
    return Plan(tuple(now), tuple(w for w in ordered if w.delivery_id not in chosen))


def openings(mailed: Sequence[datetime], mails_per_hour_max: int) -> Iterator[datetime]:
    """When the next mails may leave, one after the other, each as full as it may be. ``mailed``: when those of the last
    hour left, at least as many as may."""
    last = sorted(mailed)[-mails_per_hour_max:]
    while True:
        last = [at + HOUR for at in last]
        yield from last


def compose(parts: Sequence[Waiting], link: str) -> Mail:
    """The mail for ``parts``. One alert counts once, however many of its acts travel in the mail."""
    assert parts
    new = {w.alert_id for w in parts if w.act in NEW_ACTS}
    changed = {w.alert_id for w in parts} - new
    lines = [_sentence(len(new), len(changed))]
    days = [w.due_on for w in parts if w.due_on is not None and w.alert_id in new]
    if days:
        first = min(days)
        lines += ["", f"The first is due on {first.day} {first:%B %Y}."]
    ids = tuple(sorted({w.delivery_id for w in parts}))
    reference = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]
    lines += ["", f"See them: {link}", "", f"Reference: {reference}"]
    lines += ["This mail says nothing about anybody. You see who it is about when you are signed in."]
    return Mail(_subject(len(new), len(changed)), "\n".join(lines) + "\n", reference, ids)


def _subject(new: int, changed: int) -> str:
    if new:
        return f"You have {new} new alert{'s' if new > 1 else ''}"
    return f"{changed} of your alerts changed" if changed > 1 else "One of your alerts changed"


def _sentence(new: int, changed: int) -> str:
    parts = []
    if new:
        parts.append(f"You have {new} new alert{'s' if new > 1 else ''}.")
    if changed:
        parts.append(f"{changed} earlier alert{'s' if changed > 1 else ''} changed or closed.")
    return " ".join(parts)
