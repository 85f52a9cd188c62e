"""A measured resolution in figures: one JSON document for machines, tables for people. Nobody is named in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import typer

from hub.output import show_table
from services.matching.measures import BCubed, Mates, Measured, Pairs, Placed, Point, answered, curve, found, measure

#: Shares of a smaller group say little; they are shown and marked.
FEW_PEOPLE = 100


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One resolution: as it stands, with its reviews answered rightly, and over the automatic threshold.

    ``found``: records that wait for a reader with their person among the candidates.
    """

    unanswered: Measured
    answered: Measured
    found: int
    curve: tuple[Point, ...]
    model: str
    auto_millibits: int

    @classmethod
    def of(cls, placed: Sequence[Placed], model: str, auto_millibits: int) -> Evaluation:
        return cls(
            measure(placed), measure(answered(placed)), found(placed), tuple(curve(placed)), model, auto_millibits
        )


def as_json(told: Evaluation) -> dict[str, Any]:
    return {
        "model": told.model,
        "auto_millibits": told.auto_millibits,
        "unanswered": _measured(told.unanswered),
        "answered": _measured(told.answered),
        "reviews_with_the_person_among_the_candidates": told.found,
        "curve": [
            {"threshold_millibits": p.threshold, **_shares(p.pairs), "false_merges": p.false_merges} for p in told.curve
        ],
    }


def _shares(of: Pairs | BCubed) -> dict[str, float]:
    return {"precision": round(of.precision, 6), "recall": round(of.recall, 6), "f1": round(of.f1, 6)}


def _pairs(of: Pairs) -> dict[str, float]:
    return {**_shares(of), "right": of.right, "joined": of.joined, "wanted": of.wanted}


def _measured(of: Measured) -> dict[str, Any]:
    return {
        "records": of.records,
        "people": of.people,
        "clusters": of.clusters,
        "pairs": _pairs(of.pairs),
        "cross_source_pairs": _pairs(of.cross_source),
        "b_cubed": _shares(of.b_cubed),
        "false_merges": of.false_merges,
        "false_merges_per_10000": round(of.false_merges_per_10000, 2),
        "twins": {"merged": of.twins.merged, "pairs": of.twins.pairs},
        "siblings": {"merged": of.siblings.merged, "pairs": of.siblings.pairs},
        "reviews": of.reviews,
        "review_share": round(of.review_share, 6),
        "groups": [
            {
                "group": group.name,
                "value": group.value,
                "records": group.records,
                "people": group.people,
                "few": group.people < FEW_PEOPLE,
                "pairs": _pairs(group.pairs),
                "people_mixed": group.mixed,
                "people_mixed_per_10000": round(group.mixed_per_10000, 2),
                "review_share": round(group.review_share, 6),
            }
            for group in of.groups
        ],
    }


def rows_of_measures(told: Evaluation) -> list[tuple[str, str, str]]:
    """Name of a measure, its figure while reviews wait, and with reviews answered rightly."""
    both = (told.unanswered, told.answered)

    def row(name: str, figures: Sequence[str]) -> tuple[str, str, str]:
        return (name, figures[0], figures[1])

    return [
        row("all pairs: precision, recall, F1", [_three(m.pairs) for m in both]),
        row("pairs across sources", [_three(m.cross_source) for m in both]),
        row("B³", [_three(m.b_cubed) for m in both]),
        row("false merges per 10,000 people", [f"{m.false_merges_per_10000:.1f} ({m.false_merges})" for m in both]),
        row("twins merged", [mates(m.twins) for m in both]),
        row("siblings merged", [mates(m.siblings) for m in both]),
        row("share of records put to a reader", [f"{m.review_share:.2%}" for m in both]),
        row("of them, the person is a candidate", [f"{told.found} of {m.reviews}" for m in both]),
    ]


def rows_of_groups(of: Measured) -> list[tuple[str, ...]]:
    """Cells as ``GROUP_COLUMNS`` names them."""
    return [
        (
            f"{group.name}: {group.value}",
            f"{group.people}{' (few)' if group.people < FEW_PEOPLE else ''}",
            str(group.records),
            f"{group.pairs.precision:.4f}",
            f"{group.pairs.recall:.4f}",
            f"{group.mixed_per_10000:.1f}",
            f"{group.review_share:.2%}",
        )
        for group in of.groups
    ]


GROUP_COLUMNS = ("group", "people", "records", "precision", "recall", "mixed /10,000", "to review")


def mates(of: Mates) -> str:
    return f"{of.merged} of {of.pairs}" if of.pairs else "none told"


def _three(of: Pairs | BCubed) -> str:
    return f"{of.precision:.4f}  {of.recall:.4f}  {of.f1:.4f}"


def show(told: Evaluation) -> None:
    whole = told.unanswered
    typer.echo(f"{whole.records} records of {whole.people} people; model {told.model}")
    show_table("", ("measure", "reviews wait", "reviews answered rightly"), rows_of_measures(told))
    if whole.groups:
        show_table("By group, while reviews wait", GROUP_COLUMNS, rows_of_groups(whole))
