"""``hub verify``: the archive, checked by whoever has it and the public keys; no code of a service, no personal key."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import orjson
import psycopg
import typer

from hub.archive.reading import Archive
from hub.layout import Home
from hub.output import DONE, FAILED, USAGE, AsJson, fail, show_json
from hub.progress import LINE_SECONDS
from hub.running import database_here
from hub.subject.attestation import broken
from hub.under_way import UnderWay, under_way
from hub.verify.checking import verify as check
from hub.verify.finding import STEPS, Found
from spine.errors import Retry
from spine.ledger.checkpoint import NoteBroken, Verifier
from spine.ledger.settings import read_verifiers

#: Exit code where a server did not answer.
AWAY = 4

Folder = Annotated[Path | None, typer.Option("--archive", help="The folder; default HUB_ARCHIVE, or the home's.")]
Keys = Annotated[
    Path | None,
    typer.Option("--keys", help="Public keys, one a line. An auditor brings a copy of their own; default the home's."),
]
Seen = Annotated[
    list[Path] | None, typer.Option("--seen", help="A checkpoint kept elsewhere, such as a witness's; again for more.")
]


Certificate = Annotated[
    Path | None,
    typer.Option("--certificate", help="Check this certificate of an erasure instead: needs the public keys alone."),
]


def verify(
    archive: Folder = None,
    keys: Keys = None,
    seen: Seen = None,
    certificate: Certificate = None,
    report: Annotated[Path | None, typer.Option(help="Write what was found as JSON, for the console to list.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Leave the database out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check that nothing recorded was altered, taken away or put in: archive, trees, checkpoints, and the database.

    Exit codes: 0 whole and unaltered; 1 something is not, and the first of it is named; 2 wrong usage; 4 the database
    did not answer.
    """
    home = Home.of_environment()
    try:
        verifiers = read_verifiers(keys or home.ledger_verifiers)
    except (OSError, NoteBroken) as error:
        fail(f"the public keys {keys or home.ledger_verifiers} do not read: {error}", as_json=as_json, code=2)
    if certificate is not None:
        _certificate(certificate, verifiers, as_json)
    held = Archive(archive or home.archive)
    if not held.folder.is_dir():
        fail(f"no archive at {held.folder}: make it with `hub archive run`", as_json=as_json, code=2)
    begun = time.monotonic()
    try:
        with under_way(report, "verify") as far, _database(offline) as connection:
            found = Found(advance=_lines(far), step=_steps(far, offline))
            check(held, verifiers, found, seen=seen or (), connection=connection)
            told = _told(found, time.monotonic() - begun, offline)
            if report is not None:
                report.write_text(json.dumps(told, indent=1))
    except (Retry, psycopg.Error) as error:
        fail(f"the database did not answer ({error}); --offline leaves it out", as_json=as_json, code=AWAY)
    show_json(told) if as_json else _show(found, offline)
    raise typer.Exit(FAILED if found.faults else DONE)


def _certificate(path: Path, verifiers: Sequence[Verifier], as_json: bool) -> NoReturn:
    try:
        read = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        fail(f"{path} does not read: {error}", as_json=as_json, code=USAGE)
    faults = broken(read, verifiers) if isinstance(read, dict) else ["this is no certificate"]
    if as_json:
        show_json({"whole": not faults, "faults": faults})
    for fault in () if as_json else faults:
        typer.echo(f"FAULT  {fault}")
    if not faults and not as_json:
        typer.echo(f"{read['erasure_id']}: as the hub wrote and signed it")
    raise typer.Exit(FAILED if faults else DONE)


@contextmanager
def _database(offline: bool) -> Iterator[psycopg.Connection[Any] | None]:
    """In one snapshot, so that what is decided meanwhile is not looked at."""
    if offline:
        yield None
        return
    with psycopg.connect(database_here(), connect_timeout=10) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield connection


def _lines(far: UnderWay) -> Callable[[int], None]:
    begun = said = time.monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal said, done
        far.advance(count)
        done, now = done + count, time.monotonic()
        if now - said >= LINE_SECONDS:
            said = now
            typer.echo(f"{done:,} looked at, {done / (now - begun):,.0f} a second", err=True)

    return advance


def _steps(far: UnderWay, offline: bool) -> Callable[[str, int, int], None]:
    def step(name: str, number: int, expected: int) -> None:
        far.step(name, number, len(STEPS) - offline)
        far.expect(expected)

    return step


def _told(found: Found, seconds: float, offline: bool) -> dict[str, Any]:
    faults = [asdict(fault) for fault in found.faults]
    counted = {name: getattr(found, name) for name in ("leaves", "records", "files", "checkpoints", "cosignatures")}
    return {
        "whole": not faults,
        "first": faults[0] if faults else None,
        "faults": faults,
        **counted,
        "rows": None if offline else found.rows,
        "seconds": round(seconds, 3),
    }


def _show(found: Found, offline: bool) -> None:
    typer.echo(
        f"{found.leaves:,} leaves, {found.records:,} records, {found.files:,} files, {found.checkpoints:,} checkpoints"
        f" with {found.cosignatures:,} cosignatures" + ("" if offline else f", {found.rows:,} rows of the database")
    )
    if not found.faults:
        typer.echo("whole and unaltered")
        return
    typer.echo(f"FIRST FAULT  {found.faults[0]}")
    for fault in found.faults[1:]:
        typer.echo(f"also         {fault}")
