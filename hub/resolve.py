"""``hub resolve``: bulk matching of a file of identity rows, by the same core that decides in the hub."""

from __future__ import annotations

import csv
import gc
import json
import time
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from hub.output import plain
from hub.progress import Advance, progress
from hub.unfinished import Basis, Stale, Unfinished, Unusable, is_jsonl, unfinished
from services.matching.agent import MODEL, build_name, matcher_of
from services.matching.bulk import Bulk, RowRefused

ROOT = Path(__file__).resolve().parent.parent
#: Refused rows that are named one by one; the rest are only counted.
REFUSED_SHOWN_MAX = 20
LINE_BYTES_MAX = 1 << 20
_RUNS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")

app = typer.Typer(help="Bulk matching of a CSV or JSONL file of identity rows.", no_args_is_help=True)

Row = Mapping[str, str | None]

#: What an unusable file of rows, or an unusable model, may raise.
UNREADABLE = (Unusable, OSError, UnicodeDecodeError, KeyError, ValueError)


def why_unreadable(error: Exception) -> str:
    """In words, without a value of the file."""
    match error:
        case KeyError():
            return f"the model lacks {error}"
        case UnicodeDecodeError():
            return "it is not UTF-8"
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return str(error)


@dataclass(slots=True)
class Summary:
    """What a run did. ``refused``: line number and reason, never a value."""

    rows: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[int, str]] = field(default_factory=list)
    refused_rows: int = 0
    #: Rows whose answer an earlier run had written.
    repeated: int = 0
    seconds: float = 0.0

    def refuse(self, line: int, reason: str) -> None:
        self.refused_rows += 1
        if len(self.refused) < REFUSED_SHOWN_MAX:
            self.refused.append((line, reason))

    def as_json(self, people: int) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "people": people,
            **{name: self.decisions[name] for name in ("link", "new", "review")},
            "refused": self.refused_rows,
            "repeated": self.repeated,
            "refusals": [{"line": line, "reason": reason} for line, reason in self.refused],
            "seconds": round(self.seconds, 3),
            "rows_per_second": round(self.rows / self.seconds) if self.seconds else 0,
        }


def new_event_id(row: Row, seen: Container[str], *, sheet: bool = False) -> str:
    """The row's event id; empty where it has none. Raises RowRefused if an earlier row had it.

    ``sheet``: the answers may be opened in a spreadsheet, so that an id which it would run is refused.
    """
    event_id = (row.get("event_id") or "").strip()
    if event_id in seen:
        raise RowRefused("event_id was there before")
    if sheet and event_id.startswith(_RUNS):
        raise RowRefused("event_id begins as a formula: name it otherwise, or write JSONL")
    return event_id


def rows_of(source: IO[str], jsonl: bool, advance: Advance) -> Iterator[tuple[int, Row | RowRefused]]:
    """Rows with their line number, one at a time. Raises Unusable for a file without the columns."""
    return _jsonl(source, advance) if jsonl else _csv(source, advance)


def _counted(source: IO[str], advance: Advance) -> Iterator[str]:
    for line in source:
        advance(len(line.encode()))
        if len(line) > LINE_BYTES_MAX:
            raise Unusable(f"a line is longer than {LINE_BYTES_MAX} characters")
        yield line


def _csv(source: IO[str], advance: Advance) -> Iterator[tuple[int, Row | RowRefused]]:
    reader = csv.DictReader(_counted(source, advance), strict=True)
    missing = {"event_id", "source"} - set(reader.fieldnames or ())
    if missing:
        raise Unusable(f"the first line must name the columns; missing: {', '.join(sorted(missing))}")
    try:
        for row in reader:
            if None in row:
                yield reader.line_num, RowRefused("more values than columns")
            else:
                yield reader.line_num, row
    except csv.Error as error:
        raise Unusable(f"line {reader.line_num}: not CSV ({error})") from error


