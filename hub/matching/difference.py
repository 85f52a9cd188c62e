"""``hub matching difference``: what another model would change, on a file of rows.

Nothing that is stored is matched anew. The rows are resolved twice, each time from nothing. Examples are event ids;
the rest are figures.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.matching.truth import NOT_TOLD, USUAL_GROUPS
from hub.output import AsJson, fail, plain, show_json, show_table
from hub.progress import Advance, progress
from hub.resolve import ROOT, UNREADABLE, Row, Summary, new_event_id, rows_of, why_unreadable
from hub.unfinished import Unusable, is_jsonl
from services.matching.agent import MODEL, matcher_of
from services.matching.bulk import Bulk, Resolved, RowRefused
from services.matching.measures import Measured, Placed, measure

EXAMPLES_MAX = 10


@dataclass(frozen=True, slots=True)
class Both:
    """One row under the running model and under the new one, and what is true of it where the file says so."""

    source: str
    before: Resolved
    after: Resolved
    truth: str
    groups: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Example:
    """Events that stand together under one model alone: the first of each person."""

    one: str
    other: str


@dataclass(frozen=True, slots=True)
class Difference:
    """``moved``: rows that stand with other rows than before. ``decisions``: rows by decision before and after.

    ``merged``: people of the new model that hold rows of several people of the running one; ``split``: the reverse.
    ``truth``: measures before and after, where every row says whom it is about.
    """

    rows: int
    people: tuple[int, int]
    moved: int
    decisions: Mapping[tuple[str, str], int]
    merged: int
    split: int
    merges: tuple[Example, ...]
    splits: tuple[Example, ...]
    truth: tuple[Measured, Measured] | None


def difference(
    rows: Annotated[Path, typer.Argument(metavar="ROWS", help="CSV or JSONL: rows as `hub resolve` takes them.")],
    model: Annotated[Path, typer.Option(help="The new model file.")],
    running: Annotated[Path, typer.Option(help="The model to compare it with. Else the one that runs.")] = MODEL,
    cluster: Annotated[str, typer.Option("--truth", help="Column that says who a row is truly about.")] = "cluster",
    as_json: AsJson = False,
    contracts: Annotated[Path, typer.Option(help="Folder of contracts.")] = ROOT / "contracts",
) -> None:
    """Resolve the rows with the running and with another model, and say what would change. Nothing stored changes.

    Prints figures and event ids, never another value of a row. Exit 0 whatever would change; 1 if rows were refused
    (the others are compared); 2 if a file is unusable.
    """
    missing = [path for path in (rows, model, running) if not path.is_file()]
    if missing:
        absent = ", ".join(dict.fromkeys(path.name for path in missing))
        fail(f"matching difference: {absent}: not there", as_json=as_json, code=2)
    at, summary = running, Summary()
    try:
        before, _ = matcher_of(contracts, running)
        at = model
        after, _ = matcher_of(contracts, model)
        at = rows
        with progress(rows.stat().st_size, not as_json) as advance:
            both = list(resolved_twice(rows, (Bulk(before), Bulk(after)), cluster, summary, advance))
        if not both:
            raise Unusable("no row of it can be matched" if summary.rows else "there is no row in it")
    except UNREADABLE as error:
        fail(f"matching difference: {at.name}: {why_unreadable(error)}", as_json=as_json, code=2)
    told = compare(both)
    names = (before.model.name, after.model.name)
    if as_json:
        refusals = [{"line": line, "reason": reason} for line, reason in summary.refused]
        show_json({"running": names[0], "new": names[1], **_as_json(told), "refusals": refusals})
    else:
        _show(told, names)
        for line, reason in summary.refused:
            typer.echo(plain(f"line {line} refused: {reason}"), err=True)
    raise typer.Exit(1 if summary.refused_rows else 0)


def resolved_twice(
    rows: Path, bulks: tuple[Bulk, Bulk], cluster: str, summary: Summary, advance: Advance
) -> Iterator[Both]:
    """Every row that can be resolved. Raises Unusable."""
    seen = set[str]()
    with rows.open(encoding="utf-8-sig", newline="") as handle:
        for line, row in rows_of(handle, is_jsonl(rows), advance):
            summary.rows += 1
            try:
                if isinstance(row, RowRefused):
                    raise row
                event_id = new_event_id(row, seen)
                before, after = (bulk.resolve(row) for bulk in bulks)
            except RowRefused as refused:
                summary.refuse(line, str(refused))
                continue
            seen.add(event_id)
            truth = (row.get(cluster) or "").strip()
            yield Both((row.get("source") or "").strip(), before, after, truth, _groups(row))


def _groups(row: Row) -> tuple[tuple[str, str], ...]:
    return tuple((name, (row.get(name) or "").strip() or NOT_TOLD) for name in USUAL_GROUPS if name in row)


@dataclass(slots=True)
class _People:
    """Rows by person, under one model. A row is its place in the file."""

    rows: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, resolved: Sequence[Resolved]) -> _People:
        out = cls()
        for number, row in enumerate(resolved):
            out.rows[row.person_id].append(number)
        return out

    def torn(self, others: Sequence[Resolved]) -> Iterator[tuple[int, int]]:
        """For each person whose rows stand with several people under the other model: the first row of two of them."""
        for members in self.rows.values():
            first: dict[str, int] = {}
            for number in members:
                first.setdefault(others[number].person_id, number)
            if len(first) > 1:
                one, other = list(first.values())[:2]
                yield one, other


def compare(both: Sequence[Both]) -> Difference:
    before, after = [row.before for row in both], [row.after for row in both]
    old, new = _People.of(before), _People.of(after)
    moved = sum(old.rows[row.before.person_id] != new.rows[row.after.person_id] for row in both)
    merged, split = list(new.torn(before)), list(old.torn(after))
    told = all(row.truth for row in both)
    return Difference(
        rows=len(both),
        people=(len(old.rows), len(new.rows)),
        moved=moved,
        decisions=Counter((row.before.decision, row.after.decision) for row in both),
        merged=len(merged),
        split=len(split),
        merges=_examples(merged, both),
        splits=_examples(split, both),
        truth=(measure(_placed(both, before)), measure(_placed(both, after))) if told else None,
    )


def _examples(pairs: Sequence[tuple[int, int]], both: Sequence[Both]) -> tuple[Example, ...]:
    return tuple(Example(both[one].before.event_id, both[other].before.event_id) for one, other in pairs[:EXAMPLES_MAX])


def _placed(both: Sequence[Both], resolved: Sequence[Resolved]) -> list[Placed]:
    return [
        Placed(
            truth=row.truth,
            person=to.person_id,
            source=row.source,
            decision=to.decision,
            weight=to.weight_millibits,
            candidates=to.candidates,
            groups=row.groups,
        )
        for row, to in zip(both, resolved, strict=True)
    ]


def _as_json(told: Difference) -> dict[str, Any]:
    out: dict[str, Any] = {
        "rows": told.rows,
        "people": {"before": told.people[0], "after": told.people[1]},
        "rows_that_stand_otherwise": told.moved,
        "decisions": [
            {"before": before, "after": after, "rows": rows} for (before, after), rows in sorted(told.decisions.items())
        ],
        "people_merged": told.merged,
        "people_split": told.split,
        "merges": [[example.one, example.other] for example in told.merges],
        "splits": [[example.one, example.other] for example in told.splits],
    }
    if told.truth is not None:
        out["truth"] = [
            {"of": name, "before": before, "after": after} for name, before, after in _measures(*told.truth)
        ]
    return out


def _measures(before: Measured, after: Measured) -> Iterator[tuple[str, str, str]]:
    both = (before, after)

    def row(name: str, figures: Sequence[str]) -> tuple[str, str, str]:
        return (name, figures[0], figures[1])

    yield row("F1 across sources", [f"{m.cross_source.f1:.4f}" for m in both])
    yield row("precision across sources", [f"{m.cross_source.precision:.4f}" for m in both])
    yield row("recall across sources", [f"{m.cross_source.recall:.4f}" for m in both])
    yield row("false merges per 10,000 people", [f"{m.false_merges_per_10000:.1f}" for m in both])
    yield row("share put to a reader", [f"{m.review_share:.2%}" for m in both])
    for one, other in zip(before.groups, after.groups, strict=True):
        name = f"{one.name}: {one.value}"
        yield row(f"{name}, recall", [f"{g.pairs.recall:.4f}" for g in (one, other)])
        yield row(f"{name}, mixed per 10,000", [f"{g.mixed_per_10000:.1f}" for g in (one, other)])


def _show(told: Difference, names: tuple[str, str]) -> None:
    typer.echo(
        f"{told.rows} rows: {told.moved} stand otherwise with model {plain(names[1])} than with {plain(names[0])}; "
        f"{told.people[0]} people and stubs before, {told.people[1]} after"
    )
    changed = [(*decisions, rows) for decisions, rows in sorted(told.decisions.items())]
    show_table("Decisions", ("before", "after", "rows"), changed)
    typer.echo(f"{told.merged} people of the new model hold rows of several people of the running one")
    for example in told.merges:
        typer.echo(plain(f"  together: {example.one} and {example.other}"))
    typer.echo(f"{told.split} people of the running model fall apart")
    for example in told.splits:
        typer.echo(plain(f"  apart: {example.one} and {example.other}"))
    if told.truth is not None:
        show_table("Against the truth", ("measure", "before", "after"), _measures(*told.truth))
