"""The processor ``console``: facts of four topics into read models, in the batch's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from services.console.project import Batch, Row, take
from services.console.tables import ACTION, DELIVERY, HISTORY, INBOX, REFUSAL, REVIEW, TODAY
from spine.journal import Transaction
from spine.log import Place
from spine.record import Changes, Decided, Fact
from spine.schema import Catalogue

SERVICE = "console"
BUILD = "0.1.0"
TOPICS = ("alerts", "deliveries", "reviews", "refusals")


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
        return Decided(note=take(self._batch, fact, lambda body: self._catalogue.open("subject.v1", body)))

    def changes(self) -> Changes:
        if isinstance(self._transaction, HasConnection):
            write(self._transaction.connection, self._batch)
        self._batch = Batch()
        return Changes()

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
    if batch.refusals:
        connection.execute(insert(REFUSAL).on_conflict_do_nothing(), batch.refusals)
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
        for table in (HISTORY, ACTION, DELIVERY):
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
    if batch.moved:
        gone = INBOX.c.alert_id == sa.any_(sa.literal(sorted(batch.moved), sa.ARRAY(sa.Text)))
        # What was taken back stays so; another act on the alert may stand behind the move in this batch.
        theirs = sa.update(INBOX).where(gone, INBOX.c.handed_on.is_(False))
        connection.execute(theirs.values(handed_on=True, open=False, act="moved"))
    rows: list[Row] = [
        {
            **batch.gone.get((alert_id, who), batch.alerts[alert_id]),
            **dict(zip(("role", "team", "worker"), who, strict=True)),
            **{"view": view, "handed_on": False},
            **(_TAKEN_BACK if (alert_id, who) in batch.gone else {}),
        }
        for alert_id, told in batch.told.items()
        for who, view in told.items()
    ]
    _replace(connection, INBOX, rows, ["alert_id", "role", "team", "worker"])


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