def _jsonl(source: IO[str], advance: Advance) -> Iterator[tuple[int, Row | RowRefused]]:
    for number, line in enumerate(_counted(source, advance), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            yield number, RowRefused("not JSON")
            continue
        if not isinstance(row, dict):
            yield number, RowRefused("not a JSON object")
        else:
            yield number, {name: None if value is None else str(value) for name, value in row.items()}


def resolve_file(
    source: IO[str], jsonl: bool, bulk: Bulk, answers: Unfinished, advance: Advance, *, sheet: bool = False
) -> Summary:
    """Resolve every row in order of the file and write each answer, beginning behind those of an earlier run."""
    summary, seen, begun = Summary(), set[str](), time.perf_counter()
    earlier = answers.earlier()
    known = next(earlier, None)
    for line, row in rows_of(source, jsonl, advance):
        summary.rows += 1
        try:
            if isinstance(row, RowRefused):
                raise row
            event_id = new_event_id(row, seen, sheet=sheet)
            if known is None:
                answer = bulk.resolve(row)
                answers.write(answer)
            else:
                if not bulk.repeat(row, answer := known):
                    raise Stale(f"the answers of the run before do not fit line {line}: begin anew with --anew")
                known = next(earlier, None)
                summary.repeated += 1
        except RowRefused as refused:
            summary.refuse(line, str(refused))
            continue
        seen.add(event_id)
        summary.decisions[answer.decision] += 1
    summary.seconds = time.perf_counter() - begun
    return summary


@contextmanager
def _uncollected() -> Iterator[None]:
    """Deciding leaves no cycles behind, and to look for them among the records of a million people takes a sixth of
    the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@app.command("resolve")
def resolve(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="CSV or JSONL, one identity row a line.")],
    out: Annotated[Path, typer.Option("--out", help="Where to write (CSV, or JSONL by its suffix).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Drop what a run that did not end has written.")] = False,
    contracts: Annotated[Path, typer.Option(help="Folder of contracts.")] = ROOT / "contracts",
    model: Annotated[Path, typer.Option(help="Model file with the weights.")] = MODEL,
) -> None:
    """Give every row a person.

    A run that was killed or interrupted is gone on with by the same command: what stands in OUT.part is not decided
    again. Progress goes to stderr. Exit 0; 1 if rows were refused (the others are written); 2 if the input is
    unusable, or OUT.part is of another input, model or build.
    """
    try:
        matcher, settings = matcher_of(contracts, model)
        bulk, basis = Bulk(matcher), Basis.of(source, settings, build_name())
        with (
            source.open(encoding="utf-8-sig", newline="") as handle,
            unfinished(out, basis, anew=anew) as answers,
            progress(source.stat().st_size) as advance,
            _uncollected(),
        ):
            summary = resolve_file(handle, is_jsonl(source), bulk, answers, advance, sheet=not is_jsonl(out))
            if summary.rows == 0:
                raise Unusable("there is no row in it")
    except Stale as error:
        typer.echo(plain(f"hub resolve: {out.name}.part: {error}"), err=True)
        raise typer.Exit(2) from error
    except UNREADABLE as error:
        typer.echo(plain(f"hub resolve: {source.name}: {why_unreadable(error)}"), err=True)
        raise typer.Exit(2) from error
    _report(summary, len(bulk.ledger.index.people), as_json)
    raise typer.Exit(1 if summary.refused_rows else 0)


def _report(summary: Summary, people: int, as_json: bool) -> None:
    told = summary.as_json(people)
    if as_json:
        typer.echo(json.dumps(told, indent=1))
        return
    for line, reason in summary.refused:
        typer.echo(f"line {line} refused: {reason}", err=True)
    if summary.repeated:
        typer.echo(f"{summary.repeated} rows as the run before had decided them", err=True)
    typer.echo(
        f"{told['rows']} rows: {told['link']} linked, {told['new']} new, {told['review']} to review, "
        f"{told['refused']} refused; {people} people and stubs; {told['rows_per_second']} rows/s"
    )


if __name__ == "__main__":
    app()
