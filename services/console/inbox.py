"""The inbox's question: which alerts a user may see, narrowed by what stands in the URL, one page at a time.

A page begins after the last row of the one before, so the thousandth costs what the first costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from services.console.people import User
from services.console.tables import ACTION, HISTORY, INBOX

Row = Mapping[str, Any]
PAGE_ROWS = 50
#: A count that is shown as 99+ need not be exact beyond it.
COUNTED_MAX = 100
SCOPES = ("mine", "team", "unassigned", "all")
STATES = ("open", "new", "put_off", "closed")
DUES = ("overdue", "today", "week")
_MARK = "~"


@dataclass(frozen=True, slots=True)
class Filter:
    """What the inbox shows; all of it stands in the URL. ``after`` and ``before`` name a row by its place."""

    scope: str = "all"
    severity: str = ""
    about: str = ""
    due: str = ""
    state: str = "open"
    after: str = ""
    before: str = ""

    @property
    def closed(self) -> bool:
        return self.state == "closed"


@dataclass(frozen=True, slots=True)
class Listing:
    """``before`` and ``after``: whether there are rows on that side of the page."""

    rows: Sequence[Row]
    total: int
    newest: int
    before: bool
    after: bool


def visible(user: User, told: Any = INBOX.c) -> sa.ColumnElement[bool]:
    """Rows that were disclosed to a role of this user and that concern them."""
    nobody = sa.and_(told.worker == "", told.team == "")
    whose = [told.team.in_(user.teams), nobody]
    if user.worker:
        whose.append(told.worker == user.worker)
    return sa.and_(told.role.in_(user.roles), sa.or_(*whose))


def of_scope(user: User, scope: str, told: Any = INBOX.c) -> sa.ColumnElement[bool]:
    match scope:
        case "mine":
            return sa.and_(told.worker == user.worker, sa.literal(bool(user.worker)))
        case "team":
            return sa.and_(told.team.in_(user.teams))
        case "unassigned":
            return sa.and_(told.worker == "")
        case _:
            return sa.true()


def _wanted(user: User, chosen: Filter, today: date, told: Any = INBOX.c) -> list[sa.ColumnElement[bool]]:
    wanted = [visible(user, told), of_scope(user, chosen.scope, told), told.open.is_(not chosen.closed)]
    if chosen.severity:
        wanted.append(told.severity == chosen.severity)
    if chosen.about:
        wanted.append(told.title == chosen.about)
    match chosen.due:
        case "overdue":
            wanted.append(told.due_on < today)
        case "today":
            wanted.append(told.due_on <= today)
        case "week":
            wanted.append(told.due_on <= today + timedelta(days=6))
    match chosen.state:
        case "closed":
            # What moved from one worker of a team to another is closed for the one and stands for the team.
            still = INBOX.alias()
            wanted.append(~sa.exists().where(still.c.alert_id == told.alert_id, still.c.open, visible(user, still.c)))
        case "new":
            done = sa.exists().where(ACTION.c.alert_id == told.alert_id, ACTION.c.verb == "acknowledge")
            heard = sa.exists().where(HISTORY.c.alert_id == told.alert_id, HISTORY.c.act == "acknowledged")
            wanted += [~done, ~heard]
        case "put_off":
            wanted.append(_until(told) > today.isoformat())
    return wanted


def _until(told: Any) -> sa.ScalarSelect[str]:
    """The day up to which the alert was put off last, as text."""
    last = sa.select(sa.func.left(ACTION.c.value, 10)).where(
        ACTION.c.alert_id == told.alert_id, ACTION.c.verb == "snooze"
    )
    return last.order_by(ACTION.c.at.desc()).limit(1).scalar_subquery()


def _first(wanted: Any, user: User) -> sa.ColumnElement[bool]:
    """Of the rows by which one alert reached the user, their own, or else the first by role, team and worker."""
    other = INBOX.alias()

    def rank(told: Any) -> sa.Tuple:
        return sa.tuple_(told.worker != user.worker, told.role, told.team, told.worker)

    better = sa.exists().where(other.c.alert_id == INBOX.c.alert_id, rank(other.c) < rank(INBOX.c), *wanted(other.c))
    return ~better


def listing(connection: sa.Connection, user: User, chosen: Filter, today: date) -> Listing:
    """Oldest due first; what is closed, last closed first. One row an alert, whatever roles it reached the user by."""

    def wanted(told: Any) -> list[sa.ColumnElement[bool]]:
        return _wanted(user, chosen, today, told)

    told = INBOX.c
    key = (told.at, told.ref) if chosen.closed else (told.due_on, told.raised_on, told.ref)
    place = _place(chosen.before or chosen.after, chosen.closed)
    backwards = bool(chosen.before) and place is not None
    condition = [*wanted(told), _first(wanted, user)]
    if place is not None:
        side = sa.tuple_(*key)
        mark = sa.tuple_(*(sa.literal(part) for part in place))
        condition.append(side < mark if backwards != chosen.closed else side > mark)
    falling = backwards != chosen.closed
    order = [column.desc() if falling else column.asc() for column in key]
    found = connection.execute(sa.select(INBOX).where(*condition).order_by(*order).limit(PAGE_ROWS + 1)).mappings()
    rows = [dict(row) for row in found]
    more, rows = len(rows) > PAGE_ROWS, rows[:PAGE_ROWS]
    if backwards:
        rows.reverse()
    total = connection.execute(sa.select(sa.func.count(told.alert_id.distinct())).where(*wanted(told))).scalar_one()
    newest = connection.execute(sa.select(sa.func.max(told.number))).scalar_one() or 0
    before, after = (more, True) if backwards else (place is not None, more)
    return Listing(with_doings(connection, rows), total, newest, before and bool(rows), after and bool(rows))


def counts(connection: sa.Connection, user: User) -> Mapping[str, int]:
    """Open alerts by scope, up to ``COUNTED_MAX``."""
    found = {}
    for scope in SCOPES:

        def wanted(told: Any, scope: str = scope) -> list[sa.ColumnElement[bool]]:
            return [visible(user, told), of_scope(user, scope, told), told.open]

        some = sa.select(sa.literal(1)).where(*wanted(INBOX.c), _first(wanted, user)).limit(COUNTED_MAX).subquery()
        found[scope] = connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()
    return found


def place_of(row: Row, closed: bool) -> str:
    """Where a row stands, for the URL of the page beside it."""
    key = (row["at"], row["ref"]) if closed else (row["due_on"], row["raised_on"], row["ref"])
    return _MARK.join(part if isinstance(part, str) else part.isoformat() for part in key)


def _place(text: str, closed: bool) -> tuple[Any, ...] | None:
    """What ``place_of`` wrote; None for anything else."""
    parts = text.split(_MARK)
    try:
        if closed:
            at, ref = parts
            return datetime.fromisoformat(at), ref
        due_on, raised_on, ref = parts
        return date.fromisoformat(due_on), date.fromisoformat(raised_on), ref
    except ValueError:
        return None


def with_doings(connection: sa.Connection, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows with whether somebody acknowledged, and until when it was put off last."""
    ids = [row["alert_id"] for row in rows]
    query = sa.select(ACTION.c.alert_id, ACTION.c.verb, ACTION.c.value)
    query = query.where(ACTION.c.verb.in_(("acknowledge", "snooze")), ACTION.c.alert_id.in_(ids))
    seen: set[str] = set()
    until: dict[str, date] = {}
    for alert_id, verb, value in connection.execute(query.order_by(ACTION.c.at)):
        if verb == "acknowledge":
            seen.add(alert_id)
        else:
            until[alert_id] = date.fromisoformat(value[:10])
    heard = sa.select(HISTORY.c.alert_id).where(HISTORY.c.act == "acknowledged", HISTORY.c.alert_id.in_(ids))
    seen |= set(connection.execute(heard).scalars())
    return [
        {**row, "acknowledged": row["alert_id"] in seen, "put_off_until": until.get(row["alert_id"])} for row in rows
    ]
