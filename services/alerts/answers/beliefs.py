"""What was believed of each person, as often as it changed: from the facts on the log to rows, and back.

What was believed while another's facts were among somebody's is nobody's to read: once they are taken apart, only that
something was believed is kept.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

import orjson
import sqlalchemy as sa

from services.alerts.answers.tables import BELIEVED
from services.alerts.belief import Belief, parse
from spine.record import Fact


@dataclass(frozen=True, slots=True)
class Known:
    """What was believed at a moment, and since when. No belief: it was taken back since."""

    since: datetime
    belief: Belief | None


@dataclass(slots=True)
class Beliefs:
    """Rows of a batch by person, each person's in their order. ``apart``: from whom something was taken."""

    rows: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    apart: set[str] = field(default_factory=set)

    def hear(self, fact: Fact) -> None:
        """A fact of status: a row where it believes otherwise than the one before."""
        if not fact.is_a("status") or fact.fields["belief"] is None:
            return
        person, body = fact.fields["person_id"], body_of(fact)
        mine = self.rows.setdefault(person, [])
        if fact.fields["cause"] == "withdrawn":
            self.apart.add(person)
            for row in mine:
                row["body"] = None
        if not mine or mine[-1]["body"] != body:
            known_at = fact.fields["known_at"]
            mine.append({"event_id": fact.event_id, "person_id": person, "known_at": known_at, "body": body})

    def forget(self, person: str) -> None:
        self.rows.pop(person, None)


def body_of(fact: Fact) -> bytes:
    """Of a belief what a status and its timeline are read from; identities are not in it."""
    belief = fact.fields["belief"]
    kept = {"timeline": belief["timeline"], "marks": belief["marks"]}
    empty: dict[str, object] = {"date_of_birth": None, "episodes": [], "waits": [], "plans": []}
    return orjson.dumps(empty | kept, option=orjson.OPT_SORT_KEYS)


def write(connection: sa.Connection, beliefs: Beliefs, erased: Collection[str]) -> None:
    """Rows that say something new. Raises nothing for one that is there: a batch may come again."""
    if erased:
        connection.execute(sa.delete(BELIEVED).where(BELIEVED.c.person_id.in_(sorted(erased))))
    if beliefs.apart:
        emptied = sa.update(BELIEVED).where(BELIEVED.c.person_id.in_(sorted(beliefs.apart))).values(body=None)
        connection.execute(emptied)
    # In order, so that two batches never wait for each other.
    new = [row for person in sorted(beliefs.rows) for row in beliefs.rows[person]]
    if new:
        connection.execute(_NEWS, new)


def known(connection: sa.Connection, person_id: str, moment: datetime) -> Known | None:
    """What was believed at ``moment``; None where nothing is kept of that time."""
    theirs = sa.select(BELIEVED.c.known_at, BELIEVED.c.body)
    theirs = theirs.where(BELIEVED.c.person_id == person_id, BELIEVED.c.known_at <= moment)
    row = connection.execute(theirs.order_by(BELIEVED.c.number.desc()).limit(1)).first()
    return None if row is None else Known(row.known_at, None if row.body is None else parse(orjson.loads(row.body)))


#: Receipts are not in order on the log: what was heard later was not known before what was heard earlier.
_NEWS = sa.text(
    "INSERT INTO believed (event_id, person_id, known_at, body)"
    " SELECT CAST(:event_id AS text), CAST(:person_id AS text), GREATEST(CAST(:known_at AS timestamptz),"
    " (SELECT max(known_at) FROM believed WHERE person_id = :person_id)), CAST(:body AS bytea)"
    " WHERE :body IS NULL OR NOT EXISTS (SELECT 1 FROM (SELECT body FROM believed WHERE person_id = :person_id"
    " ORDER BY number DESC LIMIT 1) AS last WHERE last.body = :body)"
    " ON CONFLICT (event_id) DO NOTHING"
)
