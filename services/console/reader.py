"""What one user may see. Every question goes through ``visible``: role, and then worker, team or nobody assigned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from services.console.people import STEWARD, User
from services.console.tables import ACCESS, ACTION, DECISION_SENT, DELIVERY, HISTORY, INBOX, REFUSAL, REVIEW, TODAY

Row = Mapping[str, Any]
PAGE_ROWS = 50
SCOPES = ("mine", "team", "unassigned", "all")


@dataclass(frozen=True, slots=True)
class Filter:
    """What the inbox shows; all of it stands in the URL."""

    scope: str = "all"
    severity: str = ""
    rule: str = ""
    overdue: bool = False
    closed: bool = False
    page: int = 1


@dataclass(frozen=True, slots=True)
class Listing:
    rows: Sequence[Row]
    total: int
    newest: int


def visible(user: User) -> sa.ColumnElement[bool]:
    """Rows that were disclosed to a role of this user and that concern them."""
    nobody = sa.and_(INBOX.c.worker == "", INBOX.c.team == "")
    mine = sa.and_(INBOX.c.worker == user.worker, sa.literal(bool(user.worker)))
    return sa.and_(INBOX.c.role.in_(user.roles), sa.or_(mine, INBOX.c.team.in_(user.teams), nobody))


def _scope(user: User, scope: str) -> sa.ColumnElement[bool]:
    match scope:
        case "mine":
            return sa.and_(INBOX.c.worker == user.worker, sa.literal(bool(user.worker)))
        case "team":
            return INBOX.c.team.in_(user.teams)
        case "unassigned":
            return INBOX.c.worker == ""
        case _:
            return sa.true()


class Reader:
    """Questions to the read models. Each opens its own short transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def today(self) -> date | None:
        """The last date the ticker announced."""
        found: date | None = self._one(sa.select(TODAY.c.on))
        return found

    def counts(self, user: User) -> Mapping[str, int]:
        """Open alerts by scope."""
        standing = sa.and_(visible(user), INBOX.c.open)
        columns = [
            sa.func.count(INBOX.c.alert_id.distinct()).filter(_scope(user, scope)).label(scope) for scope in SCOPES
        ]
        with self._engine.connect() as connection:
            return dict(connection.execute(sa.select(*columns).where(standing)).mappings().one())

    def inbox(self, user: User, chosen: Filter, today: date) -> Listing:
        """Oldest due first. One row an alert, whatever roles it reached the user by."""
        condition = [visible(user), _scope(user, chosen.scope), INBOX.c.open.is_(not chosen.closed)]
        if chosen.severity:
            condition.append(INBOX.c.severity == chosen.severity)
        if chosen.rule:
            condition.append(INBOX.c.rule == chosen.rule)
        if chosen.overdue:
            condition.append(INBOX.c.due_on < today)
        one = sa.select(INBOX).where(*condition).ext(distinct_on(INBOX.c.alert_id))
        one = one.order_by(INBOX.c.alert_id, (INBOX.c.worker == user.worker).desc(), INBOX.c.role)
        each = one.subquery()
        order = (each.c.at.desc(),) if chosen.closed else (each.c.due_on, each.c.raised_on)
        page = sa.select(each).order_by(*order, each.c.ref).limit(PAGE_ROWS).offset((chosen.page - 1) * PAGE_ROWS)
        with self._engine.connect() as connection:
            total = connection.execute(sa.select(sa.func.count()).select_from(each)).scalar_one()
            newest = connection.execute(sa.select(sa.func.max(INBOX.c.number))).scalar_one() or 0
            rows = [dict(row) for row in connection.execute(page).mappings()]
            return Listing(self._acknowledged(connection, rows), total, newest)

    def rules(self, user: User) -> Sequence[str]:
        with self._engine.connect() as connection:
            found = connection.execute(sa.select(INBOX.c.rule).where(visible(user), INBOX.c.open).distinct())
            return sorted(found.scalars())

    def news(self, user: User, since: int) -> int:
        """How many alerts came after row ``since``."""
        new = sa.and_(visible(user), INBOX.c.open, INBOX.c.number > since)
        return int(self._one(sa.select(sa.func.count(INBOX.c.alert_id.distinct())).where(new)) or 0)

    def alert(self, user: User, ref: str) -> Row | None:
        """The row of this user for an alert; None where they may not know that it exists."""
        mine = (INBOX.c.worker == user.worker).desc()
        query = (
            sa.select(INBOX)
            .where(INBOX.c.ref == ref, visible(user))
            .order_by(INBOX.c.handed_on, mine, INBOX.c.role)
            .limit(1)
        )
        return next(iter(self._all(query)), None)

    def history(self, alert_id: str) -> Sequence[Row]:
        return self._all(sa.select(HISTORY).where(HISTORY.c.alert_id == alert_id).order_by(HISTORY.c.at))

    def actions(self, alert_id: str) -> Sequence[Row]:
        return self._all(sa.select(ACTION).where(ACTION.c.alert_id == alert_id).order_by(ACTION.c.at))

    def deliveries(self, row: Row) -> Sequence[Row]:
        """Attempts to tell the recipient of ``row``; who else was told is not theirs to see."""
        same = [DELIVERY.c[name] == row[name] for name in ("alert_id", "role", "team", "worker")]
        return self._all(sa.select(DELIVERY).where(*same).order_by(DELIVERY.c.at, DELIVERY.c.attempt))

    def of_person(self, user: User, person_id: str) -> Sequence[Row]:
        """Every row about one person that this user may see, newest word first."""
        query = sa.select(INBOX).where(INBOX.c.person_id == person_id, visible(user))
        found = self._all(query.order_by(INBOX.c.at.desc(), INBOX.c.alert_id, INBOX.c.handed_on))
        return list({row["alert_id"]: row for row in reversed(found)}.values())[::-1]

    def reviews(self, user: User, *, closed: bool = False) -> Sequence[Row]:
        if STEWARD not in user.roles:
            return ()
        state = "closed" if closed else "open"
        order = (REVIEW.c.safeguarding.desc(), REVIEW.c.opened_at, REVIEW.c.review_id)
        return self._all(sa.select(REVIEW).where(REVIEW.c.state == state).order_by(*order).limit(200))

    def review_count(self, user: User) -> int:
        if STEWARD not in user.roles:
            return 0
        return int(self._one(sa.select(sa.func.count()).where(REVIEW.c.state == "open")) or 0)

    def review(self, user: User, review_id: str) -> Row | None:
        if STEWARD not in user.roles:
            return None
        return next(iter(self._all(sa.select(REVIEW).where(REVIEW.c.review_id == review_id))), None)

    def decisions_sent(self, review_id: str) -> Sequence[Row]:
        sent = sa.select(DECISION_SENT).where(DECISION_SENT.c.review_id == review_id)
        return self._all(sent.order_by(DECISION_SENT.c.number))

    def refusals(self) -> Sequence[Row]:
        """Counts by party and reason."""
        count, last = sa.func.count().label("count"), sa.func.max(REFUSAL.c.received_at).label("last")
        query = sa.select(REFUSAL.c.party, REFUSAL.c.reason, count, last).group_by(REFUSAL.c.party, REFUSAL.c.reason)
        return self._all(query.order_by(REFUSAL.c.party, sa.desc("count")))

    def access(self, user: User) -> Sequence[Row]:
        """What this user looked at lately."""
        query = sa.select(ACCESS).where(ACCESS.c.user_id == user.id).order_by(ACCESS.c.number.desc())
        return self._all(query.limit(100))

    def _acknowledged(self, connection: sa.Connection, rows: Sequence[Row]) -> Sequence[Row]:
        ids = [row["alert_id"] for row in rows]
        query = sa.select(ACTION.c.alert_id).where(ACTION.c.verb == "acknowledge", ACTION.c.alert_id.in_(ids))
        seen = set(connection.execute(query).scalars())
        return [{**row, "acknowledged": row["alert_id"] in seen or row["act"] == "acknowledged"} for row in rows]

    def _all(self, query: sa.Select[Any]) -> Sequence[Row]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _one(self, query: sa.Select[Any]) -> Any:
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one_or_none()
