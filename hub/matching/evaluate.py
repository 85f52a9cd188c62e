"""``hub matching evaluate``: a file with the truth beside each row, resolved as in the hub, and measured."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.matching.picture import html, svg
from hub.matching.report import Evaluation, as_json, show
from hub.matching.truth import USUAL_GROUPS, Columns, Evaluated, evaluate_file
from hub.output import AsJson, fail, plain, show_json
from hub.progress import progress
from hub.resolve import ROOT, UNREADABLE, why_unreadable
from services.matching.agent import MODEL, matcher_of
from services.matching.bulk import Bulk

_FORMS = {".svg": svg, ".html": html, ".htm": html}


def evaluate(
    truth: Annotated[Path, typer.Argument(metavar="TRUTH", help="CSV or JSONL: rows as `hub resolve` takes them.")],
    as_json_: AsJson = False,
    cluster: Annotated[str, typer.Option("--truth", help="Column that says who a row is truly about.")] = "cluster",
    group: Annotated[
        list[str] | None,
        typer.Option(help=f"Column with a group of the person; may be repeated. Else {', '.join(USUAL_GROUPS)}."),
    ] = None,
    household: Annotated[str, typer.Option(help="Column that people of one household share.")] = "household",
    twins: Annotated[str, typer.Option(help="Column that twins share.")] = "twins",
    picture: Annotated[Path | None, typer.Option(help="Write a picture here: .svg, or .html with its tables.")] = None,
    contracts: Annotated[Path, typer.Option(help="Folder of contracts.")] = ROOT / "contracts",
    model: Annotated[Path, typer.Option(help="Model file with the weights.")] = MODEL,
) -> None:
    """Resolve the rows in order of the file and measure the result against the truth beside them.

    Rows are read one at a time; of each is kept only where it was put. Prints figures, never a value of a row.
    Exit 0; 1 if rows were refused (the others are measured); 2 if the input, the model or the picture is unusable.
    """
    if picture is not None and picture.suffix.lower() not in _FORMS:
        fail(f"--picture {picture.name}: end it with {' or '.join(_FORMS)}", as_json=as_json_, code=2)
    columns = Columns(cluster, tuple(dict.fromkeys(group)) if group else None, household, twins)
    try:
        matcher, _ = matcher_of(contracts, model)
        with progress(truth.stat().st_size, not as_json_) as advance:
            evaluated = evaluate_file(truth, columns, Bulk(matcher), advance)
        told = Evaluation.of(evaluated.placed, matcher.model.name, matcher.model.auto_millibits)
        if picture is not None:
            _write(picture, _FORMS[picture.suffix.lower()](told))
    except UNREADABLE as error:
        fail(f"matching evaluate: {truth.name}: {why_unreadable(error)}", as_json=as_json_, code=2)
    if as_json_:
        show_json(as_json(told) | _rows(evaluated))
    else:
        show(told)
        for line, reason in evaluated.summary.refused:
            typer.echo(plain(f"line {line} refused: {reason}"), err=True)
    raise typer.Exit(1 if evaluated.summary.refused_rows else 0)


def _rows(evaluated: Evaluated) -> dict[str, Any]:
    told = evaluated.summary.as_json(0)
    return {name: told[name] for name in ("rows", "refused", "refusals", "seconds", "rows_per_second")}


def _write(path: Path, text: str) -> None:
    """Whole or not at all: half a picture is never mistaken for one."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, "utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
