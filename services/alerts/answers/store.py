"""Where the read API finds whom it is asked about: its own references, and the states of alerts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa

from services.alerts import settings as alerts_settings
from services.alerts.answers import beliefs
from services.alerts.answers.agent import HASHED_UNDER, hashed
from services.alerts.answers.beliefs import Known
from services.alerts.answers.people import Shown
from services.alerts.answers.tables import ACCESS, REFERENCE
from services.alerts.decide import Settings
from services.alerts.sharing import Sharing
from services.alerts.state import State, decode
from spine.headed import Head, newest
from spine.keystore import Keys
from spine.postgres import engine_for, retrying


@dataclass(slots=True)
class PostgresHeld:
    """``services.alerts.answers.people.Held`` on the database at ``url``. Raises Retry where that is away."""

    url: str
    contracts: Path
    keys: Keys
    _rules: Settings = field(init=False)
    _under: Callable[[Head], Sharing] = field(init=False)
    _mine: sa.Engine = field(init=False)
    _alerts: sa.Engine = field(init=False)

    def __post_init__(self) -> None:
        self._rules = alerts_settings.load(self.contracts)
        self._under = lru_cache(maxsize=4)(lambda head: alerts_settings.under(self.contracts, head))
        self._mine, self._alerts = engine_for(self.url, "answers"), engine_for(self.url, "alerts")
        self.keys.make([HASHED_UNDER])

    def meant(self, party: str, ref: str) -> State | None:
        self.keys.ready([HASHED_UNDER])
        query = sa.select(REFERENCE.c.person_id).distinct().limit(2)
        mine = query.where(REFERENCE.c.party == party, REFERENCE.c.ref == hashed(self.keys, party, ref))
        with retrying(), self._mine.connect() as connection:
            people = list(connection.scalars(mine))
        if len(people) != 1:
            return None
        with retrying(), self._alerts.connect() as connection:
            body = connection.scalar(sa.text("SELECT body FROM state WHERE key = :key"), {"key": people[0]})
        return None if body is None else decode(bytes(body))

    def known(self, person_id: str, moment: datetime) -> Known | None:
        with retrying(), self._mine.connect() as connection:
            return beliefs.known(connection, person_id, moment)

    def settings(self) -> Settings:
        """The agreements of the partition furthest ahead: what was suspended anywhere is suspended here."""
        with retrying(), self._alerts.connect() as connection:
            bodies = [bytes(b) for b in connection.scalars(sa.text("SELECT body FROM state WHERE key LIKE '|head|%'"))]
        head = newest(bodies)
        return self._rules if head is None else replace(self._rules, sharing=self._under(head))

    def write_down(self, shown: Shown) -> None:
        with retrying(), self._mine.begin() as connection:
            connection.execute(sa.insert(ACCESS), [asdict(shown)])

    def close(self) -> None:
        self._mine.dispose()
        self._alerts.dispose()
