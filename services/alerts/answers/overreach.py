"""What a party's system asked beyond its role or scope, as a fact under a key of that credential (docs/adr/0020)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.alerts.answers.agent import HASHED_UNDER, hashed
from spine.clock import local_date
from spine.journal import Journal
from spine.record import Outgoing
from spine.schema import Catalogue
from spine.who.principal import Principal

KIND, TOPIC = "overreach.v1", "statuses"
#: Tries remembered here, so that one that is repeated is written once; alerts knows the rest by their ids.
TRIES_MAX = 10_000

Tried = Callable[[Principal, str, str], None]


def untold(who: Principal, doing: str, what: str) -> None:
    """Where nobody hears of it."""
    del who, doing, what


def tried(who: Principal, doing: str, what: str, at: datetime) -> Mapping[str, Any]:
    """The fact, with its id: the same thing on the same day has the same. ``what``: a keyed hash."""
    return {
        "event_id": _hash("overreach", who.party, who.name, local_date(at).isoformat(), what)[:32],
        # So begins the key of whatever is about no young person (docs/adr/0014).
        "person_id": "feed:" + _hash("speaker", who.party, who.name)[:20],
        **{"who": who.name, "role": "", "party": who.party, "doing": doing, "what": what, "at": at},
    }


@dataclass(slots=True)
class Tries:
    """Writes tries to the outbox of this process. Raises Retry where the database is away: nothing is answered then."""

    journal: Journal
    catalogue: Catalogue
    clock: Callable[[], datetime]
    _known: set[str] = field(default_factory=set)

    def __call__(self, who: Principal, doing: str, what: str) -> None:
        if who.test:
            # A rehearsal.
            return
        self.catalogue.keys.ready([HASHED_UNDER])
        fact = tried(who, doing, hashed(self.catalogue.keys, who.party, what), self.clock())
        if fact["event_id"] in self._known:
            return
        body = self.catalogue.encode(KIND, fact)
        with self.journal.transaction() as transaction:
            transaction.enqueue([Outgoing(0, fact["event_id"], TOPIC, fact["person_id"], KIND, body)])
        if len(self._known) >= TRIES_MAX:
            self._known.clear()
        self._known.add(fact["event_id"])


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
