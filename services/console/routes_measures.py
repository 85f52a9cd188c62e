"""Measures against the strategies' targets, as ``hub measures --publish`` hands them over: small numbers hidden.

Nothing is counted here, and no difference is shown that would tell of a single young person.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.console.pages import MEASURES, query
from services.console.visit import NotFound, Visitor, visitor

router = APIRouter()
Known = Annotated[Visitor, Depends(visitor)]
#: What came of an alert, as published.
ENDS = {
    "helped": "Helped or contacted",
    "other_outcome": "Declined or not needed",
    "by_itself": "Ended by itself",
    "taken_back": "Taken back",
    "open": "Still open",
}
COLUMNS = ("measure", "breakdown", "part", "numerator", "denominator", "percent")
WIDTH, HEIGHT, LEFT, TOP = 640, 200, 44, 12


@dataclass(frozen=True, slots=True)
class Dot:
    x: int
    y: int
    month: str
    percent: float | None


@dataclass(frozen=True, slots=True)
class Trend:
    """A line of months in a picture: runs of neighbours that are shown, marks of the axis, and every dot."""

    dots: tuple[Dot, ...]
    runs: tuple[str, ...]
    marks: tuple[tuple[int, int], ...]


@router.get("/measures")
def measures(known: Known, month: str = "", by: str = "") -> Response:
    found = _published(known)
    one = _of_month(found, month)
    if one is None:
        return known.page("measures.html", month=None)
    lines = one["body"]["lines"]
    breakdowns = list(dict.fromkeys(line["breakdown"] for line in lines if line["breakdown"] != "all"))
    chosen = by if by in breakdowns else next(iter(breakdowns), "")
    return known.page(
        "measures.html",
        month=one,
        months=[(row["month"], "/measures" + query(month=row["month"].isoformat(), by=chosen)) for row in found],
        targets=_targets(one["body"]),
        heads_of=[line for line in lines if line["breakdown"] == "all"],
        breakdowns=breakdowns,
        by=chosen,
        parts=[line for line in lines if line["breakdown"] == chosen],
        alerts=one["body"].get("alerts", []),
        ends=ENDS,
        trend=trend(one["body"]["trend"]),
    )


@router.get("/measures.csv")
def as_csv(known: Known, month: str = "") -> Response:
    one = _of_month(_published(known), month)
    if one is None:
        raise NotFound
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(["on", *COLUMNS])
    for line in one["body"]["lines"]:
        cells = ("hidden" if line[name] is None else line[name] for name in COLUMNS)
        writer.writerow([one["on"].isoformat(), *cells])
    name = f"measures-{one['month']:%Y-%m}.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(out.getvalue().encode("utf-8-sig"), media_type="text/csv", headers=headers)


def _published(known: Visitor) -> Sequence[Mapping[str, Any]]:
    if not known.user.manages:
        raise known.refused("/measures")
    return known.console.reader.published()


def _of_month(found: Sequence[Mapping[str, Any]], month: str) -> Mapping[str, Any] | None:
    """The set asked for; without a month, or one that is none, the latest."""
    return next((row for row in found if row["month"].isoformat() == month), next(iter(found), None))


def _targets(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each target with what was reached; ``met`` is None where that is hidden."""
    heads = {line["measure"]: line for line in body["lines"] if line["breakdown"] == "all"}
    out = []
    for target in body["targets"]:
        reached = heads.get(target["measure"], {}).get("percent")
        most, aim = target["direction"] == "at_most", float(target["percent"])
        met = None if reached is None else reached <= aim if most else reached >= aim
        name = MEASURES.get(target["measure"], target["measure"])
        out.append({**target, "name": name, "reached": reached, "met": met, "most": most})
    return out


def trend(months: Sequence[Mapping[str, Any]]) -> Trend | None:
    """None where no month may be shown."""
    shown = [m["percent"] for m in months if m["percent"] is not None]
    if not shown:
        return None
    top = max(1, -(-int(max(shown) * 10) // 50) * 5)
    step = (WIDTH - LEFT - 20) // max(1, len(months) - 1)
    low = HEIGHT - 30

    def y(percent: float) -> int:
        return low - int((low - TOP) * percent / top)

    dots = [Dot(LEFT + 10 + n * step, y(m["percent"] or 0), m["on"], m["percent"]) for n, m in enumerate(months)]
    runs: list[list[str]] = [[]]
    for dot in dots:
        if dot.percent is None:
            runs.append([])
        else:
            runs[-1].append(f"{dot.x},{dot.y}")
    return Trend(tuple(dots), tuple(" ".join(run) for run in runs if len(run) > 1), ((0, y(0)), (top, y(top))))
