"""The report of a replay for an auditor: one HTML file that needs nothing else, no script and no network."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.replay.engine import Difference
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
#: What a comparison shows of a day, and of a kind of act.
_ALIKE: Mapping[str, str] = {"alike": "#b1b4b6", "otherwise": "#d4351c"}
_TOLD: Mapping[str, str] = {"both": "#b1b4b6", "only as it is": "#1d70b8", "only as it would be": "#f47738"}
_WIDTH, _BAR, _HEIGHT = 720, 18, 120
_LABEL, _LANE = 160, 20


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
    return _whole("Replay", body)


def comparison(found: Difference, service: str, against: str, at: datetime, source: str) -> str:
    """The page of ``hub compare``: counts first, and no person's name or id."""
    days = {day: dict(zip(_ALIKE, counts, strict=True)) for day, counts in found.by_day.items()}
    return _whole(
        "Comparison",
        [
            "<h1>What would have been decided</h1>",
            f"<p>Made {at:%d %B %Y %H:%M} UTC from {_text(source)}: the records of {_text(service)}, decided as it is"
            f" and under {_text(against)}. What an earlier service would have passed on otherwise is not followed.</p>",
            f"<p><strong>{found.otherwise:,} of {found.decisions:,} decisions otherwise, about {found.people:,}"
            " people.</strong></p>",
            bars(days, _ALIKE, "Decisions a day", seen=("otherwise",)),
            "<h2>What is told</h2>",
            lanes(found.told),
            _table(
                ("what", *_TOLD),
                [(what, *(f"{count:,}" for count in counts)) for what, counts in found.told.items()],
            ),
        ],
    )


def _whole(title: str, body: Iterable[str]) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>'
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
    """Decisions a day, by verdict."""
    good = (Verdict.SAME, Verdict.SEALED)
    days = {day: {v.value: n for v, n in counts.items()} for day, counts in judge.by_day.items()}
    colours = {verdict.value: colour for verdict, colour in COLOURS.items()}
    return bars(days, colours, "Decisions a day", ", by verdict", seen=[v.value for v in Verdict if v not in good])


def lanes(told: Mapping[str, tuple[int, int, int]]) -> str:
    """What is told by both, only as it is, only as it would be: a bar each."""
    most = max((sum(counts) for counts in told.values()), default=0)
    if not most:
        return ""
    drawn = []
    for n, (what, counts) in enumerate(told.items()):
        left = _LABEL
        drawn.append(f'<text x="0" y="{n * _LANE + 12}" font-size="12">{_text(what)}</text>')
        for (name, colour), count in zip(_TOLD.items(), counts, strict=True):
            if not count:
                continue
            wide = max(round(count * (_WIDTH - _LABEL) / most), 2)
            drawn.append(
                f'<rect x="{left}" y="{n * _LANE}" width="{wide}" height="{_LANE - 4}" fill="{colour}">'
                f"<title>{_text(what)}: {count:,} {name}</title></rect>"
            )
            left += wide
    return _figure(f"What is told: {', '.join(_TOLD)}", _TOLD, drawn, 0, len(told) * _LANE)


def bars(
    by_day: Mapping[str, Mapping[str, int]],
    colours: Mapping[str, str],
    title: str,
    more: str = "",
    seen: Collection[str] = (),
) -> str:
    """Counts a day as stacked bars. What is named in ``seen`` is seen however little of it there is."""
    days = sorted(by_day)
    if not days:
        return ""
    most = max(sum(by_day[day].values()) for day in days)
    step = min(_BAR + 4, _WIDTH // len(days)) or 1
    drawn = []
    for n, day in enumerate(days):
        top = _HEIGHT
        for name, colour in colours.items():
            count = by_day[day].get(name, 0)
            if not count:
                continue
            high = max(round(count * _HEIGHT / most), 3 if name in seen else 1)
            top -= high
            drawn.append(
                f'<rect x="{n * step}" y="{top}" width="{max(step - 2, 1)}" height="{high}" fill="{colour}">'
                f"<title>{day}: {count:,} {name}</title></rect>"
            )
    shown = {name: colour for name, colour in colours.items() if any(by_day[day].get(name) for day in days)}
    return _figure(f"{title} from {days[0]} to {days[-1]}{more}", shown, drawn, -12, _HEIGHT + 16)


def _figure(label: str, colours: Mapping[str, str], drawn: Iterable[str], top: int, high: int) -> str:
    key = " ".join(f'<span style="color:{colour}">&#9632;</span> {name}' for name, colour in colours.items())
    return (
        f'<figure><svg role="img" aria-label="{label}" viewBox="0 {top} {_WIDTH} {high}" width="100%">'
        f"{''.join(drawn)}</svg><figcaption>{label}. {key}</figcaption></figure>"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: object) -> str:
    return html.escape(str(value))
