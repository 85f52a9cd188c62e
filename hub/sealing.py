"""``hub sealing``: the key store, and the keys that wrap its keys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from hub.backup.erasures import destroy_again
from hub.output import FAILED, USAGE, AsJson, fail, show_json, show_table
from hub.running import kek_at_hand, where
from spine.errors import Retry, SpineError
from spine.keystore import rotation
from spine.keystore.kek import Kek, LocalKek
from spine.migrate import migrate_keystore

app = typer.Typer(help="The keys under which personal fields are sealed.", no_args_is_help=True)
OLD_VARIABLE, OLD_FILE = "HUB_KEK_OLD", "HUB_KEK_OLD_FILE"


@app.command()
def status(as_json: AsJson = False) -> None:
    """Keys by agency: how many stand, how many were destroyed, and which key-encryption key wraps them.

    Exit codes: 0 shown, and this machine's key-encryption key is the one; 1 another key-encryption key is needed, or
    no database answers; 2 wrong usage.
    """
    with _store(as_json) as (url, kek):
        held = rotation.stands(url)
    foreign = sorted({name for one in held for name in one.keks} - {kek.name})
    if as_json:
        rows = [{name: getattr(one, name) for name in rotation.Stands.__slots__} for one in held]
        show_json({"kek": kek.name, "foreign": foreign, "agencies": rows})
    else:
        columns = ("agency", "key number", "wrapped under", "data keys", "destroyed")
        show_table("Keys", columns, [(h.agency, h.number, ", ".join(h.keks), h.keys, h.destroyed) for h in held])
    if foreign and as_json:
        raise typer.Exit(FAILED)
    if foreign:
        fail(f"keys stand under {', '.join(foreign)}; this machine has {kek.name}", as_json=as_json)


@app.command()
def rotate(
    agency: Annotated[str, typer.Argument(help="The agency, as in contracts/parties.yaml; hub for the hub's own.")],
    as_json: AsJson = False,
) -> None:
    """Give an agency a new key and wrap its data keys under it, while the hub runs. Nothing is sealed anew.

    Exit codes: 0 done; 1 no such agency, no database, or another key-encryption key is needed; 2 wrong usage.
    """
    with _store(as_json) as (url, kek):
        try:
            moved = rotation.rotate(url, kek, agency, lambda count: None if as_json else typer.echo(f"{count} keys"))
        except KeyError:
            fail(f"{agency} has no keys; hub sealing status lists the agencies", as_json=as_json)
    _said({"agency": agency, "moved": moved}, f"{agency}: {moved} data keys stand under a new key", as_json)


@app.command()
def rewrap(as_json: AsJson = False) -> None:
    """Wrap every agency's keys under another key-encryption key: HUB_KEK_FILE names the new one, HUB_KEK_OLD_FILE the
    one that stands. Give services the new one at their next start; until then they go on with what they have opened.

    Exit codes: 0 done; 1 the old one does not open a key (then nothing was changed), or no database; 2 wrong usage.
    """
    try:
        old = LocalKek.of_environment(OLD_VARIABLE, OLD_FILE)
    except (ValueError, OSError) as error:
        fail(str(error), as_json=as_json, code=USAGE)
    with _store(as_json) as (url, kek):
        count = rotation.rewrap(url, old, kek)
    _said({"kek": kek.name, "rewrapped": count}, f"{count} agency keys stand under {kek.name}", as_json)


@app.command()
def reapply(as_json: AsJson = False) -> None:
    """Destroy again the keys of erased people that stand again, because an older copy of the key store was put back.

    `hub restore` does it by itself. Exit codes: 0 done, also where nothing stood; 1 no database; 2 wrong usage.
    """
    with _store(as_json) as (url, _):
        done = destroy_again(url, {})
    _said({"destroyed": done.keys}, f"{done.keys} keys were destroyed again", as_json)


@contextmanager
def _store(as_json: bool) -> Iterator[tuple[str, Kek]]:
    """Address of the key store and the key-encryption key: from the environment, else of the hub of this machine."""
    try:
        url = os.environ.get("HUB_POSTGRES") or where().postgres
        kek = kek_at_hand()
        migrate_keystore(url)
        yield url, kek
    except (ValueError, OSError) as error:
        fail(str(error), as_json=as_json, code=USAGE)
    except Retry as away:
        fail(str(away), as_json=as_json)
    except SpineError as halted:
        fail(f"{halted}; nothing was changed", as_json=as_json)


def _said(document: dict[str, object], text: str, as_json: bool) -> None:
    if as_json:
        show_json(document)
    else:
        typer.echo(text)
