"""``hub matching register``: who is who in a register that no open file depends on, by weight alone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from hub.matching.report import Evaluation, as_json, show
from hub.output import AsJson, fail, plain, show_json
from hub.progress import progress
from hub.resolve import ROOT, UNREADABLE, Summary, new_event_id, rows_of, why_unreadable
from hub.unfinished import Basis, Stale, Unusable, is_jsonl, unfinished
from services.matching.agent import build_name, register_of
from services.matching.bulk import RowRefused
from services.matching.measures import Placed
from services.matching.register import Register


@dataclass(slots=True)
class Read:
    """``truths``: of each row whom it is about and which source it is of, where a column says so."""

    summary: Summary = field(default_factory=Summary)
    truths: list[tuple[str, str]] = field(default_factory=list)


def register_command(
    source: Annotated[Path, typer.Argument(metavar="ROWS", help="CSV or JSONL: rows as `hub resolve` takes them.")],
    out: Annotated[Path, typer.Option("--out", help="Where to write (CSV, or JSONL by its suffix).")],
    model: Annotated[Path, typer.Option(help="Model file with a section `register`: one that decides alone.")],
    truth: Annotated[
        str | None, typer.Option(help="Column that says who a row is truly about: measure the result, too.")
    ] = None,
    as_json_: AsJson = False,
    contracts: Annotated[Path, typer.Option(help="Folder of contracts.")] = ROOT / "contracts",
) -> None:
    """Decide every pair of rows: one person or two, with no rule that bars and no reader who is asked.

    Not for people whose files are open: POLICY 4.2 and 4.3 bind there, and the hub refuses the model. Rows are read
    into memory, and the answers do not depend on their order. Exit 0; 1 if rows were refused (the others are written);
    2 if the rows or the model are unusable.
    """
    begun = time.perf_counter()
    try:
        register, settings = register_of(contracts, model)
        with unfinished(out, Basis.of(source, settings, build_name()), anew=True) as answers:
            read = read_rows(source, register, truth, sheet=not is_jsonl(out))
            # Nothing stands there yet: it writes the heading.
            assert not list(answers.earlier())
            resolved = register.resolve()
            for answer in resolved:
                answers.write(answer)
                read.summary.decisions[answer.decision] += 1
    except Stale as error:
        fail(f"matching register: {out.name}.part: {error}", as_json=as_json_, code=2)
    except UNREADABLE as error:
        fail(f"matching register: {source.name}: {why_unreadable(error)}", as_json=as_json_, code=2)
    summary, people = read.summary, len(register.groups)
    summary.seconds = time.perf_counter() - begun
    placed = [
        Placed(of, answer.person_id, party, answer.decision)
        for (of, party), answer in zip(read.truths, resolved, strict=truth is not None)
    ]
    told = Evaluation.of(placed, register.matcher.model.name, register.settings.link_millibits) if placed else None
    if as_json_:
        show_json(summary.as_json(people) | ({"measured": as_json(told)} if told else {}))
    else:
        for line, reason in summary.refused:
            typer.echo(plain(f"line {line} refused: {reason}"), err=True)
        typer.echo(f"{summary.rows} rows: {people} people, {summary.refused_rows} refused")
        if told:
            show(told)
    raise typer.Exit(1 if summary.refused_rows else 0)


def read_rows(source: Path, register: Register, truth: str | None = None, *, sheet: bool = False) -> Read:
    """Put the rows of a file into a register. Raises Unusable for one that has no row to decide."""
    read, seen = Read(), set[str]()
    with source.open(encoding="utf-8-sig", newline="") as handle, progress(source.stat().st_size) as advance:
        for line, row in rows_of(handle, is_jsonl(source), advance):
            read.summary.rows += 1
            try:
                if isinstance(row, RowRefused):
                    raise row
                event_id = new_event_id(row, seen, sheet=sheet)
                of = (row.get(truth) or "").strip() if truth else ""
                if truth and not of:
                    raise RowRefused(f"{truth} must be there")
                register.add(row)
            except RowRefused as refused:
                read.summary.refuse(line, str(refused))
                continue
            seen.add(event_id)
            if truth:
                read.truths.append((of, (row.get("source") or "").strip()))
    if not seen:
        raise Unusable("no row of it can be decided" if read.summary.rows else "there is no row in it")
    return read
