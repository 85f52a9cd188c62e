"""Counting: each person once, by one belief asked on several days; then tables with small numbers hidden. Pure.

A count never becomes a rate before it is suppressed; numerator and denominator stand beside every rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from hub.measures.suppress import hidden, small
from hub.returns.nccis import academic_age
from services.alerts.state import State as Alerts
from services.status import codes
from services.status.belief import Belief

NEET, NOT_KNOWN, OTHER = 0, 1, 2
#: Custody of young adults is outside the denominator (DOMAIN 1.4).
OUTSIDE = frozenset({"710"})
Counts = list[int]


@dataclass(frozen=True, slots=True)
class Settings:
    """Of contracts/policy/measures.yaml."""

    below: int
    ages: frozenset[int]
    vulnerable: tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """What is counted. ``parts``: breakdown -> part -> [NEET, not known, others]. ``shares``: measure -> [yes, no]."""

    on: date
    months: tuple[date, ...]
    parts: dict[str, dict[str, Counts]] = field(default_factory=dict)
    trend: dict[date, Counts] = field(default_factory=dict)
    shares: dict[str, Counts] = field(default_factory=dict)
    #: Match reviews that are counted: one stands with two states.
    reviews: set[str] = field(default_factory=set)

    def part(self, breakdown: str, part: str, which: int) -> None:
        self.parts.setdefault(breakdown, {}).setdefault(part, [0, 0, 0])[which] += 1

    def share(self, measure: str, yes: bool) -> None:
        self.shares.setdefault(measure, [0, 0])[not yes] += 1


def add(tally: Tally, told: Belief, alerts: Alerts, known: int, settings: Settings) -> None:
    """Count one person. Whoever has no known date of birth is in no cohort."""
    _alerts(tally, alerts, known)
    if told.born is None:
        return
    for month in tally.months:
        if _inside(told, month, settings) and told.code(month.toordinal()) not in OUTSIDE:
            tally.trend.setdefault(month, [0, 0, 0])[which(told.code(month.toordinal()))] += 1
    day = tally.on.toordinal()
    code = told.code(day)
    if code in OUTSIDE or told.over(day):
        return
    groups = [name for name in settings.vulnerable if told.marked(name, day)]
    if _inside(told, tally.on, settings):
        _cohort(tally, told, alerts, known, which(code), groups)
    _groups(tally, told, groups, day, code)


def which(code: str) -> int:
    """An agreed start is NEET until it begins (DOMAIN 1.1)."""
    group = codes.GROUPS[code]
    if group == "NOT_KNOWN":
        return NOT_KNOWN
    return NEET if group in codes.NEET_GROUPS or group == codes.AWAITING else OTHER


def _inside(told: Belief, on: date, settings: Settings) -> bool:
    return told.born is not None and not told.over(on.toordinal()) and academic_age(told.born, on) in settings.ages


def _cohort(tally: Tally, told: Belief, alerts: Alerts, known: int, of: int, groups: Sequence[str]) -> None:
    assert told.born is not None
    tally.part("all", "all", of)
    tally.part("academic age", str(academic_age(told.born, tally.on)), of)
    latest = max(alerts.subjects, key=lambda one: (one.effective_on, one.received_ms, one.source), default=None)
    sex = "" if latest is None else next((s.fields["sex"] for s in alerts.subjects if s.fields.get("sex")), "")
    postcode = "" if latest is None else latest.fields.get("postcode", "")
    tally.part("sex", str(sex) or "not recorded", of)
    tally.part("postcode district", postcode.split()[0] if postcode.strip() else "not recorded", of)
    tally.part("last provider", _last_provider(alerts, tally.on, known), of)
    tally.part("any vulnerable group", "yes" if groups else "no", of)
    for name in groups:
        tally.part("vulnerable group", name, of)


def _last_provider(alerts: Alerts, on: date, known: int) -> str:
    """Party id of where somebody learns or learnt last: each provider's own leavers are in its row (G5)."""
    enrolled = [
        fact
        for fact in alerts.facts
        if fact.type == "education.enrolment.started" and fact.effective_on <= on and fact.known_ms <= known
    ]
    return max(enrolled, key=lambda fact: fact.order).source if enrolled else "not recorded"


def _groups(tally: Tally, told: Belief, groups: Sequence[str], day: int, code: str) -> None:
    eet = codes.GROUPS[code] in codes.EET_GROUPS
    span = told.span(day)
    if "care_leaver" in groups:
        tally.share("care_leaver_he", code == "240" or (span is not None and span.higher_education))
    if "care_leaver" in groups or "looked_after" in groups:
        tally.share("care_experienced_eet", eet)
    if "yj_open" in groups:
        tally.share("yj_ete", eet)


