"""How far a command is with a file, on stderr: rows, rows a second, time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

#: Takes the bytes of one row that was read.
Advance = Callable[[int], None]
#: Rows between two looks at the clock.
ROWS_AT_ONCE = 500
#: Where stderr is no terminal: seconds between two lines.
LINE_SECONDS = 30.0
#: The same where the end is not known.
TICK_SECONDS = 5.0


@contextmanager
def progress(size: int, shown: bool = True) -> Iterator[Advance]:
    """A bar on a terminal, a line now and then elsewhere, for as long as the context lasts. ``size``: bytes in all."""
    console = Console(stderr=True)
    if not shown:
        yield lambda count: None
    elif not console.is_terminal:
        yield _counted(_lines(size))
    else:
        bar = TextColumn("{task.fields[rows]:,} rows, {task.fields[speed]:,.0f} rows/s")
        columns = (TextColumn("matching"), BarColumn(), TaskProgressColumn(), bar, TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as live:
            task, begun = live.add_task("rows", total=size, rows=0, speed=0.0), time.monotonic()
            yield _counted(lambda r, b: live.update(task, completed=b, rows=r, speed=_speed(r, begun)))


def _counted(tell: Callable[[int, int], object]) -> Advance:
    rows = done = 0

    def advance(count: int) -> None:
        nonlocal rows, done
        rows, done = rows + 1, done + count
        if rows % ROWS_AT_ONCE == 0:
            tell(rows, done)

    return advance


def _lines(size: int) -> Callable[[int, int], None]:
    begun = said = time.monotonic()

    def tell(rows: int, done: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= LINE_SECONDS:
            said, left = now, (now - begun) * (size - done) / done
            typer.echo(f"{rows:,} rows, {_speed(rows, begun):,.0f} rows/s, about {left / 60:.0f} min left", err=True)

    return tell


def _speed(rows: int, begun: float) -> float:
    return rows / max(time.monotonic() - begun, 1e-9)


@contextmanager
def ticking(what: str, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """For work whose end is not known: how many so far and how many a second, now and then, on stderr."""
    begun = said = time.monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal done, said
        done += count
        now = time.monotonic()
        if shown and now - said >= TICK_SECONDS:
            said = now
            typer.echo(f"{done:,} {what}, {_speed(done, begun):,.0f} a second", err=True)

    yield advance
