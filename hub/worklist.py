"""``hub worklist``: a team's open alerts as CSV, oldest due first, with what was disclosed to it and nothing else.

The number of a rule stays out: it can say more than the headline that the recipient may read.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from hub.access import write_down
from hub.output import AsJson, fail, show_json
from hub.private import write_private
from hub.running import where
from services.console.tables import INBOX
from services.ingest.channels.files.feedback import safe_cell
from spine.errors import SpineError
from spine.postgres import engine_for

COLUMNS = ("due_on", "severity", "raised_on", "headline", "details", "to_do", "worker", "alert")


def query(team: str | None, role: str | None) -> sa.Select[Any]:
    """Open alerts of a team, a role, or of the role in the team."""
    chosen = sa.select(INBOX).where(INBOX.c.open, ~INBOX.c.handed_on)
    if team is not None:
        chosen = chosen.where(INBOX.c.team == team)
    if role is not None:
        chosen = chosen.where(INBOX.c.role == role)
    return chosen.order_by(INBOX.c.due_on, INBOX.c.severity, INBOX.c.alert_id, INBOX.c.role, INBOX.c.worker)


def line(told: Mapping[str, Any]) -> Mapping[str, str]:
    """One row of the list, from the view that this recipient was given."""
    view = told["view"]
    return {
        "due_on": told["due_on"].isoformat(),
        "severity": told["severity"],
        "raised_on": told["raised_on"].isoformat(),
        "headline": view["headline"],
        "details": "; ".join(f"{one['label']}: {one['value']}" for one in view["lines"]),
        "to_do": "; ".join(view["todo"]),
        "worker": told["worker"],
        "alert": told["ref"],
    }


def as_csv(rows: Iterable[Mapping[str, str]]) -> str:
    """Cells that a spreadsheet would run as a formula are disarmed."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: safe_cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def worklist(
    team: Annotated[str | None, typer.Option(help="Team, as in teams.yaml.")] = None,
    role: Annotated[str | None, typer.Option(help="Role; with a team, that role in it.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; default: standard output.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the open alerts of a team or role, oldest due first. Personal data: a file is for its owner's eyes only, and
    everybody shown is written to the record of access first.

    Exit 0; 2 without a team and a role, or if the file cannot be written; 3 if no hub answers.
    """
    if team is None and role is None:
        fail("worklist: give --team or --role", as_json=as_json, code=2)
    try:
        engine = engine_for(where().postgres, "console")
        with engine.connect() as connection:
            found = connection.execute(query(team, role)).mappings()
            told = [{str(name): value for name, value in one.items()} for one in found]
        engine.dispose()
        write_down("hub worklist", [one["person_id"] for one in told], f"team {team or ''} role {role or ''}")
        rows = [line(one) for one in told]
        if out is not None:
            write_private(out, as_csv(rows))
    except OSError as error:
        fail(f"worklist: {error}", as_json=as_json, code=2)
    except (SpineError, sa.exc.OperationalError, sa.exc.ProgrammingError) as error:
        # Without its text: a database error can hold values.
        fail(f"worklist: no hub answers ({type(error).__name__})", as_json=as_json, code=3)
    if as_json:
        show_json(rows)
    elif out is None:
        typer.echo(as_csv(rows), nl=False)
