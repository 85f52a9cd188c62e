"""A person's life as the hub knew it, as one SVG: lanes of days, with the words in a table that is read aloud. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape

from hub.person.told import Told

WIDTH, LEFT, LANE, BAR = 1_100, 190, 34, 22
MONTHS_MAX = 11
_DAY = timedelta(days=1)
#: Group -> fill. Dark enough for white letters (contrast 4.5 and more); the code stands in every bar that has room.
_FILL = {
    "EET": "#00703c",
    "EET_SOFT": "#3a6b35",
    "PRE16_IN": "#1d70b8",
    "CUSTODY": "#4c2c92",
    "NEET": "#a8190f",
    "NEET_UNAVAILABLE": "#8a3a06",
    "NEET_AWAITING_START": "#7a4d00",
    "NOT_KNOWN": "#505a5f",
}


@dataclass(frozen=True, slots=True)
class _Bar:
    start: date
    end: date | None
    label: str
    fill: str


def svg(told: Told) -> str:
    """An SVG document. Bars that are open end at the later of the day asked about and the day of knowing."""
    today = max(told.on, told.known_at.date())
    lanes = _lanes(told)
    starts = [bar.start for _, bars in lanes for bar in bars] or [told.on]
    first = min([*starts, told.on])
    last = max([today, *(bar.end for _, bars in lanes for bar in bars if bar.end is not None)]) + timedelta(days=14)
    scale = _Scale(first, last)
    height = 70 + LANE * len(lanes)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-labelledby="t d" font-family="Arial, sans-serif" font-size="13">',
        f'<title id="t">Timeline, known at {told.known_at:%Y-%m-%d %H:%M} UTC</title>',
        f'<desc id="d">{escape(_words(told))}</desc>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *_months(scale, height),
    ]
    for number, (name, bars) in enumerate(lanes):
        top = 40 + LANE * number
        parts.append(f'<text x="8" y="{top + 16}" fill="#0b0c0c">{escape(name)}</text>')
        parts += [_bar(scale, bar, top, last) for bar in bars]
    parts.append(_line(scale, told.on, height, f"day asked about {told.on}", "#0b0c0c", ""))
    parts.append(_line(scale, told.known_at.date(), height, "known until here", "#d4351c", "5 4"))
    return "\n".join([*parts, "</svg>"])


@dataclass(frozen=True, slots=True)
class _Scale:
    first: date
    last: date

    def x(self, day: date) -> float:
        whole = max(1, (self.last - self.first).days)
        return LEFT + (min(max(day, self.first), self.last) - self.first).days * (WIDTH - LEFT - 10) / whole


def _lanes(told: Told) -> list[tuple[str, Sequence[_Bar]]]:
    lanes: list[tuple[str, Sequence[_Bar]]] = [
        ("Status", [_Bar(one.start, one.end, one.code, _FILL.get(one.group, "#505a5f")) for one in told.timeline]),
        ("NEET episodes", [_Bar(one.start, one.end, one.detail, "#a8190f") for one in told.episodes]),
        ("Agreed starts", [_Bar(one.start, one.end, one.name, "#7a4d00") for one in told.waits]),
    ]
    for name in sorted({one.name for one in told.marks}):
        lanes.append(
            (name.replace("_", " "), [_Bar(m.start, m.end, "", "#1d70b8") for m in told.marks if m.name == name])
        )
    known = told.known_at.date()
    for rule in sorted({one.rule for one in told.alerts}):
        mine = [one for one in told.alerts if one.rule == rule]
        lanes.append(
            (f"Alert {rule}", [_Bar(one.raised_on, one.closed_on or known, one.outcome, "#594d00") for one in mine])
        )
    return [(name, bars) for name, bars in lanes if bars]


def _bar(scale: _Scale, bar: _Bar, top: int, last: date) -> str:
    x, to = scale.x(bar.start), scale.x((bar.end or last) + _DAY)
    width = max(3.0, to - x)
    words = f"{bar.label} {bar.start} to {bar.end or 'open'}".strip()
    room = len(bar.label) * 7.5 + 8 < width
    label = f'<text x="{x + 4:.1f}" y="{top + 16}" fill="#ffffff">{escape(bar.label)}</text>' if room else ""
    return (
        f'<g><rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{bar.fill}" stroke="#ffffff">'
        f"<title>{escape(words)}</title></rect>{label}</g>"
    )


def _months(scale: _Scale, height: int) -> list[str]:
    months = []
    day = scale.first.replace(day=1)
    while day <= scale.last:
        if day >= scale.first:
            months.append(day)
        day = (day + timedelta(days=32)).replace(day=1)
    step = len(months) // MONTHS_MAX + 1
    return [
        f'<path d="M{scale.x(day):.1f} 24V{height - 28}" stroke="#b1b4b6"/>'
        f'<text x="{scale.x(day) + 3:.1f}" y="20" fill="#505a5f">{day:%b %Y}</text>'
        for day in months[::step]
    ]


def _line(scale: _Scale, day: date, height: int, words: str, colour: str, dash: str) -> str:
    x = scale.x(day)
    anchor, at = ("end", x - 4) if x > WIDTH / 2 else ("start", x + 4)
    y = height - 8 if dash else height - 22
    return (
        f'<path d="M{x:.1f} 24V{height - 4}" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        f'<text x="{at:.1f}" y="{y}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'
    )


def _words(told: Told) -> str:
    spans = "; ".join(f"{one.code} from {one.start} to {one.end or 'open'}" for one in told.timeline)
    alerts = "; ".join(f"{one.rule} raised {one.raised_on}, {one.outcome}" for one in told.alerts)
    return f"Status: {spans or 'nothing known'}. Alerts: {alerts or 'none'}."
