"""What one user may see. Every question goes through ``visible``: role, and then worker, team or nobody assigned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from services.console import inbox, journals, registers
from services.console.inbox import Filter, Listing, visible
from services.console.journals import Health
from services.console.partners import Sent
from services.console.people import STEWARD, User
from services.console.redrives import WAITS
from services.console.registers import Orders, Proofs
from services.console.steward import UNSURE
from services.console.tables import (
    ACCESS,
    ACTION,
    BREAK_GLASS,
    DECISION_SENT,
    DELIVERY,
    HISTORY,
    INBOX,
    MEASURES,
    REFUSAL,
    REVIEW,
    SHOWN,
    TODAY,
)
from spine.headed import Head

Row = Mapping[str, Any]


class Reader:
    """Questions to the read models. Each opens its own short transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self.sent = Sent(engine)

    def today(self) -> date | None:
        """The last date the ticker announced."""
        found: date | None = self._one(sa.select(TODAY.c.on))
        return found

    def counts(self, user: User) -> Mapping[str, int]:
        """Open alerts by scope; beyond 99 it is only said that there are more."""
        with self._engine.connect() as connection:
            return inbox.counts(connection, user)

    def inbox(self, user: User, chosen: Filter, today: date) -> Listing:
        with self._engine.connect() as connection:
            return inbox.listing(connection, user, chosen, today)

    def titles(self, user: User) -> Sequence[str]:
        """Headlines of the open alerts, as this user reads them."""
        with self._engine.connect() as connection:
            found = connection.execute(sa.select(INBOX.c.title).where(visible(user), INBOX.c.open).distinct())
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

    def stands(self, ref: str) -> bool:
        """Whether anybody was told of this alert. Not for what is shown: it says to nobody that it is there."""
        return bool(self._one(sa.select(sa.exists().where(INBOX.c.ref == ref))))

    def caseload(self, user: User, today: date) -> Sequence[Row]:
        """Open alerts of the user's teams by who holds them: how many, overdue, due within a week, oldest due."""
        theirs = sa.and_(visible(user), INBOX.c.team.in_(user.teams), INBOX.c.open)
        each = sa.func.count(INBOX.c.alert_id.distinct())
        columns = (
            INBOX.c.team,
            INBOX.c.worker,
            each.label("open"),
            each.filter(INBOX.c.due_on < today).label("overdue"),
            each.filter(INBOX.c.due_on <= today + timedelta(days=6)).label("week"),
            sa.func.min(INBOX.c.due_on).label("oldest"),
        )
        query = sa.select(*columns).where(theirs).group_by(INBOX.c.team, INBOX.c.worker)
        return self._all(query.order_by(INBOX.c.team, INBOX.c.worker))

    def held_by(self, user: User, worker: str) -> Sequence[Row]:
        """Open alerts of a colleague that this user may act on."""
        refs = sa.select(INBOX.c.ref).where(visible(user), INBOX.c.open, INBOX.c.worker == worker).distinct()
        return [row for row in self.open_ones(user, refs) if row["worker"] == worker]

    def open_ones(self, user: User, refs: Sequence[str] | sa.Select[Any]) -> Sequence[Row]:
        """Of the alerts named, those that stand and that this user may act on, each once, oldest due first."""
        query = sa.select(INBOX).where(INBOX.c.ref.in_(refs), visible(user), INBOX.c.open)
        with self._engine.connect() as connection:
            mine = (INBOX.c.worker == user.worker).asc()
            found = connection.execute(query.order_by(mine, INBOX.c.role.desc())).mappings()
            each = {row["alert_id"]: dict(row) for row in found}.values()
            return inbox.with_doings(connection, sorted(each, key=lambda row: (row["due_on"], row["ref"])))

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

    def shown_by(self, user: User, person_id: str, moment: datetime) -> Sequence[Row]:
        """The last view of each alert about a person that was shown by ``moment``, with today's (``now``).

        Of what was taken back nothing is shown, not even what once stood there.
        """
        same = sa.and_(*(SHOWN.c[name] == INBOX.c[name] for name in ("alert_id", "role", "team", "worker")))
        theirs = sa.and_(INBOX.c.person_id == person_id, visible(user), SHOWN.c.at <= moment)
        query = sa.select(INBOX, SHOWN.c.view.label("then"), SHOWN.c.at.label("shown_at")).join(SHOWN, same)
        query = query.where(theirs, sa.or_(~INBOX.c.handed_on, INBOX.c.act.in_(("moved", "retracted"))))
        found = self._all(query.order_by(SHOWN.c.at, INBOX.c.handed_on.desc()))
        return sorted({row["alert_id"]: row for row in found}.values(), key=lambda r: r["shown_at"], reverse=True)

    def opened_by_role(self, user: User, ref: str) -> Row | None:
        """An alert of this user's roles that another team or worker holds: only for who breaks the glass."""
        theirs = sa.and_(INBOX.c.ref == ref, INBOX.c.role.in_(user.roles), ~INBOX.c.handed_on)
        return next(iter(self._all(sa.select(INBOX).where(theirs).order_by(INBOX.c.role).limit(1))), None)

    def glass_broken(self, user: User, ref: str, since: datetime) -> bool:
        theirs = sa.and_(BREAK_GLASS.c.user_id == user.id, BREAK_GLASS.c.ref == ref, BREAK_GLASS.c.at > since)
        return bool(self._one(sa.select(sa.func.count()).where(theirs, BREAK_GLASS.c.opened)))

    def glass_count(self, user: User, since: datetime) -> int:
        theirs = sa.and_(BREAK_GLASS.c.user_id == user.id, BREAK_GLASS.c.at > since)
        return int(self._one(sa.select(sa.func.count()).where(theirs)) or 0)

    def emergencies(self) -> Sequence[Row]:
        return self._all(sa.select(BREAK_GLASS).order_by(BREAK_GLASS.c.number.desc()).limit(200))

    def seen(self, user_id: str, like: int) -> Sequence[Row]:
        """Who looked at whom, latest first: of one user, or of whoever row ``like`` is about, lists included."""
        query = sa.select(ACCESS).order_by(ACCESS.c.number.desc()).limit(200)
        if not like:
            query = query.where(ACCESS.c.page != "inbox")
        if user_id:
            query = query.where(ACCESS.c.user_id == user_id)
        if like:
            whose = sa.select(ACCESS.c.person_id).where(ACCESS.c.number == like).scalar_subquery()
            query = query.where(ACCESS.c.person_id == whose)
        return self._all(query)

    def reviews(self, user: User, *, closed: bool = False) -> Sequence[Row]:
        if STEWARD not in user.roles:
            return ()
        state = "closed" if closed else "open"
        order = (REVIEW.c.safeguarding.desc(), REVIEW.c.opened_at, REVIEW.c.review_id)
        return self._all(sa.select(REVIEW).where(REVIEW.c.state == state).order_by(*order).limit(200))

    def backlog(self, user: User) -> Row:
        """Open reviews: how many, of safeguarding, that nobody could decide yet; when the oldest was opened."""
        if STEWARD not in user.roles:
            return {}
        unsure = sa.exists().where(DECISION_SENT.c.review_id == REVIEW.c.review_id, DECISION_SENT.c.choice == UNSURE)
        count = sa.func.count()
        columns: list[sa.ColumnElement[Any]] = [
            count.label("open"),
            count.filter(REVIEW.c.safeguarding).label("safeguarding"),
            count.filter(unsure).label("unsure"),
            sa.func.min(REVIEW.c.opened_at).label("oldest"),
        ]
        return self._all(sa.select(*columns).where(REVIEW.c.state == "open"))[0]

    def review_quality(self) -> Sequence[Row]:
        """By reason: open, linked, kept apart, settled otherwise, undone, and hours that half of them took at most."""
        count, closed = sa.func.count(), REVIEW.c.state == "closed"
        undo = sa.exists().where(
            DECISION_SENT.c.review_id == REVIEW.c.review_id, DECISION_SENT.c.choice.startswith("undo:")
        )
        hours = sa.extract("epoch", REVIEW.c.closed_at - REVIEW.c.opened_at) / 3600
        named = ("linked", "separated")
        columns = (
            REVIEW.c.reason,
            count.filter(~closed).label("open"),
            count.filter(closed, REVIEW.c.outcome == "linked").label("linked"),
            count.filter(closed, REVIEW.c.outcome == "separated").label("apart"),
            count.filter(closed, REVIEW.c.outcome.not_in(named)).label("otherwise"),
            count.filter(undo).label("undone"),
            sa.func.percentile_cont(0.5).within_group(hours).filter(closed).label("hours"),
        )
        return self._all(sa.select(*columns).group_by(REVIEW.c.reason).order_by(sa.desc("linked"), REVIEW.c.reason))

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

    def published(self) -> Sequence[Row]:
        """Sets of measures, latest first."""
        return self._all(sa.select(MEASURES).order_by(MEASURES.c.month.desc()).limit(36))

    def journals(self) -> Sequence[Health]:
        with self._engine.connect() as connection:
            return journals.health(connection)

    def registers(self) -> tuple[Orders | None, Head | None, Proofs | None]:
        """Orders that wait, the policy head, and the ledger's word; None for what is not read from here."""
        with self._engine.connect() as connection:
            return registers.orders(connection), registers.head(connection), registers.proofs(connection)

    def deliveries_by_state(self) -> Sequence[Row]:
        """Deliveries of the last seven days by channel and last state."""
        last = sa.select(DELIVERY.c.channel, DELIVERY.c.state, DELIVERY.c.at)
        last = last.where(DELIVERY.c.at > sa.func.now() - timedelta(days=7)).ext(distinct_on(DELIVERY.c.delivery_id))
        last = last.order_by(DELIVERY.c.delivery_id, DELIVERY.c.at.desc(), DELIVERY.c.attempt.desc())
        each = last.subquery()
        columns = (each.c.channel, each.c.state, sa.func.count().label("count"), sa.func.max(each.c.at).label("last"))
        query = sa.select(*columns).group_by(each.c.channel, each.c.state)
        return self._all(query.order_by(each.c.channel, each.c.state))

    def refusals(self) -> Sequence[Row]:
        """Counts by party and reason: all, and those whose original waits."""
        count, last = sa.func.count().label("count"), sa.func.max(REFUSAL.c.received_at).label("last")
        waiting = sa.func.count().filter(WAITS).label("waiting")
        query = sa.select(REFUSAL.c.party, REFUSAL.c.reason, count, waiting, last)
        return self._all(query.group_by(REFUSAL.c.party, REFUSAL.c.reason).order_by(REFUSAL.c.party, sa.desc("count")))

    def access(self, user: User) -> Sequence[Row]:
        """What this user looked at lately."""
        looked = sa.and_(ACCESS.c.user_id == user.id, ACCESS.c.page.in_(("alert", "person", "review")))
        query = sa.select(ACCESS).where(looked).order_by(ACCESS.c.number.desc())
        return self._all(query.limit(100))

    def _all(self, query: sa.Select[Any]) -> Sequence[Row]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _one(self, query: sa.Select[Any]) -> Any:
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one_or_none()
