"""What a user does or looks at, written down: actions through the outbox, and one row of access for every view."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from services.console import overreach, telling
from services.console.people import User
from services.console.tables import ACCESS, ACTION, BREAK_GLASS
from services.console.telling import Chosen
from spine import traces
from spine.carried import Carried, Headers
from spine.journal import Journal
from spine.record import Effect, Outgoing
from spine.schema import Catalogue

KIND, TOPIC = "action.v1", "statuses"
LISTED_ONCE_IN = timedelta(hours=12)
TRIES_MAX = 10_000


def begun() -> Headers:
    """The trace of an act, from the click on; nothing where nobody collects. No receipt: no door took it."""
    tracing = traces.held()
    return Carried(trace=tracing.taken("act")).headers if tracing is not None else ()


@dataclass(frozen=True, slots=True)
class Doings:
    """Writes for the pages. The console's publisher brings actions to the log."""

    journal: Journal
    engine: sa.Engine
    catalogue: Catalogue
    #: Of the topic ``deliveries``: what a worker chooses must be heard in each.
    partitions: int
    #: Tries that were told: one that is repeated is written once.
    tries: set[str] = field(default_factory=set)

    def choose(self, user: User, chosen: Chosen, at: datetime) -> None:
        """How the worker wants to be told: one fact for every partition, each under an id of its own."""
        fields, choice = chosen.fields(user.worker, at), secrets.token_hex(16)
        headers = begun()
        out = []
        for n in range(self.partitions):
            event_id = f"{choice}-{n}"
            body = self.catalogue.encode(telling.KIND, {**fields, "event_id": event_id})
            out.append(Outgoing(0, event_id, telling.TOPIC, f"telling:{user.worker}", telling.KIND, body, headers, n))
        with self.journal.transaction() as transaction:
            connection: sa.Connection = transaction.connection  # type: ignore[attr-defined]
            row = {"worker": user.worker, "how": dict(chosen.how), "at": at}
            row |= {"digest": chosen.digest, "channel": chosen.channel}
            telling.write(connection, [row])
            transaction.enqueue(out)

    def act(self, user: User, row: Mapping[str, Any], verb: str, value: str, at: datetime) -> None:
        """Row and outgoing fact in one transaction: what the page shows is what alerts will hear."""
        self.act_all(user, [row], verb, value, at)

    def act_all(self, user: User, rows: Sequence[Mapping[str, Any]], verb: str, value: str, at: datetime) -> None:
        """One fact an alert; all of them or none."""
        if not rows:
            return
        done = [
            {
                **{"event_id": secrets.token_hex(16), "alert_id": row["alert_id"], "role": row["role"]},
                **{"worker": user.key, "verb": verb, "value": value, "at": at},
            }
            for row in rows
        ]
        people = [row["person_id"] for row in rows]
        facts = [{**one, "person_id": person} for one, person in zip(done, people, strict=True)]
        effects = [Effect(TOPIC, person, KIND, fact) for fact, person in zip(facts, people, strict=True)]
        self.catalogue.keys.make(self.catalogue.needed(effects))
        out = [
            Outgoing(0, str(fact["event_id"]), TOPIC, person, KIND, self.catalogue.encode(KIND, fact), begun())
            for fact, person in zip(facts, people, strict=True)
        ]
        with self.journal.transaction() as transaction:
            connection: sa.Connection = transaction.connection  # type: ignore[attr-defined]
            connection.execute(sa.insert(ACTION), done)
            transaction.enqueue(out)

    def overreached(self, user: User, party: str, doing: str, what: str, at: datetime) -> None:
        """Refused, and told to alerts: of many in a day the data protection officer hears (A39)."""
        fact = overreach.tried(user, party, doing, what, at)
        event_id, key = fact["event_id"], fact["person_id"]
        if event_id in self.tries:
            return
        body = self.catalogue.encode(overreach.KIND, fact)
        with self.journal.transaction() as transaction:
            transaction.enqueue([Outgoing(0, event_id, overreach.TOPIC, key, overreach.KIND, body, begun())])
        if len(self.tries) >= TRIES_MAX:
            self.tries.clear()
        self.tries.add(event_id)

    def saw(self, user: User, page: str, person_id: str, about: str, at: datetime) -> None:
        """Before the page is shown: no view without its row."""
        row = {"at": at, "user_id": user.id, "roles": " ".join(user.roles), "page": page, "person_id": person_id}
        with self.engine.begin() as connection:
            connection.execute(sa.insert(ACCESS).values(**row, about=about))

    def listed(self, user: User, people: Collection[str], at: datetime) -> None:
        """Whose names a list showed: one row a day for each, before the list is shown."""
        who = (
            sa.func.unnest(sa.literal(sorted(set(people)), sa.ARRAY(sa.Text)))
            .table_valued("person_id")
            .render_derived()
            .render_derived()
        )
        said: list[Any] = [
            sa.literal(at, ACCESS.c.at.type),
            *map(sa.literal, (user.id, " ".join(user.roles), "inbox")),
            who.c.person_id,
            sa.literal(""),
        ]
        lately = sa.exists().where(
            ACCESS.c.person_id == who.c.person_id,
            ACCESS.c.user_id == user.id,
            ACCESS.c.page == "inbox",
            ACCESS.c.at > at - LISTED_ONCE_IN,
        )
        names = ("at", "user_id", "roles", "page", "person_id", "about")
        with self.engine.begin() as connection:
            connection.execute(sa.insert(ACCESS).from_select(names, sa.select(*said).where(~lately)))

    def broke_glass(self, user: User, ref: str, reason: str, opened: bool, at: datetime) -> None:
        """Also where there was nothing to open: who tries addresses is seen as well."""
        row = {"at": at, "user_id": user.id, "ref": ref, "reason": reason, "opened": opened}
        with self.engine.begin() as connection:
            connection.execute(sa.insert(BREAK_GLASS).values(row))
