"""What is kept of partners' events, and what their people read of it: counts, their own ids, and no value.

Nothing here says what became of an event after the gate: an event that waits for a review would tell that the hub knows
somebody like the one it is about.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from services.console.project import Batch, Row
from services.console.redrives import JUDGED_AGAIN, TRIED
from services.console.tables import ACCEPTED, ACCEPTED_DAY, EXTRACT, PAUSE, REFUSAL
from spine.clock import local_date

#: Accepted events that are kept one by one, for each partner.
LATEST_MAX = 100
DAYS = 28
REFUSED_MAX = 100
EXTRACTS_MAX = 10


def write(connection: sa.Connection, batch: Batch) -> None:
    """In the batch's transaction. Topics have no order between them: a refusal or its mending may be first."""
    if batch.refusals:
        connection.execute(insert(REFUSAL).on_conflict_do_nothing(), batch.refusals)
    if batch.accepted:
        _accepted(connection, batch.accepted)
    for table, rows in ((EXTRACT, batch.extracts), (PAUSE, batch.pauses)):
        if rows:
            connection.execute(insert(table).on_conflict_do_nothing(), rows)
    parties = sorted({row["party"] for row in (*batch.refusals, *batch.accepted)})
    if parties:
        # By their names, which an index has: without them all refusals of years were read for each batch.
        known = connection.scalars(sa.select(ACCEPTED.c.message_id).where(ACCEPTED.c.party.in_(parties)).distinct())
        told = REFUSAL.c.message_id == sa.any_(sa.literal(sorted(known), sa.ARRAY(sa.Text)))
        later = sa.exists().where(
            ACCEPTED.c.party == REFUSAL.c.party,
            ACCEPTED.c.message_id == REFUSAL.c.message_id,
            ACCEPTED.c.received_at >= REFUSAL.c.received_at,
        )
        waiting = sa.and_(REFUSAL.c.party.in_(parties), told, REFUSAL.c.mended.is_(False), later)
        connection.execute(sa.update(REFUSAL).where(waiting).values(mended=True))
        _prune(connection, parties)


def _accepted(connection: sa.Connection, rows: Sequence[Row]) -> None:
    connection.execute(insert(ACCEPTED).on_conflict_do_nothing(), list(rows))
    each: dict[tuple[str, date, str], Row] = {}
    for row in rows:
        key = (row["party"], local_date(row["received_at"]), row["type"])
        held = each.setdefault(key, {"count": 0, "last_at": row["received_at"]})
        held["count"] += 1
        held["last_at"] = max(held["last_at"], row["received_at"])
    new = insert(ACCEPTED_DAY)
    more = {
        "count": ACCEPTED_DAY.c.count + new.excluded["count"],
        "last_at": sa.func.greatest(ACCEPTED_DAY.c.last_at, new.excluded.last_at),
    }
    counted = [{"party": party, "on": on, "type": kind, **held} for (party, on, kind), held in sorted(each.items())]
    connection.execute(new.on_conflict_do_update(index_elements=["party", "on", "type"], set_=more), counted)


def _prune(connection: sa.Connection, parties: Sequence[str]) -> None:
    """Only the latest stay one by one; the days keep their counts."""
    order = (ACCEPTED.c.received_at.desc(), ACCEPTED.c.event_id)
    place = sa.func.row_number().over(partition_by=ACCEPTED.c.party, order_by=order).label("place")
    placed = sa.select(ACCEPTED.c.event_id, place).where(ACCEPTED.c.party.in_(parties)).subquery()
    old = sa.select(placed.c.event_id).where(placed.c.place > LATEST_MAX)
    connection.execute(sa.delete(ACCEPTED).where(ACCEPTED.c.event_id.in_(old)))


