"""``hub officers``: keys with which officers prove who asked and who approved, and whether the record holds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import psycopg
import sqlalchemy as sa
import typer

from hub.layout import contracts_folder
from hub.output import FAILED, AsJson, fail, show_json, show_table
from hub.running import database_here
from hub.subject.approvals import every, fault_of, unlike_the_ledger
from hub.subject.officers import FILE, NotProved, listed_officers
from hub.subject.registers import registers
from spine.errors import Retry
from spine.ledger.checkpoint import NoteBroken
from spine.ledger.settings import make_key

app = typer.Typer(help="Officers: keys that prove who asked and who approved.", no_args_is_help=True)


@app.command("key")
def key_(
    name: Annotated[str, typer.Argument(help="Your name, as you write it with --by.")],
    key: Annotated[Path, typer.Option("--key", help="Your key file; made, with mode 0600, if it is not there.")],
    as_json: AsJson = False,
) -> None:
    """Make your key, and print the line under which you are listed in contracts/policy/governance.yaml.

    The file stays with you alone: HUB_OFFICER_KEY_FILE names it when you ask or approve.
    Exit codes: 0 done; 1 the key file cannot be made or read; 2 wrong usage.
    """
    label = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")
    try:
        line = str(make_key(key).verifier(f"officer-{label}"))
    except NoteBroken as error:
        fail(f"{key}: {error}", as_json=as_json)
    except OSError as error:
        fail(f"{key}: {error.strerror}", as_json=as_json)
    show_json({"officer": name, "key": line}) if as_json else typer.echo(f'  "{name}": {line}')


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Who may ask and approve. Exit codes: 0 shown; 1 the list has faults; 2 wrong usage."""
    try:
        listed = listed_officers(contracts_folder()).listed
    except (NotProved, OSError) as error:
        fail(str(error), as_json=as_json)
    rows = [(name, verifier.key_id.hex()) for name, verifier in listed.items()]
    if as_json:
        show_json([{"officer": name, "key_id": key_id} for name, key_id in rows])
    elif rows:
        show_table("Officers", ("officer", "key"), rows)
    else:
        typer.echo(f"nobody is listed in {FILE}: names are taken as given")


@app.command()
def check(as_json: AsJson = False) -> None:
    """Whether each request since officers sign was wanted by those whom the register names, and as the ledger has it.

    Exit codes: 0 all are proved, or nobody ever signed; 1 some are not, no hub answers, or the list has faults.
    """
    try:
        officers = listed_officers(contracts_folder())
        with registers(database_here()) as engine, engine.connect() as connection:
            found = every(connection)
            unlike = unlike_the_ledger(connection, found)
    except (NotProved, Retry) as error:
        fail(str(error), as_json=as_json)
    except (OSError, psycopg.Error, sa.exc.SQLAlchemyError) as error:
        fail(f"no hub answers ({type(error).__name__})", as_json=as_json)
    first = next((place for place, one in enumerate(found) if one.asked_proof), len(found))
    signed = [(one, fault_of(officers, one)) for one in found[first:]]
    broken = [(one, fault) for one, fault in signed if fault]
    if as_json:
        faults = [{"request": one.number, "kind": one.kind, "what": one.what, "fault": fault} for one, fault in broken]
        show_json(
            {
                "before_officers_signed": first,
                "proved": len(signed) - len(broken),
                "not_proved": faults,
                "unlike_the_ledger": unlike,
            }
        )
    else:
        if broken:
            rows = [(one.number, one.kind, one.what, fault) for one, fault in broken]
            show_table("Not proved", ("request", "kind", "what", "why"), rows)
        for line in unlike:
            typer.echo(line)
        typer.echo(f"{len(signed) - len(broken)} proved, {len(broken)} not; {first} are from before officers signed")
    raise typer.Exit(FAILED if broken or unlike else 0)
