"""The report of a replay for an auditor: one HTML file that needs nothing else, no script and no network."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.replay.verdicts import Finding, Judge, Verdict

COLOURS: Mapping[Verdict, str] = {
    Verdict.SAME: "#00703c",
    Verdict.SEALED: "#505a5f",
    Verdict.CHANGED: "#d4351c",
    Verdict.MISSING: "#f47738",
    Verdict.EXTRA: "#912b88",
    Verdict.NO_BUILD: "#b58840",
    Verdict.TAMPERED: "#0b0c0c",
}
MEANS: Mapping[Verdict, str] = {
    Verdict.SAME: "came out the same, byte for byte",
    Verdict.SEALED: "a key was destroyed since: the record proves that it was decided, not what",
    Verdict.CHANGED: "came out otherwise",
    Verdict.MISSING: "is recorded, and is not made again",
    Verdict.EXTRA: "is made, and is not recorded",
    Verdict.NO_BUILD: "the build that made it is not kept",
    Verdict.TAMPERED: "the chain of the record does not hold here",
}
_WIDTH, _BAR, _HEIGHT = 720, 18, 120


@dataclass(frozen=True, slots=True)
class Run:
    """One service's replay, for the page."""

    judge: Judge
    builds: Sequence[str]
    digests: Sequence[str]
    seconds: float


def page(runs: Sequence[Run], at: datetime, source: str, walled: bool) -> str:
    """The whole page."""
    wall = "in a network namespace without interfaces" if walled else "with a guard inside the process alone"
    body = [
        "<h1>Replay of recorded decisions</h1>",
        f"<p>Made {at:%d %B %Y %H:%M} UTC from {_text(source)}. Each service decided its records again in a process of"
        f" its own, {wall}, under two hash seeds.</p>",
        _table(
            ("Verdict", "means", *(run.judge.service for run in runs)),
            [(v.value, MEANS[v], *(f"{run.judge.counts[v]:,}" for run in runs)) for v in Verdict],
        ),
    ]
    for run in runs:
        body += _service(run)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Replay</title><style>'
        "body{font-family:sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse}"
        "th,td{border:1px solid #b1b4b6;padding:.3rem .6rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
        "code{font-size:.9em}</style></head><body>" + "".join(body) + "</body></html>\n"
    )


def _service(run: Run) -> Iterable[str]:
    judge = run.judge
    yield f"<h2>{_text(judge.service)}</h2>"
    total = sum(judge.counts.values())
    rate = total / run.seconds if run.seconds else 0
    agree = "the same" if len(set(run.digests)) == 1 else "NOT the same: something depends on the hash seed"
    yield (
        f"<p>{total:,} decisions, {rate:,.0f} a second. Builds: {_text(', '.join(run.builds))}. Digests of both runs"
        f" are {agree}: <code>{_text(' '.join(sorted(set(run.digests))))}</code></p>"
    )
    yield picture(judge)
    if judge.findings:
        yield "<h3>What did not come out the same</h3>"
        yield _table(("Verdict", "place", "event", "field: recorded, now"), [_row(f) for f in judge.findings])


def _row(found: Finding) -> tuple[str, str, str, str]:
    paths = "; ".join(f"{name}: {_short(was)}, {_short(now)}" for name, was, now in found.paths)
    return found.verdict.value, found.place, found.event_id, paths


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def picture(judge: Judge) -> str:
    """Decisions a day, by verdict, as stacked bars."""
    days = sorted(judge.by_day)
    if not days:
        return ""
    most = max(sum(judge.by_day[day].values()) for day in days)
    step = min(_BAR + 4, _WIDTH // len(days)) or 1
    bars = []
    for n, day in enumerate(days):
        top = _HEIGHT
        for verdict in Verdict:
            count = judge.by_day[day][verdict]
            if not count:
                continue
            # What is wrong is seen however little of it there is.
            high = max(round(count * _HEIGHT / most), 1 if verdict in (Verdict.SAME, Verdict.SEALED) else 3)
            top -= high
            title = f"<title>{day}: {count:,} {verdict.value}</title>"
            bars.append(
                f'<rect x="{n * step}" y="{top}" width="{max(step - 2, 1)}" height="{high}" fill="{COLOURS[verdict]}">'
                f"{title}</rect>"
            )
    label = f"Decisions a day from {days[0]} to {days[-1]}, by verdict"
    return (
        f'<figure><svg role="img" aria-label="{label}" viewBox="0 -12 {_WIDTH} {_HEIGHT + 16}" width="100%">'
        f"{''.join(bars)}</svg><figcaption>{label}</figcaption></figure>"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: object) -> str:
    return html.escape(str(value))
