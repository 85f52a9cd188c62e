"""``hub person show``: two questions, each with its own date: what was true on a day, what was known at a moment."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import psycopg
import sqlalchemy as sa
import typer

from hub import access
from hub.held import Held, stored
from hub.layout import contracts_folder
from hub.moments import moment
from hub.output import AsJson, fail, show_json, show_table
from hub.person import picture
from hub.person.told import Told, changes, told
from hub.person.whom import ids_of
from services.alerts.settings import load as alert_settings
from services.status.agent import policy_of
from spine.clock import LONDON, now
from spine.errors import Retry

UNKNOWN = 1
PAGE = "hub person show"


def show(
    named: Annotated[
        str,
        typer.Argument(metavar="ID", help="The person's id, as the console's address shows it; or party:source_ref."),
    ],
    reason: Annotated[
        str, typer.Option(help="Why you look. It is written down with your name before anything is shown.")
    ],
    known: Annotated[
        str | None, typer.Option(help="Moment of knowing: 2026-03-02 (end of that day) or with a time.")
    ] = None,
    on: Annotated[str | None, typer.Option(help="Day asked about; else the day of knowing.")] = None,
    compare: Annotated[str | None, typer.Option(help="A later moment of knowing: what is told otherwise then.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Write the timeline as a picture to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what the hub believed of somebody: status, dates, timeline and why, agreed starts, alerts.

    Every use is written to the console's record of access, or nothing is shown. No name is printed.
    Exit 0; 1 if nobody or several are meant, or no database answers; 2 for a date that is none or an empty reason.
    """
    try:
        known_at, later = moment(known) if known else now(), moment(compare) if compare else None
        day = date.fromisoformat(on) if on else known_at.astimezone(LONDON).date()
    except ValueError as error:
        fail(f"person show: {error}; write days as 2026-03-02, moments as 2026-03-02T14:00Z", as_json=as_json, code=2)
    if not reason.strip():
        fail("person show: give a reason with --reason", as_json=as_json, code=2)
    try:
        with stored() as held:
            people = ids_of(held, named)
            if len(people) > 1:
                fail(f"person show: several are meant, ask by id: {', '.join(people)}", as_json=as_json, code=UNKNOWN)
            person_id = people[0] if people else named
            found = answer(held, person_id, known_at, day, contracts_folder())
            after = answer(held, person_id, later, day, contracts_folder()) if later else None
        if found is None:
            fail("person show: nobody has that id", as_json=as_json, code=UNKNOWN)
        write_down(person_id, reason)
    except (Retry, OSError, psycopg.Error, sa.exc.SQLAlchemyError) as error:
        fail(
            f"person show: {type(error).__name__}: no database answered, or access could not be written down",
            as_json=as_json,
        )
    if svg is not None:
        svg.write_text(picture.svg(found), "utf-8")
    otherwise = changes(found, after) if after is not None else []
    if as_json:
        show_json({**found.document(), "changes": otherwise})
    else:
        _show(found, otherwise)


def answer(held: Held, person_id: str, known_at: datetime, on: date, contracts: Path) -> Told | None:
    """None where status has never heard of that id."""
    status = held.one("status", person_id)
    if status is None:
        return None
    warn_days = alert_settings(contracts).policy.number("A04", "warn_days")
    return told(person_id, status, held.one("alerts", person_id), known_at, on, warn_days, policy_of(contracts))


def write_down(person_id: str, reason: str) -> None:
    access.write_down(PAGE, [person_id], reason)


def _show(found: Told, otherwise: list[str]) -> None:
    status = found.status
    flags = [name for name, holds in status["flags"].items() if holds]
    rows = [
        ("status", f"{status['code']} {status['group']}"),
        ("flags", ", ".join(flags)),
        ("SSDA903", status["ssda903"]),
        ("participation duty met", status["duty_met"]),
        ("EHC plan", "" if status["plan"] is None else ", ".join(f"{k} {v}" for k, v in status["plan"].items() if v)),
        *((name.replace("_", " "), value) for name, value in found.currency.items()),
    ]
    show_table(f"On {found.on}, as known at {found.known_at:%Y-%m-%d %H:%M} UTC", ("", ""), rows)
    spans = [(s.start, s.end or "open", s.code, s.group, s.source, "; ".join(s.because)) for s in found.timeline]
    show_table("Timeline", ("from", "to", "code", "group", "source", "because"), spans)
    stretches = [(s.name, s.start, s.end or "open", s.detail) for s in (*found.episodes, *found.waits, *found.marks)]
    show_table("Episodes, agreed starts, marks", ("what", "from", "to", ""), stretches)
    standing = [(a.rule, a.raised_on, a.due_on, a.closed_on or "", a.outcome, " ".join(a.to)) for a in found.alerts]
    show_table("Alerts", ("rule", "raised", "due", "closed", "outcome", "to"), standing)
    if otherwise:
        show_table("Told otherwise later", ("",), [(line,) for line in otherwise])