class Sent:
    """Questions of the partners' page; each names the parties for which the reader speaks."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def days(self, parties: Collection[str], today: date) -> Sequence[Row]:
        """By day, latest first: party, how many were accepted and refused, and of which kinds."""
        counts: dict[tuple[date, str], Row] = {}
        for row in self.counts(parties, today):
            held = counts.setdefault((row["on"], row["party"]), {"accepted": 0, "refused": 0, "kinds": []})
            held["accepted"] += row["count"]
            held["kinds"].append((row["type"], row["count"]))
        # The day of London, as the accepted ones are counted.
        on = sa.cast(sa.func.timezone("Europe/London", REFUSAL.c.received_at), sa.Date).label("on")
        first = today - timedelta(days=DAYS - 1)
        theirs = sa.select(REFUSAL.c.party, on, sa.func.count().label("count")).where(REFUSAL.c.party.in_(parties))
        for row in self._all(theirs.where(on >= first).group_by(REFUSAL.c.party, on)):
            held = counts.setdefault((row["on"], row["party"]), {"accepted": 0, "refused": 0, "kinds": []})
            held["refused"] = row["count"]
        return [{"on": on, "party": party, **counts[on, party]} for on, party in sorted(counts, reverse=True)]

    def counts(self, parties: Collection[str], today: date) -> Sequence[Row]:
        """Accepted events of the last days by party, day and kind."""
        first = today - timedelta(days=DAYS - 1)
        theirs = sa.and_(ACCEPTED_DAY.c.party.in_(parties), ACCEPTED_DAY.c.on >= first)
        return self._all(sa.select(ACCEPTED_DAY).where(theirs).order_by(ACCEPTED_DAY.c.type))

    def latest(self, parties: Collection[str], today: date, limit: int = LATEST_MAX) -> Sequence[Row]:
        """The last accepted events one by one: the partner's own id, kind, when it came."""
        since = today - timedelta(days=DAYS - 1)
        theirs = sa.and_(ACCEPTED.c.party.in_(parties), ACCEPTED.c.received_at >= since)
        return self._all(
            sa.select(ACCEPTED).where(theirs).order_by(ACCEPTED.c.received_at.desc(), ACCEPTED.c.event_id).limit(limit)
        )

    def refused(self, parties: Collection[str]) -> Sequence[Row]:
        """The last refusals: kind, reason, where the faults are, whether the original waits. No value was kept."""
        since = (JUDGED_AGAIN.label("judged_again"), TRIED.label("tried"))
        query = sa.select(REFUSAL, *since).where(REFUSAL.c.party.in_(parties))
        return self._all(query.order_by(REFUSAL.c.received_at.desc(), REFUSAL.c.event_id).limit(REFUSED_MAX))

    def heard(self, parties: Collection[str]) -> Mapping[str, Any]:
        """When each party was last heard, be it that its event was refused."""
        said = [
            sa.select(ACCEPTED_DAY.c.party, ACCEPTED_DAY.c.last_at.label("at")).where(
                ACCEPTED_DAY.c.party.in_(parties)
            ),
            sa.select(REFUSAL.c.party, REFUSAL.c.received_at.label("at")).where(REFUSAL.c.party.in_(parties)),
        ]
        both = sa.union_all(*said).subquery()
        query = sa.select(both.c.party, sa.func.max(both.c.at).label("at")).group_by(both.c.party)
        return {row["party"]: row["at"] for row in self._all(query)}

    def extracts(self, party: str) -> Sequence[Row]:
        """The last extracts of a party, latest first."""
        theirs = sa.select(EXTRACT).where(EXTRACT.c.party == party)
        return self._all(theirs.order_by(EXTRACT.c.on.desc(), EXTRACT.c.event_id).limit(EXTRACTS_MAX))

    def pauses(self, party: str) -> Sequence[Row]:
        return self._all(sa.select(PAUSE).where(PAUSE.c.party == party).order_by(PAUSE.c.on, PAUSE.c.until))

    def _all(self, query: sa.Select[Any]) -> Sequence[Row]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
