"""The two-person rule: one asks, another approves within a time, and only then is it done, once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from hub.heads import NotAllowed, two_people
from hub.subject.registers import REQUEST

VALID = timedelta(days=7)
APPROVE = "Approve what another person asked for, and do it."


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``approved_by`` is None until a second person has said yes; ``done_at`` until it was carried out."""

    number: int
    kind: str
    what: str
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    done_at: datetime | None = None


def ask(connection: sa.Connection, kind: str, what: str, by: str, at: datetime, valid: timedelta = VALID) -> Request:
    """A request that stands already is the same request, whoever asks again. Raises NotAllowed without a name."""
    if not by.strip():
        raise NotAllowed("say who asks: --by NAME")
    _alone(connection, kind, what)
    held = _standing(connection, kind, what)
    if held is not None and at < held.expires_at:
        return held
    values = {"kind": kind, "what": what, "asked_by": by.strip(), "asked_at": at, "expires_at": at + valid}
    made = connection.execute(sa.insert(REQUEST).values(values).returning(*REQUEST.c)).one()
    return Request(*made)


def approve(connection: sa.Connection, kind: str, what: str, by: str, at: datetime) -> Request:
    """The request, approved; approved before and not done, it is given back as it is, so that an interrupted
    command goes on. Raises NotAllowed: nobody asked, it has expired, or the same person asked."""
    _alone(connection, kind, what)
    held = _standing(connection, kind, what)
    if held is None:
        raise NotAllowed("nobody has asked for this: ask first, then another person approves")
    if at >= held.expires_at:
        raise NotAllowed(f"the request of {held.asked_by} expired on {held.expires_at:%Y-%m-%d %H:%M} UTC: ask again")
    if held.approved_by:
        return held
    try:
        two_people(held.asked_by, by)
    except NotAllowed:
        raise NotAllowed(f"{held.asked_by} asked for this: another person must approve") from None
    chosen = sa.update(REQUEST).where(REQUEST.c.number == held.number).values(approved_by=by.strip(), approved_at=at)
    return Request(*connection.execute(chosen.returning(*REQUEST.c)).one())


def done(connection: sa.Connection, number: int, at: datetime) -> None:
    """It was carried out: the approval is used up."""
    connection.execute(sa.update(REQUEST).where(REQUEST.c.number == number).values(done_at=at))


def in_words(request: Request, command: str) -> str:
    """What whoever asked is told."""
    until = f"{request.expires_at:%Y-%m-%d %H:%M} UTC"
    return f"asked; until {until} another person may approve:\n  {command} --approve --by NAME"


def standing(connection: sa.Connection) -> list[Request]:
    """What was asked for and not done, oldest first."""
    query = sa.select(*REQUEST.c).where(REQUEST.c.done_at.is_(None)).order_by(REQUEST.c.number)
    return [Request(*row) for row in connection.execute(query)]


def _standing(connection: sa.Connection, kind: str, what: str) -> Request | None:
    mine = (REQUEST.c.kind == kind, REQUEST.c.what == what, REQUEST.c.done_at.is_(None))
    query = sa.select(*REQUEST.c).where(*mine).order_by(REQUEST.c.number.desc()).limit(1).with_for_update()
    row = connection.execute(query).first()
    return None if row is None else Request(*row)


def _alone(connection: sa.Connection, kind: str, what: str) -> None:
    """Two commands about one matter take turns."""
    text = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
    connection.execute(text, {"name": f"request|{kind}|{what}"})
