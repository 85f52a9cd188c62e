"""What alerts keeps of one person: facts seen, the latest belief, and every alert's life. Deterministic bytes."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from operator import attrgetter
from typing import Any, NamedTuple, cast

import orjson

from services.alerts.belief import Belief, day_of
from services.alerts.belief import parse as parse_belief
from services.alerts.facts import Facts, written

Value = str | int | float | bool | None | list[str]
_NO_DATA: Mapping[str, Any] = {}


class Seen(NamedTuple):
    """One accepted observation, as the rules need it. Times are whole milliseconds; dates in data are ISO text.

    A tuple, because a person has dozens of them and each decision reads and writes them all.
    """

    event_id: str
    source: str
    source_kind: str
    message_id: str
    type: str
    effective_on: date
    received_on: date
    received_ms: int
    known_ms: int
    agreement: str = ""
    sequence: int = -1
    from_person: str = ""
    dropped: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    test: bool = False
    data: Mapping[str, Value] = _NO_DATA

    def text(self, name: str) -> str:
        value = self.data.get(name)
        return value if isinstance(value, str) else ""

    def words(self, name: str) -> tuple[str, ...]:
        value = self.data.get(name)
        return tuple(value) if isinstance(value, list) else ()

    def day(self, name: str) -> date | None:
        value = self.data.get(name)
        return date.fromisoformat(value) if isinstance(value, str) and value else None

    def flag(self, name: str) -> bool:
        return self.data.get(name) is True

    def number(self, name: str) -> float | None:
        value = self.data.get(name)
        # A flag is no number, though Python counts it as one.
        return value if type(value) is int or type(value) is float else None

    @property
    def order(self) -> tuple[date, int, int, str]:
        """The policy's "latest": effective day, then sequence, then receipt."""
        return (self.effective_on, self.sequence, self.received_ms, self.event_id)


class Copy(NamedTuple):
    """The same statement of the same source again (POLICY P3): no fact of its own while the first, ``of``, stands."""

    of: str
    event_id: str
    message_id: str
    agreement: str


@dataclass(frozen=True, slots=True)
class Subject:
    """How one source names the person now."""

    source: str
    source_kind: str
    type: str
    effective_on: date
    received_ms: int
    agreement: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who is told: a role, resolved to a team and worker where a case is assigned."""

    role: str
    team: str | None = None
    worker: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert's life. ``anchor`` and ``until`` are days of its ground (an episode's start, a wait's end).

    ``gone``: roles from which it was pulled back, because a consent or an agreement ended. ``former``: others who
    were told of it and hold no part in it (a manager, the worker before); they hear of it when it is retracted.
    """

    alert_id: str
    rule: str
    matter: str
    raised_on: date
    due_on: date
    severity: str
    opened_ms: int
    recipients: tuple[Recipient, ...]
    evidence: tuple[str, ...] = ()
    because: str = ""
    anchor: date | None = None
    until: date | None = None
    tag: str = ""
    source: str = ""
    owner: str = ""
    times: int = 1
    folded: tuple[str, ...] = ()
    closed_on: date | None = None
    closed_ms: int | None = None
    outcome: str = "open"
    acknowledged: bool = False
    escalated: bool = False
    barred: bool = False
    test: bool = False
    shown: str = ""
    gone: tuple[str, ...] = ()
    former: tuple[Recipient, ...] = ()
    snoozed_until: date | None = None

    @property
    def open(self) -> bool:
        return self.outcome == "open"


@dataclass(frozen=True, slots=True)
class Skip:
    """A mark that fell where its rule is silent: skipped, not deferred."""

    rule: str
    tag: str
    anchor: date
    on: date


@dataclass(frozen=True, slots=True)
class Shared:
    """A role that may only be told with a consent was told of an alert on a day."""

    on: date
    alert_id: str
    role: str


