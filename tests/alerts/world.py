"""A person's world for tests of rules: facts and beliefs go in by hand, days pass, alerts come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from services.alerts.belief import Belief, Episode, Mark, Plan, Span, Wait
from services.alerts.case import Case
from services.alerts.decide import Settings, decide, due_on
from services.alerts.policy import Policy
from services.alerts.reading import Acted, News, Ticked, Told, millis
from services.alerts.rules import ORDER
from services.alerts.scope import scope_ended
from services.alerts.settings import load
from services.alerts.sharing import Readable, Shared
from services.alerts.state import Alert, Seen, State, Subject, decode, encode
from spine.clock import local_date
from spine.record import Effect

ROOT = Path(__file__).resolve().parents[2]
GROUPS = {"230": "EET", "240": "EET", "280": "EET", "330": "EET", "210": "EET", "530": "EET_SOFT", "110": "PRE16_IN"}
GROUPS |= {
    "619": "NEET",
    "610": "NEET",
    "630": "NEET_UNAVAILABLE",
    "620": "NEET_UNAVAILABLE",
    "640": "NEET_UNAVAILABLE",
    "650": "NEET_UNAVAILABLE",
    "670": "NEET_UNAVAILABLE",
}
GROUPS |= {
    "615": "NEET_AWAITING_START",
    "616": "NEET_AWAITING_START",
    "810": "NOT_KNOWN",
    "710": "CUSTODY",
    "290": "CUSTODY",
}
KINDS = {"college": "college", "care": "social-care", "send": "send", "jcp": "jobcentre-plus", "yjt": "youth-justice"}
CATEGORIES = frozenset(
    {"identity", "contact", "education", "attendance", "status", "neet_reason", "employment", "benefit"}
)
CATEGORIES |= {"care", "youth_justice", "health", "pregnancy", "send", "housing", "plan"}


@dataclass(frozen=True, slots=True)
class Everything:
    """Agreements that cover everything: masks alone decide."""

    digest: str = "everything"

    def next_turn(self, after: date) -> date | None:
        del after
        return None

    def agreed_with(self, council: str, today: date) -> bool:
        del council, today
        return True

    def readable(self, fact: Shared, role: str, rule: str, today: date, consented: Callable[[str], bool]) -> Readable:
        del role, rule, today, consented
        fields = {f"subject.{n}": "identity" for n in ("given_name", "family_name", "date_of_birth")}
        fields |= {f"subject.{n}": "contact" for n in ("postcode", "address_line", "phone", "email")}
        from services.alerts.masks import category_of

        category = category_of(fact.type)
        names = getattr(fact, "data", {})
        fields |= {f"data.{name}": category for name in names}
        return Readable(f"isa-{fact.source}@1", CATEGORIES, fields)


@lru_cache
def settings() -> Settings:
    return load(ROOT / "contracts", Everything())


def policy() -> Policy:
    return settings().policy


def d(text: str) -> date:
    return date.fromisoformat(text)


def span(start: str, end: str | None, code: str, source: str = "college") -> Span:
    return Span(d(start), d(end) if end else None, code, GROUPS[code], source)


def mark(name: str, start: str = "2020-01-01", end: str | None = None) -> Mark:
    return Mark(name, d(start), d(end) if end else None)


def episode(start: str, end: str | None = None) -> Episode:
    return Episode(d(start), d(end) if end else None)


def wait(agreed: str, starts: str, ends: str, ended_by: str = "lapse") -> Wait:
    return Wait(d(agreed), d(starts), d(ends), "further_education", ended_by)


def plan(start: str, hold: str | None, event_id: str, *, deadline: str | None = None, refused: bool = False) -> Plan:
    return Plan(
        f"{start}T09:00:00+00:00", d(start), "maintained", hold, d(deadline) if deadline else None, refused, event_id
    )


def belief(
    *spans: Span,
    born: str | None = "2008-06-15",
    marks: Sequence[Mark] = (),
    episodes: Sequence[Episode] = (),
    waits: Sequence[Wait] = (),
    plans: Sequence[Plan] = (),
) -> Belief:
    return Belief(d(born) if born else None, spans, tuple(episodes), tuple(marks), tuple(waits), tuple(plans))


def unheard(policy: Policy, state: State) -> list[str]:
    """Rules with a ground that stands today and of which no open alert speaks; custody and an ended case apart."""
    assert state.last_day is not None
    case = Case(state, state.last_day, policy)
    if scope_ended(case):
        return []
    said = {(alert.rule, matter) for alert in state.alerts if alert.open for matter in (alert.matter, *alert.folded)}
    grounds = [
        (rule, rule.ground(case))
        for rule in ORDER
        if not (rule.silent_in_custody and case.in_custody) and (not rule.wants or case.holds_any(rule.wants))
    ]
    return [rule.id for rule, ground in grounds if ground is not None and (rule.id, ground.matter) not in said]


@dataclass(slots=True)
class World:
    """One person. ``every_day`` feeds ticks daily, as the hub does for keys that are due."""

    state: State = field(default_factory=lambda: State("person-1"))
    effects: list[Effect] = field(default_factory=list)
    every_day: bool = True
    number: int = 0
    settings: Settings = field(default_factory=lambda: settings())

    def feed(self, news: News) -> list[Effect]:
        before = encode(self.state)
        assert encode(decode(before)) == before
        held = decode(before)
        self.state, effects = decide(self.settings, held, news)
        if held.settled is not None and isinstance(news, Told):
            assert decide(self.settings, replace(held, settled=None), news)[1] == effects, "settled, and told otherwise"
        if self.state.settled is not None:
            assert not unheard(self.settings.policy, self.state), (
                "settled, and a ground stands that no alert was raised for"
            )
        self.effects += effects
        return effects

    def tell(
        self,
        type: str,
        effective: str,
        *,
        received: str | None = None,
        source: str = "college",
        belief: Belief | None = None,
        how: str = "observed",
        event_id: str | None = None,
        subject: dict[str, str] | None = None,
        from_person: str = "",
        known: str | None = None,
        dropped: Sequence[str] = (),
        more: bool = False,
        **data: Any,
    ) -> list[Effect]:
        """An observation arrives at noon of ``received`` (default: its effective day)."""
        self.number += 1
        at = datetime.fromisoformat(f"{received or effective}T12:00:00+00:00") + timedelta(seconds=self.number)
        known_at = at if known is None else datetime.fromisoformat(f"{known}T12:00:00+00:00")
        event_id = event_id or f"e{self.number}"
        kind = KINDS.get(source, "college")
        seen = Seen(
            event_id, source, kind, event_id, type, d(effective), local_date(at), millis(at), millis(known_at),
            agreement=f"isa-{source}@1", from_person=from_person, dropped=tuple(dropped), data=data,
        )  # fmt: skip
        named = (
            {"given_name": "Robin", "family_name": "Marsh", "date_of_birth": "2008-06-15"}
            if subject is None
            else subject
        )
        who = Subject(source, kind, type, d(effective), millis(at), f"isa-{source}@1", named)
        other = from_person or None
        return self.feed(Told(event_id, how, known_at, seen, who, belief, other, None, False, event_id, more))

    def review(self, cause: str, on: str, review_id: str = "r1", safeguarding: bool = False) -> list[Effect]:
        self.number += 1
        at = datetime.fromisoformat(f"{on}T12:00:00+00:00")
        return self.feed(Told(f"r{self.number}", cause, at, None, None, None, None, review_id, safeguarding, None))

    def withdraw(self, on: str, event_id: str, to: str, *, more: bool = False) -> list[Effect]:
        self.number += 1
        at = datetime.fromisoformat(f"{on}T12:00:00+00:00")
        return self.feed(Told(f"w{self.number}", "withdrawn", at, None, None, None, to, None, False, event_id, more))

    def act(self, rule: str, verb: str, on: str, value: str = "", role: str = "") -> list[Effect]:
        self.number += 1
        alert = self.alert(rule)
        return self.feed(
            Acted(f"a{self.number}", datetime.fromisoformat(f"{on}T12:00:00+00:00"), alert.alert_id, verb, value, role)
        )

    def until(self, last: str) -> World:
        """Days pass up to and including ``last``."""
        day = (self.state.last_day or d(last)) + timedelta(days=1)
        while day <= d(last):
            due = None if self.every_day else due_on(self.settings, self.state)
            if self.every_day or (due is not None and due <= day):
                self.feed(Ticked(f"tick-{day}", day))
            day += timedelta(days=1)
        return self

    def alerts(self, rule: str) -> list[Alert]:
        return [alert for alert in self.state.alerts if alert.rule == rule]

    def alert(self, rule: str) -> Alert:
        (found,) = self.alerts(rule)
        return found

    def rules(self) -> list[str]:
        return sorted(alert.rule for alert in self.state.alerts)

    def lives(self, *rules: str) -> list[tuple[str, str, str | None, str]]:
        """(rule, raised, closed, outcome) of the rules asked for, or of all."""
        return [
            (a.rule, a.raised_on.isoformat(), a.closed_on.isoformat() if a.closed_on else None, a.outcome)
            for a in self.state.alerts
            if not rules or a.rule in rules
        ]

    def to(self, rule: str) -> set[str]:
        return {recipient.role for recipient in self.alert(rule).recipients}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
