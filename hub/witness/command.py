"""``hub witness``: ``ask`` and ``add`` are the hub's side, ``key`` and ``sign`` the partner's, who needs no hub."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from hub.archive.reading import Archive
from hub.layout import Home
from hub.output import AsJson, fail, show_json
from hub.private import write_private
from hub.running import where
from spine.clock import now
from spine.errors import Retry
from spine.ledger import operations
from spine.ledger.checkpoint import COSIGNATURE, NoteBroken, Signature, SignedCheckpoint
from spine.ledger.settings import make_key, read_verifiers
from spine.ledger.witness import Refused, Request, cosign

REFUSED, AWAY = 3, 4

app = typer.Typer(help="Partners cosign that the ledger only grows. They see sizes and hashes, never a decision.")
Tree = Annotated[str, typer.Argument(help="A service's tree, such as status, or operations.")]
Key = Annotated[Path, typer.Option("--key", help="The witness's key file; made, with mode 0600, if it is not there.")]
Name = Annotated[str, typer.Option("--name", help="Under which name it cosigns, such as council.example.")]
Folder = Annotated[Path | None, typer.Option("--archive", help="The folder; default HUB_ARCHIVE, or the home's.")]


@app.command("key")
def key_command(name: Name, key: Key = Path("witness.key"), as_json: AsJson = False) -> None:
    """Partner: make a key, and print the line that the hub and auditors put among their public keys.

    Exit codes: 0 done; 1 the key file does not read.
    """
    try:
        verifier = str(make_key(key).verifier(name, COSIGNATURE))
    except (OSError, NoteBroken) as error:
        fail(f"{key}: {error}", as_json=as_json)
    show_json({"verifier": verifier}) if as_json else typer.echo(verifier)


@app.command("ask")
def ask_command(
    tree: Tree,
    old: Annotated[int, typer.Option("--old", min=0, help="Leaves that the witness saw last; 0 at first.")] = 0,
    archive: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Hub: print the newest archived checkpoint of a tree with the proof that it grew; hand it to the witness.

    Exit codes: 0 done; 1 the archive has no checkpoint of the tree, or fewer leaves than --old.
    """
    held = Archive(archive or Home.of_environment().archive)
    points = held.checkpoints(tree)
    if not points:
        fail(f"the archive has no checkpoint of {tree}: `hub archive run` writes it", as_json=as_json)
    size, path = points[-1]
    if old > size:
        fail(f"the archive has {size} leaves of {tree}, the witness saw {old}", as_json=as_json)
    note = SignedCheckpoint.parse(path.read_text())
    text = Request(old, held.tree(tree).consistency(old, size), note).text
    show_json({"tree": tree, "size": size, "request": text}) if as_json else typer.echo(text, nl=False)


@app.command("sign")
def sign_command(
    request: Annotated[Path, typer.Argument(help="What the hub's `hub witness ask` printed.")],
    name: Name,
    hub: Annotated[Path, typer.Option("--hub", help="The hub's public keys, got from it in person, one a line.")],
    key: Key = Path("witness.key"),
    state: Annotated[Path, typer.Option("--state", help="Folder with what was seen last.")] = Path("witness"),
    as_json: AsJson = False,
) -> None:
    """Partner: check that the tree grew out of the one seen before, remember it, and print the cosignature.

    Exit codes: 0 cosigned; 1 something does not read; 3 refused: the tree was forked or cut, or is not the hub's.
    """
    try:
        asked = Request.parse(request.read_text())
        path = state / f"{asked.note.checkpoint.origin.replace('/', '%')}.note"
        seen = SignedCheckpoint.parse(path.read_text()) if path.exists() else None
        line = cosign(asked, seen, read_verifiers(hub), make_key(key), name, int(time.time()))
    except Refused as refused:
        fail(str(refused), as_json=as_json, code=REFUSED)
    except (OSError, NoteBroken) as error:
        fail(str(error), as_json=as_json)
    state.mkdir(parents=True, exist_ok=True)
    # Remembered before it is said: a cosignature that went out is never of a tree that was forgotten.
    write_private(path, asked.note.with_signature(line).text)
    show_json({"cosignature": str(line)}) if as_json else typer.echo(str(line), nl=False)


@app.command("add")
def add_command(
    tree: Tree,
    size: Annotated[int, typer.Argument(help="Leaves of the checkpoint that was cosigned.")],
    cosignature: Annotated[Path, typer.Argument(help="File with the line that the witness printed.")],
    keys: Annotated[Path | None, typer.Option("--keys", help="Public keys; default the home's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Hub: put a witness's line below its checkpoint, if it holds; the next `hub archive run` archives it.

    Exit codes: 0 done; 1 it does not hold, or there is no such checkpoint; 4 the database did not answer.
    """
    try:
        line = Signature.parse(cosignature.read_text())
        with psycopg.connect(where().postgres, connect_timeout=10) as connection:
            add(connection, tree, size, line, keys or Home.of_environment().ledger_verifiers)
    except (NoteBroken, OSError) as error:
        fail(str(error), as_json=as_json)
    except (Retry, psycopg.Error) as error:
        fail(str(error), as_json=as_json, code=AWAY)
    show_json({"tree": tree, "size": size, "witness": line.name}) if as_json else typer.echo(f"{line.name}: added")


def add(connection: psycopg.Connection[object], tree: str, size: int, line: Signature, keys: Path) -> None:
    """Raises NoteBroken where the line does not hold over the checkpoint."""
    query = "SELECT note FROM audit.checkpoint WHERE tree = %s AND size = %s FOR UPDATE"
    row = connection.execute(query, (tree, size)).fetchone()
    if row is None:
        raise NoteBroken(f"there is no checkpoint of {size} leaves of {tree}")
    note = SignedCheckpoint.parse(str(row[0])).with_signature(line)  # type: ignore[index]
    note.verify(read_verifiers(keys))
    connection.execute("UPDATE audit.checkpoint SET note = %s WHERE tree = %s AND size = %s", (note.text, tree, size))
    operations.record(connection, "witness", {"tree": tree, "size": size, "witness": line.name}, now())