@dataclass(frozen=True, slots=True)
class State:
    """Everything kept under one person id (or stub).

    ``settled``: (day, name of the settings). Before that day and under those settings no rule has anything to say,
    unless a fact that it reads comes, the belief changes or a person acts. None: every rule must be asked.
    ``shared``: what was told under a consent, while a late word may still show that the consent had ended.
    ``until_whole``: the state before the first of several acts of one decision, of which more follow (POLICY P4).
    """

    person_id: str
    facts: tuple[Seen, ...] = ()
    subjects: tuple[Subject, ...] = ()
    belief: Belief | None = None
    alerts: tuple[Alert, ...] = ()
    skipped: tuple[Skip, ...] = ()
    reviews: Mapping[str, bool] = field(default_factory=dict)
    moved_to: str = ""
    last_day: date | None = None
    settled: tuple[date, str] | None = None
    shared: tuple[Shared, ...] = ()
    until_whole: State | None = None
    copies: tuple[Copy, ...] = ()
    #: What was written of this person's state before: a field's name, its value and the bytes. The same objects are
    #: not written again. Handed on from state to state; what begins with an underscore orjson leaves out.
    _written: dict[str, tuple[Any, ...]] = field(default_factory=dict, repr=False, compare=False)

    def alerts_written(self) -> bytes:
        """Bytes of the alerts, of which one or two are others than in the state before."""
        known = self._written.get("alerts")
        if known is None or known[0] is not self.alerts:
            before: dict[int, tuple[Alert, bytes]] = {} if known is None else known[2]
            each = {}
            for alert in self.alerts:
                # An id is one object's alone as long as that object is held here.
                held = before.get(id(alert))
                each[id(alert)] = (alert, written(alert)) if held is None else held
            body = b",".join([each[id(alert)][1] for alert in self.alerts])
            known = self._written["alerts"] = (self.alerts, b"[%b]" % body, each)
        return bytes(known[1])


_VALUES = attrgetter(*(one.name for one in fields(State)))
_PLACES = {one.name: place for place, one in enumerate(fields(State))}


def but(state: State, **changes: Any) -> State:
    """``dataclasses.replace`` at less than half of its cost, which is that of asking a rule or two."""
    values = list(_VALUES(state))
    for name, value in changes.items():
        values[_PLACES[name]] = value
    return State(*values)


_EFFECTIVE, _RECEIVED, _DROPPED, _WITHHELD = map(
    Seen._fields.index, ("effective_on", "received_on", "dropped", "withheld")
)


_order, _event_id = attrgetter("order"), attrgetter("event_id")


def facts_of(state: State) -> Facts:
    return state.facts if isinstance(state.facts, Facts) else Facts(state.facts)


def with_fact(state: State, seen: Seen, subject: Subject | None) -> State:
    """State that also knows ``seen``; facts stay in the policy's order."""
    held = facts_of(state)
    if seen.event_id not in map(_event_id, held) and (not held or held[-1].order <= seen.order):
        # Most come once and in their order.
        facts = held.plus(seen)
    else:
        others = [fact for fact in held if fact.event_id != seen.event_id]
        insort(others, seen, key=_order)
        facts = Facts(others)
    subjects = state.subjects
    if subject is not None:
        known = next((s for s in subjects if s.source == subject.source), None)
        newer = known is None or (known.effective_on, known.received_ms) <= (subject.effective_on, subject.received_ms)
        if newer and subject != known:
            subjects = tuple(
                sorted((*(s for s in subjects if s.source != subject.source), subject), key=lambda s: s.source)
            )
    return but(state, facts=facts, subjects=subjects)


def with_copy(state: State, seen: Seen) -> State:
    """State that knows that ``seen`` was said before. It counts when what it repeats is taken back or moves away."""
    if any(copy.event_id == seen.event_id for copy in state.copies):
        return state
    said = (seen.source, seen.type, seen.effective_on, seen.data)
    for fact in state.facts:
        if (fact.source, fact.type, fact.effective_on, fact.data) == said:
            again = Copy(fact.event_id, seen.event_id, seen.message_id, seen.agreement)
            return state if fact.event_id == seen.event_id else replace(state, copies=(*state.copies, again))
    return state


