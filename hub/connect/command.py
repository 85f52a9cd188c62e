"""``hub connect``: the agent that a council runs beside its case system."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from hub.client import Client, Misused, NotAllowed, Unavailable
from hub.connect.doctor import examine
from hub.connect.mapping import MappingWrong, SourceMapping, read_mapping
from hub.connect.run import Round, send, try_out
from hub.connect.source import Source, SourceWrong
from hub.connect.state import State
from hub.output import DONE, FAILED, HALTED, USAGE, AsJson, fail, show_json, show_table
from hub.publish import Door, KeyFile, client

app = typer.Typer(help="Beside a case system: rows that are new or changed become events.", no_args_is_help=True)

MappingFile = Annotated[Path, typer.Argument(help="The mapping, YAML; docs/connect.md.")]
StateFile = Annotated[Path, typer.Option("--state", help="SQLite file of what was sent; hashes only.")]
Seconds = Annotated[float, typer.Option("--patience", help="Seconds to go on while the door says not now.")]
STATE = Path("connect.state")


@app.command()
def run(
    mapping: MappingFile,
    door: Door = "",
    key_file: KeyFile = None,
    state: StateFile = STATE,
    patience: Seconds = 300.0,
    as_json: AsJson = False,
) -> None:
    """One round: read the source, send what is new or changed, remember it. Run it from a scheduler.

    Exit 0 all taken; 1 some rows were refused or cannot be read; 2 wrong usage or mapping, or another round runs;
    3 the source or the door is away, run again: what was sent before is known and nothing is taken twice.
    """
    with (
        _told(as_json),
        _parts(mapping) as (read, source),
        client(door, read.party, key_file, patience) as hub,
        State(state) as held,
    ):
        rounds = [send(feed, source, held, hub) for feed in read.feeds]
    _show(rounds, as_json)


@app.command(name="dry-run")
def dry_run(
    mapping: MappingFile,
    door: Door = "",
    key_file: KeyFile = None,
    state: StateFile = STATE,
    as_json: AsJson = False,
) -> None:
    """What a round would send, and what would be refused: by the door's gate with --door, else by the published schema.

    Nothing is sent to be kept, and nothing is remembered. Exit 0 all is well; 1 some rows would be refused; 2 wrong
    usage or mapping; 3 the source or the door is away.
    """
    with _told(as_json), _parts(mapping) as (read, source), State(state) as held:

        def tried(hub: Client | None) -> list[Round]:
            return [try_out(feed, source, held, read.party, hub) for feed in read.feeds]

        if door:
            with client(door, read.party, key_file, 30.0) as hub:
                rounds = tried(hub)
        else:
            rounds = tried(None)
    _show(rounds, as_json)


@app.command()
def doctor(mapping: MappingFile, door: Door = "", key_file: KeyFile = None, as_json: AsJson = False) -> None:
    """Check the mapping, the source, each query, the door and the key. Sends nothing.

    Exit 0 all is right; 1 something is not; 2 wrong usage or mapping.
    """
    with _told(as_json), _parts(mapping) as (read, source), client(door, read.party, key_file, 5.0) as hub:
        found = list(examine(read, source, hub))
    if as_json:
        show_json([asdict(finding) for finding in found])
    else:
        show_table("Doctor", ["", "check", "advice"], [("ok" if f.right else "NO", f.what, f.advice) for f in found])
    raise typer.Exit(DONE if all(finding.right for finding in found) else FAILED)


@contextmanager
def _parts(path: Path) -> Iterator[tuple[SourceMapping, Source]]:
    read = read_mapping(path)
    url = os.environ.get(read.url_env, "")
    if not url:
        raise Misused(f"the variable {read.url_env} holds no URL of the source")
    source = Source(url)
    try:
        yield read, source
    finally:
        source.close()


@contextmanager
def _told(as_json: bool) -> Iterator[None]:
    """Failures in words, by the exit codes of this command."""
    try:
        yield
    except (MappingWrong, Misused, NotAllowed) as wrong:
        fail(str(wrong), as_json=as_json, code=USAGE)
    except sqlite3.Error as error:
        fail(
            f"the state file can not be used ({type(error).__name__}): does another round run?",
            as_json=as_json,
            code=USAGE,
        )
    except (SourceWrong, Unavailable) as away:
        fail(str(away), as_json=as_json, code=HALTED)


def _show(rounds: list[Round], as_json: bool) -> NoReturn:
    if as_json:
        show_json([asdict(one) for one in rounds])
    else:
        columns = ("feed", "rows", "unchanged", "due", "taken", "refused")
        show_table("Round", columns, [tuple(getattr(one, name) for name in columns) for one in rounds])
        for one in rounds:
            for trouble in one.troubles:
                typer.echo(f"{one.feed} row {trouble.row}: {trouble.reason}")
                for fault in trouble.faults:
                    typer.echo(f"  {fault}")
    raise typer.Exit(FAILED if any(one.refused for one in rounds) else DONE)
