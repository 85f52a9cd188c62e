"""The polling feed: what outside teams were told, numbered without gaps for each, in the order in which it committed.

It is the canonical way for teams outside the council; webhook, mail and card are hints that there is more to read. One
item is one telling: the inbox's delivery of an act. An item names nobody; who it is about the reader asks separately.
The number of the rule stays out: it can say more than the headline that the reader may see (release from custody).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query
from sqlalchemy.dialects.postgresql import insert

from services.alerts.delivery.decide import Delivery, moment
from services.alerts.delivery.directory import Directory
from services.alerts.delivery.tables import FEED, FEED_END
from spine.clock import now
from spine.telemetry import metrics

ITEMS_MAX = 500


@dataclass(frozen=True, slots=True)
class Page:
    """``after`` is what to ask with next; ``more`` says that it is worth asking at once."""

    items: Sequence[Mapping[str, Any]]
    after: int
    more: bool


def add(connection: sa.Connection, directory: Directory, services: frozenset[str], states: Sequence[Delivery]) -> None:
    """Number new items inside the caller's transaction. Told again, a delivery keeps its number.

    The row of a team's last number stays locked until the transaction ends, so nobody sees a number before a lower one.
    """
    by_team: dict[str, list[Delivery]] = {}
    for state in states:
        team = directory.team_of(state.worker, state.team, state.role)
        if state.channel == "inbox" and state.life and directory.services.get(team) in services:
            by_team.setdefault(team, []).append(state)
    # In sorted order: two batches that lock the same teams must not wait for each other.
    for team in sorted(by_team):
        mine = sorted(by_team[team], key=lambda d: (d.at_ms, d.delivery_id))
        ids = sa.literal([d.delivery_id for d in mine], sa.ARRAY(sa.Text))
        known = set(connection.scalars(sa.select(FEED.c.delivery_id).where(FEED.c.delivery_id == sa.any_(ids))))
        fresh = [d for d in mine if d.delivery_id not in known]
        if not fresh:
            continue
        end = insert(FEED_END).values(recipient=team, number=len(fresh))
        moved = {"number": FEED_END.c.number + len(fresh)}
        statement = end.on_conflict_do_update(index_elements=["recipient"], set_=moved).returning(FEED_END.c.number)
        last = int(connection.execute(statement).scalar_one())
        first = last - len(fresh) + 1
        connection.execute(sa.insert(FEED), [_row(team, number, d) for number, d in enumerate(fresh, start=first)])


def feed(engine: sa.Engine, recipient: str, after: int, limit: int = ITEMS_MAX) -> Page:
    """Items of the team ``recipient`` with a number above ``after``, at most ``limit`` and never above ITEMS_MAX."""
    limit = max(1, min(limit, ITEMS_MAX))
    mine = sa.and_(FEED.c.recipient == recipient, FEED.c.number > after)
    columns = [column for column in FEED.c if column.name not in ("recipient", "rule")]
    with engine.connect() as connection:
        rows = connection.execute(sa.select(*columns).where(mine).order_by(FEED.c.number).limit(limit + 1)).mappings()
        found = [dict(row) for row in rows]
    items = found[:limit]
    return Page(items, int(items[-1]["number"]) if items else after, len(found) > limit)


def router(engine: sa.Engine, calling: Callable[..., str]) -> APIRouter:
    """``GET /v1/feed``. ``calling`` is a FastAPI dependency: the team that calls; it refuses whom it does not know."""
    made = APIRouter()

    @made.get("/v1/feed")
    def read_feed(
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=ITEMS_MAX)] = 100,
        team: str = Depends(calling),
    ) -> dict[str, Any]:
        page = feed(engine, team, after, limit)
        metrics().gauge("hub_feed_read_timestamp_seconds", now().timestamp(), team=team)
        return {"items": page.items, "after": page.after, "more": page.more}

    return made


def _row(team: str, number: int, state: Delivery) -> dict[str, object]:
    return {
        "recipient": team,
        "number": number,
        "delivery_id": state.delivery_id,
        "alert_id": state.alert_id,
        "role": state.role,
        "rule": state.rule,
        "act": state.act,
        "due_on": state.due_on,
        "severity": state.severity,
        "at": moment(state.at_ms),
    }