def without_fact(state: State, event_id: str | None) -> State:
    """State that no longer holds an observation that moved to somebody else. Who said the same stands in its place."""
    gone = [f.source for f in state.facts if f.event_id == event_id]
    copy = next((copy for copy in state.copies if event_id in (copy.of, copy.event_id)), None)
    if copy is not None:
        others = tuple(other for other in state.copies if other is not copy)
        if copy.event_id == event_id:
            return replace(state, copies=others)
        facts = Facts(_instead(f, copy) if f.event_id == event_id else f for f in state.facts)
        moved = tuple(other._replace(of=copy.event_id) if other.of == event_id else other for other in others)
        return replace(state, facts=facts, copies=moved)
    facts = Facts(f for f in state.facts if f.event_id != event_id)
    left = {f.source for f in facts}
    subjects = tuple(s for s in state.subjects if s.source in left or s.source not in gone)
    return replace(state, facts=facts, subjects=subjects)


def _instead(fact: Seen, copy: Copy) -> Seen:
    return fact._replace(event_id=copy.event_id, message_id=copy.message_id, agreement=copy.agreement)


#: Names of the fields of a state, and what stands before the value of each.
_HEADS = [
    (one.name, (b"," if place else b"{") + written(one.name) + b":")
    for place, one in enumerate(fields(State))
    if not one.name.startswith("_")
]


def encode(state: State) -> bytes:
    """Deterministic bytes: all fields of the state, in their order. What is the same object as in the state before is
    not written again."""
    out, before = [], state._written
    if not before:
        # Of most people one fact comes, and nobody asks for them again soon: all at once costs least.
        before["person_id"] = (state.person_id, written(state.person_id))
        return written(state)
    for name, head in _HEADS:
        out.append(head)
        if name == "facts":
            out.append(facts_of(state).written)
        elif name == "alerts":
            out.append(state.alerts_written())
        else:
            value, known = getattr(state, name), before.get(name)
            if known is None or known[0] is not value:
                known = before[name] = (value, written(value))
            out.append(known[1])
    out.append(b"}")
    return b"".join(out)


def decode(body: bytes) -> State:
    """The state that ``encode`` wrote."""
    return _state(orjson.loads(body))


def _state(read: dict[str, Any]) -> State:
    earlier = read.get("until_whole")
    return State(
        person_id=read["person_id"],
        facts=Facts(map(_seen, read["facts"])),
        subjects=tuple(_subject(s) for s in read["subjects"]),
        belief=None if read["belief"] is None else parse_belief(read["belief"]),
        alerts=tuple(_alert(a) for a in read["alerts"]),
        skipped=tuple(Skip(s["rule"], s["tag"], _day(s["anchor"]), _day(s["on"])) for s in read["skipped"]),
        reviews=read["reviews"],
        moved_to=read["moved_to"],
        last_day=day_of(read["last_day"]),
        settled=_settled(read.get("settled")),
        shared=tuple(Shared(_day(s["on"]), s["alert_id"], s["role"]) for s in read.get("shared", ())),
        copies=tuple(Copy._make(c) for c in read.get("copies", ())),
        until_whole=None if earlier is None else _state(earlier),
    )


def _settled(read: list[str] | None) -> tuple[date, str] | None:
    return None if read is None else (_day(read[0]), read[1])


def _day(value: Any) -> date:
    return date.fromisoformat(cast(str, value))


def _seen(read: list[Any]) -> Seen:
    read[_EFFECTIVE], read[_RECEIVED] = _day(read[_EFFECTIVE]), _day(read[_RECEIVED])
    read[_DROPPED], read[_WITHHELD] = tuple(read[_DROPPED]), tuple(read[_WITHHELD])
    return Seen._make(read)


def _subject(read: dict[str, Any]) -> Subject:
    read["effective_on"] = _day(read["effective_on"])
    return Subject(**read)


def _alert(read: dict[str, Any]) -> Alert:
    for name in ("raised_on", "due_on", "anchor", "until", "closed_on"):
        read[name] = day_of(read[name])
    read["recipients"] = tuple(Recipient(**r) for r in read["recipients"])
    read["gone"] = tuple(read.get("gone", ()))
    read["former"] = tuple(Recipient(**r) for r in read.get("former", ()))
    read["snoozed_until"] = day_of(read.get("snoozed_until"))
    read["evidence"], read["folded"] = tuple(read["evidence"]), tuple(read["folded"])
    return Alert(**read)
