"""One set of measures a month, handed to the console: small numbers are hidden before anything leaves this command.

The console may import neither ``hub`` nor the services whose states are counted, and must not hold what it may not
show: so it reads what is published here and counts nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hub.measures.count import Line
from services.console.tables import MEASURES
from services.ingest.channels.files.feedback import safe_cell


class PublishedBefore(ValueError):
    """Two sets of one month, compared, could tell of a single young person."""

    def __init__(self, month: date) -> None:
        super().__init__(f"a set of {month:%B %Y} is published; another could tell of a single change")


def body_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """What ``hub.measures.command.counted`` found, as JSON. Names of parts come from partners: no cell is a formula."""
    return {
        "lines": [_line(one) for one in found["lines"]],
        "trend": [{"on": day.isoformat(), "percent": value} for day, value in found["trend"]],
        "annual": list(found["annual"]),
        "alerts": list(found.get("alerts", ())),
        "targets": orjson.loads(orjson.dumps(found["targets"], default=str)),
    }


def _line(one: Line) -> dict[str, Any]:
    return {**asdict(one), "part": safe_cell(one.part), "percent": one.percent}


def publish(engine: sa.Engine, found: Mapping[str, Any], at: datetime) -> None:
    """Raises PublishedBefore."""
    month = found["on"].replace(day=1)
    row = {"month": month, "on": found["on"], "known_at": found["known_at"], "published_at": at}
    with engine.begin() as connection:
        statement = insert(MEASURES).values(**row, body=body_of(found)).on_conflict_do_nothing()
        if connection.execute(statement.returning(MEASURES.c.month)).first() is None:
            raise PublishedBefore(month)
