"""What a user does or looks at, written down: actions through the outbox, and one row of access for every view."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.console.people import User
from services.console.tables import ACCESS, ACTION
from spine.journal import Journal
from spine.record import Effect, Outgoing
from spine.schema import Catalogue

OUTCOMES = ("done", "not_needed", "declined", "wrong_person")
NOTE_CHARACTERS_MAX = 2_000
KIND, TOPIC = "action.v1", "statuses"


@dataclass(frozen=True, slots=True)
class Doings:
    """Writes for the pages. The console's publisher brings actions to the log."""

    journal: Journal
    engine: sa.Engine
    catalogue: Catalogue

    def act(self, user: User, row: Mapping[str, Any], verb: str, value: str, at: datetime) -> None:
        """Row and outgoing fact in one transaction: what the page shows is what alerts will hear."""
        identity = secrets.token_hex(16)
        shown = {"alert_id": row["alert_id"], "role": row["role"], "worker": user.key, "verb": verb, "value": value}
        fields = {**shown, "person_id": row["person_id"], "at": at, "event_id": identity}
        self.catalogue.keys.make(self.catalogue.needed([Effect(TOPIC, row["person_id"], KIND, fields)]))
        body = self.catalogue.encode(KIND, fields)
        with self.journal.transaction() as transaction:
            connection: sa.Connection = transaction.connection  # type: ignore[attr-defined]
            connection.execute(sa.insert(ACTION).values(event_id=identity, at=at, **shown))
            transaction.enqueue([Outgoing(0, identity, TOPIC, row["person_id"], KIND, body)])

    def saw(self, user: User, page: str, person_id: str, about: str, at: datetime) -> None:
        """Before the page is shown: no view without its row."""
        row = {"at": at, "user_id": user.id, "roles": " ".join(user.roles), "page": page, "person_id": person_id}
        with self.engine.begin() as connection:
            connection.execute(sa.insert(ACCESS).values(**row, about=about))
