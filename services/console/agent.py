"""The processor ``console``: facts of five topics into read models, in the batch's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from services.console import counted, partners, telling
from services.console.project import Batch, Row, take, title_of
from services.console.tables import ACTION, BREAK_GLASS, DELIVERY, HISTORY, INBOX, REVIEW, SHOWN, TODAY
from spine.journal import Transaction
from spine.log import Place
from spine.record import Changes, Decided, Fact
from spine.schema import Catalogue
from spine.step import Told

SERVICE = "console"
BUILD = "0.1.0"
TOPICS = ("alerts", "deliveries", "reviews", "refusals", "observations")


@runtime_checkable
class HasConnection(Protocol):
    """A transaction on PostgreSQL; there is nothing to show elsewhere."""

    connection: sa.Connection


class ConsoleProcessor:
    """A ``spine.step.Processor`` without effects: what it changes is for reading only."""

    topics = TOPICS

    service = SERVICE
    build = BUILD
    settings = ""

    def __init__(self, catalogue: Catalogue, topic: str = TOPICS[0]) -> None:
        self.topic = topic
        self._catalogue = catalogue
        self._batch = Batch()
        self._transaction: Transaction | None = None

    def begin(self, place: Place, facts: Sequence[Fact], transaction: Transaction) -> None:
        del place, facts
        self._batch, self._transaction = Batch(), transaction

    def apply(self, fact: Fact) -> Decided:
        return Decided(note=take(self._batch, fact, self._catalogue.open))

    def changes(self) -> Changes:
        if isinstance(self._transaction, HasConnection):
            write(self._transaction.connection, self._batch)
        self._batch = Batch()
        return Changes()

    def measure(self, told: Sequence[Told]) -> None:
        counted.waited(told)

    def discard(self) -> None:
        self._batch, self._transaction = Batch(), None


def processor(catalogue: Catalogue, contracts: Path, topic: str = TOPICS[0]) -> ConsoleProcessor:
    """The processor for one of ``TOPICS``; all share one journal, which keeps offsets per topic."""
    del contracts
    return ConsoleProcessor(catalogue, topic)


def write(connection: sa.Connection, batch: Batch) -> None:
    """Rows of a batch, one statement per table."""
    _alerts(connection, batch)
    _replace(connection, REVIEW, list(batch.reviews.values()), ["review_id"])
    _replace(connection, DELIVERY, list(batch.deliveries.values()), ["delivery_id", "state", "attempt"])
    if batch.history:
        connection.execute(insert(HISTORY).on_conflict_do_nothing(), batch.history)
    partners.write(connection, batch)
    telling.write(connection, list(batch.tellings.values()))
    if batch.today is not None:
        new = insert(TODAY).values(one=True, on=batch.today)
        later = {"on": sa.func.greatest(TODAY.c.on, new.excluded.on)}
        connection.execute(new.on_conflict_do_update(index_elements=["one"], set_=later))
    _erase(connection, batch)


def _erase(connection: sa.Connection, batch: Batch) -> None:
    """What was shown of people who were erased. The record of who looked at them stays, by their opaque id."""
    if batch.erased:
        theirs = INBOX.c.person_id.in_(sorted(batch.erased))
        alerts = sa.select(INBOX.c.alert_id).where(theirs)
        # Who opened an emergency's door stays on record; a free text may have named the person.
        named = sa.update(BREAK_GLASS).where(BREAK_GLASS.c.ref.in_(sa.select(INBOX.c.ref).where(theirs)))
        connection.execute(named.values(reason="erased"))
        for table in (HISTORY, ACTION, DELIVERY, SHOWN):
            connection.execute(sa.delete(table).where(table.c.alert_id.in_(alerts)))
        connection.execute(sa.delete(INBOX).where(theirs))
    if batch.erased_reviews:
        connection.execute(sa.delete(REVIEW).where(REVIEW.c.review_id.in_(sorted(batch.erased_reviews))))


def _alerts(connection: sa.Connection, batch: Batch) -> None:
    if not batch.alerts:
        return
    acts = [{f"new_{name}": alert[name] for name in ("alert_id", *_ACT)} for alert in batch.alerts.values()]
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in _ACT}
    this = INBOX.c.alert_id == sa.bindparam("new_alert_id")
    connection.execute(sa.update(INBOX).where(this, INBOX.c.handed_on.is_(False)).values(values), acts)
    _shown(connection, batch)
    retracted = [alert_id for alert_id, alert in batch.alerts.items() if alert["act"] == "retracted"]
    if retracted:
        # Whoever held it before must hear that it was not true; whoever may no longer see it hears nothing.
        formerly = sa.and_(INBOX.c.alert_id.in_(sorted(retracted)), INBOX.c.handed_on, INBOX.c.act == "moved")
        connection.execute(sa.update(INBOX).where(formerly).values(act="retracted"))
    if batch.moved:
        gone = INBOX.c.alert_id == sa.any_(sa.literal(sorted(batch.moved), sa.ARRAY(sa.Text)))
        # What was taken back stays so; another act on the alert may stand behind the move in this batch.
        theirs = sa.update(INBOX).where(gone, INBOX.c.handed_on.is_(False))
        connection.execute(theirs.values(handed_on=True, open=False, act="moved"))
    rows: list[Row] = [
        {
            **batch.gone.get((alert_id, who), batch.alerts[alert_id]),
            **dict(zip(("role", "team", "worker"), who, strict=True)),
            **{"view": view, "title": title_of(view), "handed_on": False},
            **(_TAKEN_BACK if (alert_id, who) in batch.gone else {}),
        }
        for alert_id, told in batch.told.items()
        for who, view in told.items()
    ]
    _replace(connection, INBOX, rows, ["alert_id", "role", "team", "worker"])
    _handed(connection, batch)


def _shown(connection: sa.Connection, batch: Batch) -> None:
    """A view joins the history of views where it differs from the one that stands in the inbox."""
    if not batch.shown:
        return
    names = ("event_id", "role", "team", "worker", "alert_id", "at", "view")
    given = {name: sa.bindparam(f"new_{name}", type_=SHOWN.c[name].type) for name in names}
    same = sa.and_(*(INBOX.c[name] == given[name] for name in ("alert_id", "role", "team", "worker", "view")))
    fresh = sa.select(*given.values()).where(~sa.exists().where(same, INBOX.c.handed_on.is_(False)))
    statement = insert(SHOWN).from_select(names, fresh).on_conflict_do_nothing()
    connection.execute(statement, [{f"new_{name}": row[name] for name in names} for row in batch.shown])


def _handed(connection: sa.Connection, batch: Batch) -> None:
    """An alert that another worker or team holds now stands still for who held it as the same role."""
    if not batch.holders:
        return
    others = sa.and_(
        INBOX.c.alert_id == sa.bindparam("the_alert"),
        INBOX.c.role == sa.bindparam("the_role"),
        sa.or_(INBOX.c.team != sa.bindparam("the_team"), INBOX.c.worker != sa.bindparam("the_worker")),
        INBOX.c.handed_on.is_(False),
    )
    held = [
        {"the_alert": alert_id, "the_role": role, "the_team": key[1], "the_worker": key[2]}
        for (alert_id, role), key in batch.holders.items()
    ]
    connection.execute(sa.update(INBOX).where(others).values(handed_on=True, open=False, act="moved"), held)


#: A row whose recipient may no longer see the alert: it stands still until it is given back.
_TAKEN_BACK: Row = {"act": "updated", "open": False, "handed_on": True}
_ACT = ("severity", "raised_on", "due_on", "open", "act", "times", "at")


def _replace(connection: sa.Connection, table: sa.Table, rows: list[Row], key: list[str]) -> None:
    if not rows:
        return
    statement = insert(table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in key}
    if changed:
        statement = statement.on_conflict_do_update(index_elements=key, set_=changed)
    connection.execute(statement, rows)
