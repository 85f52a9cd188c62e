"""What status believes of one person, as alerts reads it: projected into the future, asked by day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

NOT_KNOWN = ("810", "NOT_KNOWN")
EET_GROUPS = frozenset({"EET", "EET_SOFT", "PRE16_IN"})
NEET_GROUPS = frozenset({"NEET", "NEET_UNAVAILABLE"})
AWAITING = "NEET_AWAITING_START"


@dataclass(frozen=True, slots=True)
class Span:
    """Days with one code."""

    start: date
    end: date | None
    code: str
    group: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Episode:
    """A NEET episode."""

    start: date
    end: date | None
    re_entry: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A named stretch of days."""

    name: str
    start: date
    end: date | None


@dataclass(frozen=True, slots=True)
class Wait:
    """An agreed start and how its wait ends."""

    agreed_on: date
    starts_on: date
    ends_on: date
    kind: str
    ended_by: str


@dataclass(frozen=True, slots=True)
class Plan:
    """State of an EHC plan from a moment on."""

    known_at: str
    start: date
    state: str
    hold: str | None
    appeal_deadline_on: date | None
    refused: bool
    event_id: str | None


@dataclass(frozen=True, slots=True)
class Belief:
    """Everything status says about one person."""

    date_of_birth: date | None = None
    timeline: tuple[Span, ...] = ()
    episodes: tuple[Episode, ...] = ()
    marks: tuple[Mark, ...] = ()
    waits: tuple[Wait, ...] = ()
    plans: tuple[Plan, ...] = ()
    #: What it holds of whatever day: names of marks, without what follows a colon, ``episode``, ``wait`` and ``plan``.
    #: Not written: orjson leaves out what begins with an underscore.
    _kinds: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = {mark.name.partition(":")[0] for mark in self.marks}
        held = (("episode", self.episodes), ("wait", self.waits), ("plan", self.plans))
        found |= {name for name, some in held if some}
        object.__setattr__(self, "_kinds", frozenset(found))

    @property
    def kinds(self) -> frozenset[str]:
        """What a rule may rest on (``Rule.rests_on``)."""
        return self._kinds

    def marked_on(self, day: date) -> frozenset[str]:
        """Names of the marks that cover a day."""
        return frozenset(
            [mark.name for mark in self.marks if mark.start <= day and (mark.end is None or day <= mark.end)]
        )

    def span(self, day: date) -> Span | None:
        for span in self.timeline:
            if span.start <= day and (span.end is None or day <= span.end):
                return span
        return None

    def code(self, day: date) -> str:
        span = self.span(day)
        return NOT_KNOWN[0] if span is None else span.code

    def group(self, day: date) -> str:
        span = self.span(day)
        return NOT_KNOWN[1] if span is None else span.group

    def unknown_since(self, day: date) -> date | None:
        """First day of the run of NOT_KNOWN that covers ``day``; date.min if nothing was ever known before."""
        if self.group(day) != NOT_KNOWN[1]:
            return None
        since = date.min
        for span in self.timeline:
            if span.start > day:
                break
            if span.group != NOT_KNOWN[1]:
                since = date.min
            elif since == date.min:
                since = span.start
        return since

    def episode(self, day: date) -> Episode | None:
        for episode in self.episodes:
            if episode.start <= day and (episode.end is None or day <= episode.end):
                return episode
        return None

    def marked(self, name: str, day: date) -> Mark | None:
        for mark in self.marks:
            if mark.name == name and mark.start <= day and (mark.end is None or day <= mark.end):
                return mark
        return None


def day_of(value: Any) -> date | None:
    """A date as Avro or JSON yields it."""
    if value is None or type(value) is date:
        return value
    return date.fromisoformat(value)


def parse(body: Mapping[str, Any]) -> Belief:
    """From the Belief of status.v1, or from the stored form of this class."""
    return Belief(
        date_of_birth=day_of(body["date_of_birth"]),
        timeline=tuple(
            Span(_day(s["start"]), day_of(s["end"]), s["code"], s["group"], s["source"]) for s in body["timeline"]
        ),
        episodes=tuple(Episode(_day(e["start"]), day_of(e["end"]), e["re_entry"]) for e in body["episodes"]),
        marks=tuple(Mark(m["name"], _day(m["start"]), day_of(m["end"])) for m in body["marks"]),
        waits=tuple(
            Wait(_day(w["agreed_on"]), _day(w["starts_on"]), _day(w["ends_on"]), w["kind"], w["ended_by"])
            for w in body["waits"]
        ),
        plans=tuple(_plan(p) for p in body["plans"]),
    )


def _plan(body: Mapping[str, Any]) -> Plan:
    known = body["known_at"]
    return Plan(
        known.isoformat() if isinstance(known, datetime) else str(known),
        _day(body["start"]),
        body["state"],
        body["hold"],
        day_of(body["appeal_deadline_on"]),
        body["refused"],
        body["event_id"],
    )


def _day(value: Any) -> date:
    return value if type(value) is date else date.fromisoformat(value)


def days_of_change(belief: Belief) -> Iterable[date]:
    """Every day on which something of the belief begins or has just ended."""
    one = date.resolution
    for span in belief.timeline:
        yield span.start
        if span.end is not None:
            yield span.end + one
    for start, end in [(e.start, e.end) for e in belief.episodes] + [(m.start, m.end) for m in belief.marks]:
        yield start
        if end is not None:
            yield end + one
    for wait in belief.waits:
        yield wait.ends_on + one
    for plan in belief.plans:
        if plan.appeal_deadline_on is not None:
            yield plan.appeal_deadline_on + one
