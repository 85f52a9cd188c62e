"""``hub connect``: the agent that a council runs beside its case system."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from hub.client import Client, Misused, NotAllowed, Unavailable
from hub.connect.doctor import examine
from hub.connect.mapping import MappingWrong, SourceMapping, read_mapping
from hub.connect.run import Agent, Round
from hub.connect.source import Source, SourceWrong
from hub.connect.state import State
from hub.output import DONE, FAILED, HALTED, USAGE, AsJson, fail, plain, show_json, show_table
from hub.publish import Door, KeyFile, client
from spine.clock import local_date, now

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

    Exit 0 all taken; 1 some rows were refused or cannot be read, or a snapshot is held; 2 wrong usage or mapping, or
    another round runs; 3 the source or the door is away, run again: what was sent before is known and nothing is taken
    twice.
    """
    rounds: list[Round] = []
    with (
        _told(as_json, rounds),
        _parts(mapping) as (read, source),
        client(door, read.party, key_file, patience) as hub,
        State(state) as held,
    ):
        agent = _agent(read, source, held, hub)
        for feed in read.feeds:
            rounds.append(Round(feed.name, feed.shape))
            agent.send(feed, hub, rounds[-1])
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

    Nothing is sent to be kept, and nothing is remembered. Exit 0 all is well; 1 some rows would be refused, or a
    snapshot held; 2 wrong usage or mapping; 3 the source or the door is away.
    """
    rounds: list[Round] = []
    with (
        _told(as_json, rounds),
        _parts(mapping) as (read, source),
        State(state) as held,
        client(door, read.party, key_file, 30.0) if door else nullcontext() as hub,
    ):
        agent = _agent(read, source, held, hub)
        for feed in read.feeds:
            rounds.append(Round(feed.name, feed.shape))
            agent.try_out(feed, read.party, hub, rounds[-1])
    _show(rounds, as_json)


@app.command()
def doctor(mapping: MappingFile, door: Door = "", key_file: KeyFile = None, as_json: AsJson = False) -> None:
    """Check the mapping, the source, each query, the door and the key. Sends nothing.

    Exit 0 all is right, warnings or not; 1 something is not; 2 wrong usage or mapping; 3 there is no source to ask:
    its driver is not installed, or its URL is none.
    """
    with _told(as_json), _parts(mapping) as (read, source), client(door, read.party, key_file, 5.0) as hub:
        found = list(examine(read, source, hub))
    if as_json:
        show_json([asdict(finding) for finding in found])
    else:
        show_table("Doctor", ["", "check", "advice"], [(f.mark, f.what, f.advice) for f in found])
    raise typer.Exit(DONE if all(finding.right for finding in found) else FAILED)


@app.command()
def release(
    feed: Annotated[str, typer.Argument(help="The feed whose held snapshot may pass; without one: lists them.")] = "",
    state: StateFile = STATE,
    as_json: AsJson = False,
) -> None:
    """Let a snapshot pass that lost more rows than the agreement allows. Ask first why it did.

    The next round takes a snapshot of that size; one that has lost more since is held anew. Exit 0 released, or
    listed; 1 nothing is held of this feed; 2 wrong usage, no state file, or a round runs.
    """
    if not state.exists():
        fail(f"there is no state file {state.name}", as_json=as_json, code=USAGE)
    with _told(as_json), State(state) as held:
        found = held.held()
        if feed and not held.release(feed):
            fail(f"no snapshot of {feed} is held", as_json=as_json)
    shown = [{"feed": name, "before": before, "held": rows} for name, (before, rows) in found.items()]
    if as_json:
        show_json({"released": feed} if feed else {"held": shown})
    elif feed:
        typer.echo(f"{feed}: a snapshot of {found[feed][1]} rows may pass; run the agent")
    else:
        show_table("Held snapshots", ["feed", "last", "held"], [tuple(one.values()) for one in shown])


def _agent(read: SourceMapping, source: Source, state: State, hub: Client | None) -> Agent:
    """The agreement's own percent where the door says it; only a snapshot needs it."""
    terms = hub.terms() if hub is not None and any(feed.snapshot for feed in read.feeds) else {}
    percents = {kind: one.shrink_hold_percent for kind, one in terms.items()}
    return Agent(source, state, local_date(now()), percents, _progress)


def _progress(told: Round) -> None:
    typer.echo(f"{told.feed}: {told.rows} rows read, {told.taken} taken, {told.refused} refused", err=True)


@contextmanager
def _parts(path: Path) -> Iterator[tuple[SourceMapping, Source]]:
    read = read_mapping(path)
    url = os.environ.get(read.url_env, "")
    if not url:
        raise Misused(f"the variable {read.url_env} holds no URL of the source")
    source = Source(url, read.isolation)
    try:
        yield read, source
    finally:
        source.close()


@contextmanager
def _told(as_json: bool, rounds: Sequence[Round] = ()) -> Iterator[None]:
    """Failures in words, by the exit codes of this command, after what had come of the rounds by then."""
    try:
        yield
    except (MappingWrong, Misused, NotAllowed) as wrong:
        _stop(rounds, str(wrong), as_json, USAGE)
    except sqlite3.Error as error:
        why = f"the state file can not be used ({type(error).__name__}): does another round run?"
        _stop(rounds, why, as_json, USAGE)
    except (SourceWrong, Unavailable) as away:
        _stop(rounds, str(away), as_json, HALTED)


def _stop(rounds: Sequence[Round], why: str, as_json: bool, code: int) -> NoReturn:
    if as_json and rounds:
        show_json({"error": why, "rounds": [asdict(one) for one in rounds]})
        raise typer.Exit(code)
    if rounds:
        _table(rounds)
    fail(why, as_json=as_json, code=code)


def _show(rounds: list[Round], as_json: bool) -> NoReturn:
    if as_json:
        show_json([asdict(one) for one in rounds])
    else:
        _table(rounds)
    raise typer.Exit(FAILED if any(one.refused or one.held for one in rounds) else DONE)


def _table(rounds: Sequence[Round]) -> None:
    columns = ("feed", "rows", "unchanged", "absent", "due", "taken", "refused")
    show_table("Round", columns, [tuple(getattr(one, name) for name in columns) for one in rounds])
    for one in rounds:
        if one.held:
            typer.echo(
                f"{one.feed}: held, nothing was sent: {one.rows} rows, and the last snapshot had {one.before}."
                f" Ask why; then: hub connect release {one.feed}"
            )
        for trouble in one.troubles:
            typer.echo(plain(f"{one.feed} row {trouble.row}: {trouble.reason}"))
            for fault in trouble.faults:
                typer.echo(plain(f"  {fault}"))
