"""The measures as one page: bars against targets, a line of twelve months, each with its table. No script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from typing import Any

from hub.measures.count import Line

_STYLE = (
    "body{font-family:sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#0b0c0c}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "td,th{text-align:left;padding:.3rem .8rem;border-bottom:1px solid #b1b4b6}"
    "td.n{text-align:right}"
)


def page(
    lines: Sequence[Line], trend: Sequence[tuple[date, float | None]], targets: Sequence[Mapping[str, Any]], on: date
) -> str:
    """``targets`` as in contracts/policy/measures.yaml."""
    by_measure = {str(one["measure"]): one for one in targets}
    head = [one for one in lines if one.breakdown == "all"]
    bars = _bars([one for one in head if one.measure in by_measure], by_measure)
    rows = "".join(_row(one, by_measure.get(one.measure) if one.breakdown == "all" else None) for one in lines)
    months = "".join(f"<tr><td>{day:%B %Y}</td><td class=n>{_percent(value)}</td></tr>" for day, value in trend)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Measures on {on}</title>'
        f"<style>{_STYLE}</style>"
        f"</head><body><h1>Measures on {on}</h1><h2>Against the targets</h2>{bars}<h2>NEET, twelve months</h2>"
        f"{_line(trend)}<table><caption>NEET % at the end of each month</caption>"
        f"<tr><th>Month<th>%</tr>{months}</table>"
        "<h2>All measures</h2>"
        "<table><caption>“hidden”: a number below the limit, or one that would give it away</caption>"
        f"<tr><th>Measure<th>By<th>Part<th>Number<th>Of<th>%<th>Target</tr>{rows}</table></body></html>\n"
    )


def _row(one: Line, target: Mapping[str, Any] | None) -> str:
    said = (
        ""
        if target is None
        else f"{target['direction'].replace('_', ' ')} {target['percent']} % ({target['strategy']})"
    )
    number = "hidden" if one.numerator is None else str(one.numerator)
    of = "hidden" if one.denominator is None else str(one.denominator)
    cells = [one.measure.replace("_", " "), one.breakdown, one.part]
    words = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f"<tr>{words}<td class=n>{number}<td class=n>{of}<td class=n>{_percent(one.percent)}<td>{escape(said)}</tr>"


def _percent(value: float | None) -> str:
    return "hidden" if value is None else f"{value:.1f}"


def _bars(lines: Sequence[Line], targets: Mapping[str, Mapping[str, Any]]) -> str:
    height, parts = 36 * len(lines) + 10, []
    for n, one in enumerate(lines):
        top, target, value = 36 * n + 6, float(targets[one.measure]["percent"]), one.percent
        label = f"{one.measure.replace('_', ' ')}: {_percent(value)}"
        parts.append(f'<text x="0" y="{top + 17}" font-size="14">{escape(label)}</text>')
        parts.append(f'<rect x="240" y="{top}" width="{5 * (value or 0):.0f}" height="24" fill="#1d70b8"/>')
        parts.append(f'<rect x="{240 + 5 * target:.0f}" y="{top - 3}" width="3" height="30" fill="#d4351c"/>')
    told = "; ".join(f"{x.measure} {_percent(x.percent)}, target {targets[x.measure]['percent']}" for x in lines)
    return (
        f'<svg role="img" viewBox="0 0 760 {height}" width="760"><title>Bars against targets (red line): {escape(told)}'
        f"</title>{''.join(parts)}</svg>"
    )


def _line(trend: Sequence[tuple[date, float | None]]) -> str:
    shown = [(n, value) for n, (_, value) in enumerate(trend) if value is not None]
    top = max([value for _, value in shown], default=1.0) or 1.0
    points = " ".join(f"{20 + 60 * n},{150 - 130 * value / top:.0f}" for n, value in shown)
    dots = "".join(
        f'<circle cx="{20 + 60 * n}" cy="{150 - 130 * v / top:.0f}" r="4" fill="#1d70b8"/>' for n, v in shown
    )
    return (
        '<svg role="img" viewBox="0 0 760 160" width="760"><title>NEET percent by month; the table below says it too'
        f'</title><polyline points="{points}" fill="none" stroke="#1d70b8" stroke-width="3"/>{dots}</svg>'
    )
