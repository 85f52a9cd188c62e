"""What a command says: a table for people, one JSON document for machines (``--json``)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]

#: Exit codes that every command shares; 2 is wrong usage, as in any command line.
DONE, FAILED, USAGE, HALTED = 0, 1, 2, 3

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def show_json(document: Any) -> None:
    typer.echo(json.dumps(document, indent=1, default=str))


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Cells are texts: nothing in them is markup, moves the cursor or turns the direction of writing."""
    table = Table(title=Text(plain(title)), title_justify="left")
    for column in columns:
        # Folded, never cut: half the name of an event or an agreement is none.
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(_cell(cell))) for cell in row))
    Console().print(table)


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return "" if value is None else str(value)


def plain(text: str) -> str:
    """What may come from a partner, for a terminal: control characters but line ends are shown as such."""
    return _CONTROL.sub("\ufffd", text)


def fail(message: str, *, as_json: bool = False, code: int = FAILED) -> NoReturn:
    """Say why and leave with ``code``."""
    if as_json:
        show_json({"error": message})
    else:
        typer.echo(f"hub: {plain(message)}", err=True)
    raise typer.Exit(code)
