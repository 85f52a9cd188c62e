"""``hub disclosures`` and ``hub access-log``: who was shown what of whom, and who looked at whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import psycopg
import sqlalchemy as sa
import typer

from hub import access
from hub.layout import schemas_folder
from hub.moments import moment
from hub.output import USAGE, AsJson, fail, show_json, show_table
from hub.person.whom import ids_of
from hub.private import write_private
from hub.running import where
from hub.subject.books import books
from hub.subject.disclosed import Chosen, Disclosure, as_csv, disclosures, row
from services.alerts.answers.tables import ACCESS as API
from services.console.tables import ACCESS
from spine.errors import SpineError
from spine.postgres import engine_for
from spine.schema import Catalogue

Reason = Annotated[str, typer.Option(help="Why you ask: written down before anything is shown.")]
Since = Annotated[str, typer.Option(help="From this day or moment on.")]
Until = Annotated[str, typer.Option(help="Up to this day (its end) or moment.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="Write CSV to this file (private).")]
SHOWN_COLUMNS = ("at", "person_id", "rule", "act", "role", "team", "given", "withheld", "agreements")


@dataclass(frozen=True, slots=True)
class Access:
    """One look: by whom, as what, on which page or command, of whom, and why."""

    at: datetime
    user_id: str
    roles: str
    page: str
    person_id: str
    about: str


def disclosures_(
    reason: Reason,
    person: Annotated[str, typer.Option(help="Of this person: id, or party:source_ref.")] = "",
    recipient: Annotated[str, typer.Option(help="To this role, team or worker.")] = "",
    agreement: Annotated[str, typer.Option(help="Under this agreement, with or without its version.")] = "",
    since: Since = "",
    until: Until = "",
    csv: Csv = None,
    as_json: AsJson = False,
) -> None:
    """List who was shown what of whom, when, under which agreement, and what was masked. Labels, never values.

    Exit codes: 0 shown; 1 no hub answers, or nobody has that id; 2 wrong usage, or no reason.
    """
    began, ended = _stretch("disclosures", reason, since, until, as_json)
    try:
        with books(Catalogue([schemas_folder()])) as held:
            people = ids_of(held.held, person) or (person,) if person else ("",)
            chosen = [Chosen(one, recipient, agreement, began, ended) for one in people]
            found = [one for each in chosen for one in disclosures(held, each)]
        about = f"{reason.strip()} (person {person or 'any'}, recipient {recipient or 'any'}, {agreement or 'any'})"
        access.write_down("hub disclosures", [one.person_id for one in found], about)
    except (SpineError, OSError, ValueError, psycopg.Error, sa.exc.SQLAlchemyError) as error:
        _away("disclosures", error, as_json)
    _tell("Disclosures", Disclosure, found, SHOWN_COLUMNS, csv, as_json)


def access_log(
    reason: Reason,
    person: Annotated[str, typer.Option(help="Who looked at this person (id).")] = "",
    user: Annotated[str, typer.Option(help="At whom this user looked.")] = "",
    since: Since = "",
    until: Until = "",
    csv: Csv = None,
    as_json: AsJson = False,
) -> None:
    """List who looked at whom, when, on which page or by which command, and why. This look is written down too.

    Exit codes: 0 shown; 1 no hub answers; 2 wrong usage, or no reason.
    """
    began, ended = _stretch("access-log", reason, since, until, as_json)
    try:
        access.write_down("hub access-log", [person or "any"], f"{reason.strip()} (user {user or 'any'})")
        found = looks(where().postgres, person, user, began, ended)
    except (SpineError, OSError, sa.exc.SQLAlchemyError) as error:
        _away("access-log", error, as_json)
    _tell("Access", Access, found, tuple(one.name for one in fields(Access)), csv, as_json)


def looks(postgres: str, person: str, user: str, since: datetime | None, until: datetime | None) -> list[Access]:
    """Rows of both records of access, of people and of the read API, oldest first. Raises sqlalchemy's errors."""
    found: list[Access] = []
    asked = API.c.party + sa.literal(":") + API.c.principal
    page = sa.literal("read API: ") + API.c.asked
    api = sa.select(API.c.at, asked, API.c.role, page, API.c.person_id, API.c.agreements)
    people = sa.select(*(ACCESS.c[one.name] for one in fields(Access)))
    for schema, table, who, chosen in (("console", ACCESS, ACCESS.c.user_id, people), ("answers", API, asked, api)):
        kept = [table.c.person_id == person] if person else []
        kept += [who == user] if user else []
        kept += [table.c.at >= since] if since else []
        kept += [table.c.at < until] if until else []
        engine = engine_for(postgres, schema)
        try:
            with engine.connect() as connection:
                if connection.execute(sa.text("SELECT to_regclass(:name)"), {"name": f"{schema}.access"}).scalar():
                    found += [Access(*one) for one in connection.execute(chosen.where(*kept).order_by(table.c.number))]
        finally:
            engine.dispose()
    return sorted(found, key=lambda one: one.at)


def _stretch(
    command: str, reason: str, since: str, until: str, as_json: bool
) -> tuple[datetime | None, datetime | None]:
    """From the beginning of a bare first day to the end of a bare last one."""
    if not reason.strip():
        fail(f"{command}: give a reason with --reason", as_json=as_json, code=USAGE)
    try:
        began = moment(f"{since}T00:00" if len(since) == len("2026-03-02") else since) if since else None
        return began, moment(until) if until else None
    except ValueError as error:
        fail(f"{command}: {error}; write days as 2026-03-02", as_json=as_json, code=USAGE)


def _away(command: str, error: Exception, as_json: bool) -> NoReturn:
    # Without its text: a database error can hold values.
    fail(f"{command}: no hub answers, or access could not be written down ({type(error).__name__})", as_json=as_json)


def _tell(title: str, kind: Any, found: Sequence[Any], columns: Sequence[str], csv: Path | None, as_json: bool) -> None:
    rows = [row(one) for one in found]
    if csv is not None:
        write_private(csv, as_csv([one.name for one in fields(kind)], rows))
    if as_json:
        show_json(rows)
    elif csv is None:
        show_table(title, columns, [[one[name] for name in columns] for one in rows])
    else:
        typer.echo(f"{len(rows)} rows in {csv}")