def _alerts(tally: Tally, alerts: Alerts, known: int) -> None:
    for one in alerts.alerts:
        if one.test or one.opened_ms > known or one.barred:
            continue
        closed = one.closed_on if one.closed_ms is not None and one.closed_ms <= known else None
        tally.share("alerts_retracted", closed is not None and one.outcome == "retracted")
        if closed is not None or one.due_on < tally.on:
            tally.share("alerts_sla_met", closed is not None and closed <= one.due_on)


@dataclass(frozen=True, slots=True)
class Line:
    """One published rate; numerator and denominator are None where the row is hidden."""

    measure: str
    breakdown: str
    part: str
    numerator: int | None
    denominator: int | None

    @property
    def percent(self) -> float | None:
        if self.numerator is None or not self.denominator:
            return None
        return round(100 * self.numerator / self.denominator, 1)


def lines(tally: Tally, settings: Settings) -> list[Line]:
    """Everything that may be published. The whole cohort's row goes wherever a breakdown would need it hidden."""
    out: list[Line] = []
    total_hidden = False
    for breakdown, parts in sorted(tally.parts.items()):
        names = sorted(parts)
        partition = breakdown not in ("vulnerable group", "all")
        hide, total = hidden([parts[name] for name in names], settings.below, partition=partition)
        if breakdown == "vulnerable group":
            hide |= _tells_of_the_rest([parts[name] for name in names], tally.parts["any vulnerable group"], settings)
        total_hidden |= total or (breakdown == "all" and bool(hide))
        if breakdown != "all":
            for n, name in enumerate(names):
                out += _rates(breakdown, name, None if n in hide else parts[name])
    whole = tally.parts.get("all", {}).get("all", [0, 0, 0])
    yes = next(
        (one for one in out if (one.breakdown, one.part, one.measure) == ("any vulnerable group", "yes", "neet")), None
    )
    head = _rates("all", "all", None if total_hidden else whole)
    if yes is not None:
        head.append(Line("vulnerable_neet", "all", "all", yes.numerator, yes.denominator))
    for measure, (one, other) in sorted(tally.shares.items()):
        shown = not small((one, other), settings.below)
        head.append(Line(measure, "all", "all", one if shown else None, one + other if shown else None))
    return head + out


def _tells_of_the_rest(groups: Sequence[Counts], either: Mapping[str, Counts], settings: Settings) -> frozenset[int]:
    """Groups that, beside all vulnerable people, would tell of the few who are in another; all if those are hidden."""
    names = sorted(either)
    hide, _ = hidden([either[name] for name in names], settings.below, partition=True)
    everybody = either["yes"]
    if names.index("yes") in hide:
        return frozenset(range(len(groups)))
    rest = [[a - b for a, b in zip(everybody, group, strict=True)] for group in groups]
    return frozenset(n for n, counts in enumerate(rest) if small(counts, settings.below))


def _rates(breakdown: str, part: str, counts: Sequence[int] | None) -> list[Line]:
    if counts is None:
        return [Line(name, breakdown, part, None, None) for name in ("neet", "not_known", "combined", "known")]
    neet, unknown, _ = counts
    whole = sum(counts)
    found = {"neet": neet, "not_known": unknown, "combined": neet + unknown, "known": whole - unknown}
    return [Line(name, breakdown, part, count, whole) for name, count in found.items()]


def trend(tally: Tally, settings: Settings) -> list[tuple[date, float | None]]:
    """NEET percent at each month's end; None where the counts are small or nobody is there."""
    out: list[tuple[date, float | None]] = []
    for month in tally.months:
        counts = tally.trend.get(month, [0, 0, 0])
        shown = sum(counts) > 0 and not small(counts, settings.below)
        out.append((month, round(100 * counts[NEET] / sum(counts), 1) if shown else None))
    return out


def annual(months: Mapping[date, Sequence[int]], below: int) -> tuple[float | None, float | None]:
    """Average NEET and not-known percent of December, January and February (DOMAIN 1.4); all three needed."""
    held = {day.month: counts for day, counts in months.items() if day.month in (12, 1, 2)}
    if len(held) < 3 or any(small(counts, below) or not sum(counts) for counts in held.values()):
        return None, None
    shares = [[100 * counts[n] / sum(counts) for counts in held.values()] for n in (NEET, NOT_KNOWN)]
    return round(sum(shares[0]) / 3, 1), round(sum(shares[1]) / 3, 1)
