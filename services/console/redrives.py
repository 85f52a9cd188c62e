"""Bringing refused events before the gate again: who asked, who agreed and what was sent; the door itself does it.

Many at once are wanted by two people (``contracts/policy/governance.yaml``), of whom the door asks both names. What is
asked for here is for one sender and one reason, and for a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from ruamel.yaml import YAML

from services.console.tables import REDRIVE, REFUSAL

Row = Mapping[str, Any]
ACCEPTED = "accepted"
LAST_MAX = 10

_later = REFUSAL.alias("later")
#: Whether a refusal is no longer the last word on its message.
JUDGED_AGAIN = sa.exists().where(
    _later.c.party == REFUSAL.c.party,
    _later.c.message_id == REFUSAL.c.message_id,
    _later.c.received_at > REFUSAL.c.received_at,
)
#: Whether its original waits, and nothing came of the message since.
WAITS = sa.and_(REFUSAL.c.kept, REFUSAL.c.mended.is_(False), ~JUDGED_AGAIN)
#: Whether it was brought before the gate again, and the gate's answer is not here yet.
TRIED = sa.exists().where(
    REDRIVE.c.party == REFUSAL.c.party,
    REDRIVE.c.message_id == REFUSAL.c.message_id,
    REDRIVE.c.message_id != "",
    REDRIVE.c.sent > 0,
    REDRIVE.c.done_at >= REFUSAL.c.received_at,
)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the door said: counts by type, verdict and codes of those that wait. ``alone_max``: what one may send."""

    waiting: int
    judged: int
    outcomes: Sequence[Row]
    alone_max: int

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Verdicts:
        return cls(told["waiting"], told["judged"], told["outcomes"], told["alone_max"])

    @property
    def passing(self) -> int:
        return sum(row["count"] for row in self.outcomes if row["outcome"] == ACCEPTED)

    @property
    def takes_two(self) -> bool:
        return self.passing > self.alone_max


@lru_cache(maxsize=4)
def valid(contracts: Path) -> timedelta:
    """How long what was asked for may be agreed to."""
    return timedelta(days=int(YAML(typ="safe").load(contracts / "policy" / "governance.yaml")["request_valid_days"]))


class Redrives:
    """The register. A row stands until it is done or too old; none is ever deleted."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def refused(self, event_id: str, parties: Collection[str]) -> Row | None:
        """One refusal of these parties that waits, and was not tried already."""
        mine = sa.and_(REFUSAL.c.event_id == event_id, REFUSAL.c.party.in_(parties), WAITS, ~TRIED)
        with self._engine.connect() as connection:
            found = connection.execute(sa.select(REFUSAL).where(mine)).mappings().first()
        return None if found is None else dict(found)

    def standing(self, party: str, reason: str, at: datetime) -> Row | None:
        """What somebody asked for and nobody has carried out."""
        with self._engine.connect() as connection:
            found = connection.execute(_standing(party, reason, at)).mappings().first()
        return None if found is None else dict(found)

    def ask(self, party: str, reason: str, by: str, at: datetime, until: timedelta) -> None:
        """Asked for twice it is one request, the first person's."""
        with self._engine.begin() as connection:
            _alone(connection, party, reason)
            if connection.execute(_standing(party, reason, at)).first() is None:
                connection.execute(sa.insert(REDRIVE).values(_asked(party, reason, "", by, at, at + until)))

    def agree(self, party: str, reason: str, by: str, at: datetime) -> Row | None:
        """The request with both names; None where nobody else has asked. Agreed to before, it stands as it is, so that
        what the door did not take can be sent again."""
        with self._engine.begin() as connection:
            _alone(connection, party, reason)
            found = connection.execute(_standing(party, reason, at)).mappings().first()
            if found is None or (found["asked_by"] == by and not found["approved_by"]):
                return None
            if found["approved_by"]:
                return dict(found)
            this = REDRIVE.c.number == found["number"]
            connection.execute(sa.update(REDRIVE).where(this).values(approved_by=by))
            return {**found, "approved_by": by}

    def done(self, number: int, at: datetime, sent: int) -> None:
        with self._engine.begin() as connection:
            this = sa.update(REDRIVE).where(REDRIVE.c.number == number)
            connection.execute(this.values(done_at=at, sent=sent))

    def alone(self, party: str, reason: str, message_id: str, by: str, at: datetime, sent: int) -> None:
        """What one person did alone."""
        row = _asked(party, reason, message_id, by, at, at) | {"done_at": at, "sent": sent}
        with self._engine.begin() as connection:
            connection.execute(sa.insert(REDRIVE).values(row))

    def last(self, at: datetime) -> Sequence[Row]:
        """What stands, then what was done lately."""
        shown = sa.or_(REDRIVE.c.done_at.is_not(None), REDRIVE.c.expires_at > at)
        order = (REDRIVE.c.done_at.is_not(None), REDRIVE.c.number.desc())
        with self._engine.connect() as connection:
            found = connection.execute(sa.select(REDRIVE).where(shown).order_by(*order).limit(LAST_MAX))
            return [dict(row) for row in found.mappings()]


def _standing(party: str, reason: str, at: datetime) -> sa.Select[Any]:
    this = (REDRIVE.c.party == party, REDRIVE.c.reason == reason, REDRIVE.c.message_id == "")
    open_ = (REDRIVE.c.done_at.is_(None), REDRIVE.c.expires_at > at)
    return sa.select(REDRIVE).where(*this, *open_).order_by(REDRIVE.c.number.desc()).limit(1)


def _asked(party: str, reason: str, message_id: str, by: str, at: datetime, until: datetime) -> dict[str, Any]:
    row = {"party": party, "reason": reason, "message_id": message_id, "asked_by": by}
    return row | {"asked_at": at, "expires_at": until}


def _alone(connection: sa.Connection, party: str, reason: str) -> None:
    """Two people at one matter take turns."""
    text = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
    connection.execute(text, {"name": f"console redrive|{party}|{reason}"})
