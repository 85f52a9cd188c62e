"""``hub matching train``: a new model file from rows without truth, and from what readers decided."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.matching.register import read_rows
from hub.matching.reviewed import Reviewed, by_record, read_reviewed
from hub.output import AsJson, fail, plain, show_json, show_table
from hub.progress import Advance, progress
from hub.resolve import ROOT, UNREADABLE, Row, Summary, rows_of, why_unreadable
from hub.unfinished import Unusable, is_jsonl
from services.matching.agent import MODEL, matcher_of, register_of
from services.matching.bulk import Bulk, RowRefused, observation_of
from services.matching.facts import RecordKey
from services.matching.register_train import register_pairs
from services.matching.search import Matcher
from services.matching.train import Change, Trained, train
from services.matching.train_file import HASH, changed, model_text
from services.matching.train_pairs import Gathering, Pairs
from services.matching.weigh import Frequencies

SUFFIX = "-weights.json"


def train_command(
    rows: Annotated[Path, typer.Argument(metavar="ROWS", help="CSV or JSONL: rows as `hub resolve` takes them.")],
    out: Annotated[Path, typer.Option("--out", help=f"The new model file, never one that is there: NAME{SUFFIX}.")],
    reviewed: Annotated[
        Path | None, typer.Option(help="CSV or JSONL of pairs that readers decided: one, other, decision.")
    ] = None,
    model: Annotated[Path, typer.Option(help="Model file to begin with.")] = MODEL,
    name: Annotated[str | None, typer.Option(help=f"Name of the new model. Else the file's, without {SUFFIX}.")] = None,
    on: Annotated[str | None, typer.Option("--date", help="Date of the new model, yyyy-mm-dd. Else today.")] = None,
    as_json: AsJson = False,
    contracts: Annotated[Path, typer.Option(help="Folder of contracts.")] = ROOT / "contracts",
) -> None:
    """Estimate how often each grade of comparison is seen: between records of one person, of strangers, of a household.

    Reads the rows twice (those of a register, if the model decides one alone, once) and prints figures, never a value.
    A model changes nothing until HUB_MODEL names it;
    `hub matching difference` says what it would change. Exit 0; 1 if rows were refused (the others are used); 2 if a
    file, the date or the new file's name is unusable.
    """
    dated = on or datetime.now(UTC).date().isoformat()
    faults = list(_faults(rows, out, reviewed, model, dated))
    if faults:
        fail("matching train:\n" + "\n".join(faults), as_json=as_json, code=2)
    at = rows
    try:
        at = model
        start = json.loads(model.read_text("utf-8"))
        alone = "register" in start
        if alone and reviewed is not None:
            fail("matching train: --reviewed: readers decide nothing in a register", as_json=as_json, code=2)
        register = register_of(contracts, model)[0] if alone else None
        matcher = register.matcher if register is not None else matcher_of(contracts, model)[0]
        at = reviewed or rows
        decided = read_reviewed(reviewed) if reviewed else []
        at = rows
        if register is not None:
            summary = read_rows(rows, register).summary
            pairs = register_pairs(register)
        else:
            read = _read(matcher, rows, decided, not as_json)
            summary = read.summary
            at = reviewed or rows
            words = by_record(decided, read.keys)
            at = rows
            pairs = _gathered(matcher, rows, read.frequencies, words, not as_json)
        trained = train(matcher.model, pairs, _told(as_json))
    except UNREADABLE as error:
        fail(f"matching train: {at.name}: {why_unreadable(error)}", as_json=as_json, code=2)
    command = ["hub", "matching", "train", rows.name, "--out", out.name]
    command += ["--reviewed", reviewed.name] if reviewed else []
    provenance = {
        "command": shlex.join(command),
        "start": _named(model) | {"name": matcher.model.name},
        "rows": _named(rows) | {"read": summary.rows, "refused": summary.refused_rows},
        **({"reviewed": _named(reviewed) | {"pairs": len(decided)}} if reviewed else {}),
    }
    called = name or out.name.removesuffix(SUFFIX).removesuffix(".json")
    _write_new(out, model_text(start, trained, name=called, date=dated, provenance=provenance))
    _report(trained, summary, out, as_json)
    raise typer.Exit(1 if summary.refused_rows else 0)


def _faults(rows: Path, out: Path, reviewed: Path | None, model: Path, dated: str) -> Iterator[str]:
    """All that can be known before reading."""
    for what, path in (("rows", rows), ("--reviewed", reviewed), ("--model", model)):
        if path is not None and not path.is_file():
            yield f"{what}: {path.name} is not there"
    if out.exists():
        yield f"--out: {out.name} is there, and a model is never changed: name a new file"
    elif not out.parent.is_dir():
        yield f"--out: there is no folder {out.parent.name}"
    elif out.suffix != ".json":
        yield f"--out: {out.name}: end it with {SUFFIX}"
    try:
        date.fromisoformat(dated)
    except ValueError:
        yield "--date is not yyyy-mm-dd"


@dataclass(slots=True)
class _Read:
    """The first reading: how frequent values are, and the records of the event ids that were asked for."""

    frequencies: Frequencies
    summary: Summary = field(default_factory=Summary)
    keys: dict[str, RecordKey] = field(default_factory=dict)


def _read(matcher: Matcher, rows: Path, decided: Iterable[Reviewed], shown: bool) -> _Read:
    """Raises Unusable."""
    wanted = {side for pair in decided for side in (pair.one, pair.other) if isinstance(side, str)}
    bulk = Bulk(matcher)
    read = _Read(bulk.ledger.index.frequencies)
    with progress(rows.stat().st_size, shown) as advance:
        for line, row in _lines(rows, advance):
            read.summary.rows += 1
            try:
                if isinstance(row, RowRefused):
                    raise row
                bulk.resolve(row)
            except RowRefused as refused:
                read.summary.refuse(line, str(refused))
                continue
            event_id = (row.get("event_id") or "").strip()
            if event_id in wanted:
                read.keys[event_id] = observation_of(row, line).key
    if read.summary.rows == read.summary.refused_rows:
        raise Unusable("no row of it can be matched" if read.summary.rows else "there is no row in it")
    return read


def _gathered(
    matcher: Matcher,
    rows: Path,
    frequencies: Frequencies,
    words: Mapping[RecordKey, Mapping[RecordKey, bool]],
    shown: bool,
) -> Pairs:
    gathering = Gathering(matcher, frequencies, words)
    with progress(rows.stat().st_size, shown) as advance:
        for _, row in _lines(rows, advance):
            try:
                if not isinstance(row, RowRefused):
                    gathering.take(row)
            except RowRefused:
                # Counted at the first reading.
                continue
    return gathering.pairs


def _lines(rows: Path, advance: Advance) -> Iterator[tuple[int, Row | RowRefused]]:
    with rows.open(encoding="utf-8-sig", newline="") as handle:
        yield from rows_of(handle, is_jsonl(rows), advance)


def _told(as_json: bool) -> Any:
    def tell(round_: int, moved: int) -> None:
        if not as_json:
            typer.echo(f"round {round_}: weights moved by up to {moved} millibits", err=True)

    return tell


def _named(path: Path) -> dict[str, str]:
    """A file by its name and what was in it; where it lay is nobody's business."""
    with path.open("rb") as handle:
        return {"file": path.name, "sha256": hashlib.file_digest(handle, "sha256").hexdigest()}


