"""The evaluation as a picture: one SVG, or one HTML page that holds it with its tables. Nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from hub.matching.report import GROUP_COLUMNS, Evaluation, rows_of_groups, rows_of_measures
from services.matching.measures import Group

WIDTH, PLOT, LEFT, TOP = 900, 360, 90, 60
ROW, BAR_LEFT, BAR_WIDTH = 22, 330, 400
_LINE, _MARK, _GRID, _INK = "#1d70b8", "#d4351c", "#b1b4b6", "#0b0c0c"
_BEGINS = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995)
#: Marks with their threshold stand at least this far apart, so that their words can be read.
_MARKS_APART = 75
_STYLE = (
    "body{font:16px/1.4 sans-serif;color:#0b0c0c;max-width:960px;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;margin:1em 0}th,td{border-bottom:1px solid #b1b4b6;padding:.3em .8em .3em 0;"
    "text-align:left}svg{max-width:100%;height:auto}"
)


def svg(told: Evaluation) -> str:
    """Precision over recall along the automatic threshold, and under it the recall of every group."""
    groups = told.unanswered.groups
    height = TOP + PLOT + 90 + (len(groups) * ROW + 60 if groups else 0)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'font-family="sans-serif" font-size="14" fill="{_INK}">',
            "<title>Precision and recall of matching</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            *_curve(told),
            *_group_bars(groups, TOP + PLOT + 100),
            "</svg>",
        ]
    )


def html(told: Evaluation) -> str:
    whole = told.unanswered
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Matching, measured</title>',
        f"<style>{_STYLE}</style></head><body><h1>Matching, measured</h1>",
        f"<p>{whole.records} records of {whole.people} people; model {escape(told.model)}.</p>",
        _table(("measure", "reviews wait", "reviews answered rightly"), rows_of_measures(told)),
        svg(told),
        "<p>The line shows what would stand if links were made at that weight or more and nobody was asked; it is "
        "estimated from one run. The mark is what stands now.</p>",
    ]
    if whole.groups:
        parts += [
            "<h2>By group, while reviews wait</h2>",
            "<p>Pairs that touch a record of the group. Mixed: people whose records stand with somebody else's.</p>",
            _table(GROUP_COLUMNS, rows_of_groups(whole)),
        ]
    return "\n".join([*parts, "</body></html>"])


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _floor(values: Iterable[float]) -> float:
    """Where an axis begins: near below the least value, so that near-perfect curves can be told apart."""
    least = min(values, default=0.0)
    return max((begin for begin in _BEGINS if begin < least), default=0.0)


def _curve(told: Evaluation) -> list[str]:
    now = told.unanswered.pairs
    points = [(p.pairs.recall, p.pairs.precision, p.threshold) for p in told.curve]
    x0 = _floor([now.recall, *(recall for recall, _, _ in points)])
    y0 = _floor([now.precision, *(precision for _, precision, _ in points)])
    size = WIDTH - LEFT - 60

    def place(recall: float, precision: float) -> tuple[float, float]:
        return LEFT + size * (recall - x0) / (1 - x0), TOP + PLOT * (1 - precision) / (1 - y0)

    out = [_text(LEFT, 30, "Precision (up) and recall (right) over the automatic threshold, all pairs")]
    for step in range(6):
        share = step / 5
        x, y = LEFT + size * share, TOP + PLOT * (1 - share)
        out.append(f'<path d="M{x:.1f} {TOP}v{PLOT}M{LEFT} {y:.1f}h{size}" stroke="{_GRID}" fill="none"/>')
        out.append(_text(x, TOP + PLOT + 22, f"{x0 + (1 - x0) * share:.3f}", "middle"))
        out.append(_text(LEFT - 8, y + 5, f"{y0 + (1 - y0) * share:.3f}", "end"))
    if points:
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(r, p) for r, p, _ in points))
        out.append(f'<polyline points="{line}" fill="none" stroke="{_LINE}" stroke-width="2.5"/>')
    last = float("-inf")
    for recall, precision, threshold in points:
        x, y = place(recall, precision)
        if x - last < _MARKS_APART:
            continue
        last = x
        out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{_LINE}"/>')
        out.append(_text(x + 6, y + 18, f"{threshold / 1000:.1f} bits"))
    x, y = place(now.recall, now.precision)
    out.append(f'<path d="M{x - 6:.1f} {y:.1f}h12M{x:.1f} {y - 6:.1f}v12" stroke="{_MARK}" stroke-width="3"/>')
    words = f"Cross: as decided now, precision {now.precision:.4f}, recall {now.recall:.4f}"
    return [*out, _text(LEFT, TOP + PLOT + 55, words)]


def _group_bars(groups: Sequence[Group], top: float) -> list[str]:
    if not groups:
        return []
    x0 = _floor(group.pairs.recall for group in groups)
    out = [_text(20, top, f"Recall by group (bars begin at {x0:.2f}); precision and number of people beside it")]
    for number, group in enumerate(groups):
        y = top + 18 + number * ROW
        width = BAR_WIDTH * (group.pairs.recall - x0) / (1 - x0)
        out.append(_text(BAR_LEFT - 10, y + 13, f"{group.name}: {group.value}"[:44], "end"))
        out.append(f'<rect x="{BAR_LEFT}" y="{y}" width="{width:.1f}" height="16" fill="{_LINE}"/>')
        figures = f"{group.pairs.recall:.3f} · {group.pairs.precision:.3f} · {group.people}"
        out.append(_text(BAR_LEFT + BAR_WIDTH + 8, y + 13, figures))
    return out
