"""``hub measures``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import psycopg
import sqlalchemy as sa
import typer

from hub.held import Held, stored
from hub.layout import contracts_folder
from hub.measures import audits, count, performance, picture
from hub.measures.publish import publish as to_console
from hub.moments import moment
from hub.output import AsJson, fail, show_json, show_table
from hub.persons import persons
from hub.returns.command import settings_of
from hub.running import where
from services.alerts import settings as alerts_settings
from services.status.agent import policy_of
from services.status.belief import belief
from services.status.bitemporal import live
from services.status.reading import milliseconds
from spine.clock import local_date, now
from spine.errors import SpineError
from spine.postgres import engine_for


def month_ends(on: date, months: int = 12) -> tuple[date, ...]:
    """The last days of the ``months`` months before that of ``on``, and ``on`` itself if it is a last day."""
    day, found = on + timedelta(days=1), []
    for _ in range(months):
        day = day.replace(day=1) - timedelta(days=1)
        found.append(day)
    return tuple(reversed(found))


def counted(held: Held, on: date, known_at: datetime, contracts: Path) -> Mapping[str, Any]:
    """Everything that may be published of a day. Raises OSError or ValueError for unusable settings."""
    read, policy = settings_of(contracts), policy_of(contracts)
    settings = count.Settings(read["suppress_below"], frozenset(read["cohort_ages"]), tuple(read["vulnerable"]))
    beside = audits.Settings.parse(read, alerts_settings.load(contracts).policy)
    tally, known = count.Tally(on, month_ends(on)), milliseconds(known_at)
    for one in persons(held):
        told = belief(live(one.status.seen, policy, known), policy)
        count.add(tally, told, one.alerts, known, settings)
        audits.add(tally, told, one.alerts, known, beside)
    return {
        "on": on,
        "known_at": known_at,
        "lines": count.lines(tally, settings),
        "trend": count.trend(tally, settings),
        "annual": count.annual(tally.trend, settings.below),
        "targets": read["targets"],
    }


def measures(
    on: Annotated[str | None, typer.Option(help="Day, as 2026-11-30; default today.")] = None,
    known: Annotated[
        str | None,
        typer.Option(
            help="Moment of knowing: 2026-03-02 (end of that day) or with a time, London's unless it says; default now."
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with pictures here.")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Show this set in the console: one a month.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count the measures of the strategies against their targets; small numbers are hidden.

    Exit 0; 2 for wrong usage or settings, or a month that is published already; 3 if no hub answers.
    """
    try:
        known_at = now() if known is None else moment(known)
        day = local_date(known_at) if on is None else date.fromisoformat(on)
        with stored() as held:
            found = counted(held, day, known_at, contracts_folder())
        if html is not None:
            html.write_text(picture.page(found["lines"], found["trend"], found["targets"], day), encoding="utf-8")
        if publish:
            _publish(found)
    except (ValueError, OSError, KeyError) as error:
        fail(f"measures: {error}", as_json=as_json, code=2)
    except (SpineError, psycopg.OperationalError, sa.exc.OperationalError) as error:
        fail(f"measures: {error}", as_json=as_json, code=3)
    rows = [(x.measure, x.breakdown, x.part, x.numerator, x.denominator, x.percent) for x in found["lines"]]
    names = ("measure", "by", "part", "number", "of", "percent")
    if as_json:
        show_json({**found, "lines": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        hide = [tuple("hidden" if cell is None else cell for cell in row) for row in rows]
        show_table(f"Measures on {day}", names, hide)


def _publish(found: Mapping[str, Any]) -> None:
    """Raises ValueError for a month that is published already."""
    engine = engine_for(os.environ.get("HUB_POSTGRES") or where().postgres, "console")
    read = settings_of(contracts_folder())
    try:
        dealt = performance.lives(engine, found["on"], found["known_at"], int(read["period_months"]))
        alerts = performance.lines(dealt, found["on"], int(read["suppress_below"]))
        to_console(engine, {**found, "alerts": alerts}, now())
    finally:
        engine.dispose()