def _write_new(out: Path, text: str) -> None:
    """Whole or not at all, and never over another file."""
    part = out.with_name(out.name + ".part")
    try:
        part.write_text(text, "utf-8")
        os.link(part, out)
    finally:
        part.unlink(missing_ok=True)


def _report(trained: Trained, summary: Summary, out: Path, as_json: bool) -> None:
    told = json.loads(out.read_text("utf-8"))
    if as_json:
        show_json(
            {
                "out": str(out),
                HASH: told[HASH],
                **told["trained"],
                "weights": [_weight(change) for change in trained.changes],
                "refusals": [{"line": line, "reason": reason} for line, reason in summary.refused],
            }
        )
        return
    for line, reason in summary.refused:
        typer.echo(plain(f"line {line} refused: {reason}"), err=True)
    same, strangers, household = trained.found
    typer.echo(
        f"{summary.rows} rows, {trained.pairs} pairs found (about {same} of one person, {strangers} of strangers, "
        f"{household} of a household), {trained.blind_pairs} picked blindly, {trained.reviewed} of readers met"
    )
    show_table("Weights in millibits", ("grade", "of", "old", "new", "pairs"), (_cells(c) for c in trained.changes))
    new, kept = changed(trained.changes)
    typer.echo(f"{out.name}: {new} weights new, {kept} kept for too little evidence; sha256 {told[HASH]}")


def _weight(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "grade": change.grade,
        "of": change.of,
        "old": change.old,
        "new": change.new,
        "pairs": change.pairs,
    }


def _cells(change: Change) -> tuple[str, ...]:
    new = "kept" if change.new is None else str(change.new)
    return (f"{change.kind} {change.grade}", change.of, str(change.old), new, str(change.pairs))
