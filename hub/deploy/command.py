"""``hub deploy``: what another machine needs to run the hub, made from the contracts and checked against them."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from hub.deploy import roles
from hub.deploy.files import Asked, differing, everything
from hub.deploy.migrating import migrate_all
from hub.deploy.sbom import licences, sbom_of
from hub.deploy.secret_files import make_secrets
from hub.layout import ROOT, contracts_folder
from hub.output import FAILED, USAGE, AsJson, fail, show_json, show_table
from hub.running import head_kept_at
from spine.clock import local_date, now
from spine.errors import SpineError

app = typer.Typer(help="Put the hub on machines: Kubernetes, containers, database roles.", no_args_is_help=True)

Out = Annotated[Path | None, typer.Option(help="Folder; default deploy/ of the repository.")]
On = Annotated[str, typer.Option(help="Day whose agreements give partners their rights, YYYY-MM-DD; default today.")]


@app.command()
def render(
    out: Out = None,
    on: On = "",
    only_check: Annotated[bool, typer.Option("--check", help="Compare only; exit 1 if a file differs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write deploy/: Strimzi topics, users and rights, Kubernetes base and overlays, compose.yaml, dashboards.

    With HUB_POSTGRES, what `hub contracts suspend` stopped loses its rights; without it the files' agreements count.
    An agreement begins and ends on its dates: render every night, or `--check` and be told.
    Exit codes: 0 written, or nothing differs; 1 something differs, or no database answers; 2 wrong usage.
    """
    folder = out or ROOT / "deploy"
    try:
        day = date.fromisoformat(on) if on else local_date(now())
    except ValueError:
        fail(f"--on {on}: give a day as YYYY-MM-DD", as_json=as_json, code=USAGE)
    try:
        head = head_kept_at(os.environ["HUB_POSTGRES"]) if os.environ.get("HUB_POSTGRES") else None
    except SpineError as error:
        fail(str(error), as_json=as_json)
    wanted = everything(Asked(contracts_folder(), day, head))
    changed = differing(wanted, folder)
    if not only_check:
        for name in changed:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if name in wanted:
                (folder / name).write_text(wanted[name])
            else:
                (folder / name).unlink()
    if as_json:
        show_json(
            {"files": len(wanted), "changed": changed, "written": not only_check, "suspensions_known": bool(head)}
        )
    else:
        typer.echo(f"{len(wanted)} files, {len(changed)} {'differ' if only_check else 'written or removed'}.")
        for name in changed:
            typer.echo(name)
    raise typer.Exit(FAILED if only_check and changed else 0)


@app.command("roles")
def roles_(
    apply: Annotated[bool, typer.Option("--apply", help="Run it in the database of HUB_POSTGRES.")] = False,
    as_json: AsJson = False,
) -> None:
    """The SQL that gives every process a database role of its own, which reaches its own schema and no other.

    For the database's administrator, once, before `hub deploy migrate`; a second time changes nothing.
    Exit codes: 0 shown or done; 1 the database does not answer or refuses; 2 wrong usage.
    """
    statements = roles.makers(roles.schemas())
    if apply:
        try:
            with psycopg.connect(os.environ.get("HUB_POSTGRES", "")) as connection:
                for statement in statements:
                    connection.execute(statement.encode())
        except psycopg.Error as error:
            fail(f"database: {type(error).__name__} {error.sqlstate or ''}".strip(), as_json=as_json)
    if as_json:
        show_json({"statements": statements, "applied": apply})
    elif apply:
        typer.echo("roles and schemas stand; give each role a certificate or a password, then `hub deploy migrate`")
    else:
        typer.echo(";\n".join(statements) + ";")


@app.command()
def migrate(as_json: AsJson = False) -> None:
    """Bring every schema up to date and give each role its rights, as the owner that HUB_POSTGRES names.

    Run it before pods of a new version start: tables only grow, so the old version works on.
    Exit codes: 0 done; 1 the database does not answer or refuses; 2 wrong usage.
    """
    url = os.environ.get("HUB_POSTGRES", "")
    if not url:
        fail("HUB_POSTGRES names the database and its owner", as_json=as_json, code=USAGE)
    try:
        done = migrate_all(url)
    except (SpineError, psycopg.Error) as error:
        fail(f"database: {error if isinstance(error, SpineError) else error.sqlstate}", as_json=as_json)
    if as_json:
        show_json({"schemas": done.schemas, "granted": done.granted})
    else:
        typer.echo(f"{len(done.schemas)} schemas are up to date; rights {'given' if done.granted else 'not given'}")
        if not done.granted:
            typer.echo("the roles of `hub deploy roles` are not there: everybody uses one role")


@app.command("secrets")
def secrets_(
    out: Annotated[Path | None, typer.Option(help="Folder; default deploy/secrets, which git ignores.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make the files that deploy/compose.yaml gives its containers: keys, hashes of API keys, passwords in .env.

    What is there already stays. Keys of partners in clear are in keys.json: hand each to its partner, then delete it.
    Exit codes: 0 made, or there already; 1 the folder can't be written; 2 wrong usage.
    """
    folder = out or ROOT / "deploy" / "secrets"
    try:
        made = make_secrets(folder, contracts_folder())
    except OSError as error:
        fail(f"{folder}: {error.strerror}", as_json=as_json)
    show_json({"folder": str(folder), "files": made}) if as_json else typer.echo(f"{folder}: {', '.join(made)}")


@app.command()
def sbom(
    out: Annotated[Path | None, typer.Option(help="File for the CycloneDX JSON; default: print it.")] = None,
    as_json: AsJson = False,
) -> None:
    """What the hub is made of: a CycloneDX bill of materials (JSON), and with --out the licences as a table.

    Exit codes: 0 shown or written; 1 a distribution is not installed; 2 wrong usage.
    """
    try:
        made = sbom_of("eet-hub")
    except LookupError as error:
        fail(str(error), as_json=as_json)
    if out is None:
        show_json(made)
        return
    import json

    out.write_text(json.dumps(made, indent=1) + "\n")
    if as_json:
        show_json({"file": str(out), "components": len(made["components"])})
    else:
        show_table("Licences", ("licence", "count", "distributions"), licences(made))
