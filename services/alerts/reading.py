"""From facts on the log to what ``decide`` takes: the door of this service. Pure: decoding is a function of bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from services.alerts.belief import Belief
from services.alerts.belief import parse as parse_belief
from services.alerts.state import Seen, Subject, Value
from spine.clock import local_date
from spine.parts import REMEMBERED
from spine.record import Fact
from spine.schema import Catalogue

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
#: The identity fields that may ever be shown. Identifiers serve matching and leave to nobody.
SUBJECT_FIELDS = ("given_name", "family_name", "date_of_birth", "postcode", "address_line", "phone", "email")


@dataclass(frozen=True, slots=True)
class Ticked:
    """A day has begun."""

    event_id: str
    on: date


@dataclass(frozen=True, slots=True)
class Told:
    """Something was observed, moved or reviewed, and this is what is believed now."""

    event_id: str
    cause: str
    at: datetime
    seen: Seen | None
    subject: Subject | None
    belief: Belief | None
    other_person: str | None
    review_id: str | None
    safeguarding: bool
    observation_id: str | None
    #: More of the same decision about this person follows.
    more: bool = False


@dataclass(frozen=True, slots=True)
class Acted:
    """A worker did something with an alert."""

    event_id: str
    at: datetime
    alert_id: str
    verb: str
    value: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """The policy head moved: what may be shown of standing alerts may have changed."""

    event_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Breached:
    """A party was refused what no agreement covers, or somebody what their role may not."""

    event_id: str
    at: datetime
    seen: Seen


#: What a refusal is among the facts of a party's feed. No partner can send it: the catalogue has no such type.
BREACH = "feed.breach"

#: A try of what a role may not, among the facts of whoever tried; no partner can send it either.
OVERREACH = "feed.overreach"

News = Breached | Ticked | Told | Acted | Moved


def read(fact: Fact, catalogue: Catalogue) -> News:
    """News of a fact. Raises KeyError for a kind that does not belong on this topic."""
    fields = fact.fields
    if fact.kind == "tick.v1":
        return Ticked(fact.event_id, fields["on"])
    if fact.kind == "action.v1":
        return Acted(fact.event_id, fields["at"], fields["alert_id"], fields["verb"], fields["value"], fields["role"])
    if fact.kind == "breach.v1":
        return Breached(fact.event_id, fields["received_at"], breach_of(fact))
    if fact.kind == "overreach.v1":
        return Breached(fact.event_id, fields["at"], overreach_of(fact))
    if fact.kind == "policy.v1":
        return Moved(fact.event_id, fields["at"])
    if not fact.is_a("status"):
        raise KeyError(fact.kind)
    observation, belief = fields["observation"], fields["belief"]
    seen = subject = None
    if observation is not None:
        seen = seen_of(observation, fields["known_at"], fields["cause"], fields["other_person"], catalogue)
        subject = subject_of(observation, seen, catalogue)
    return Told(
        event_id=fact.event_id,
        cause=fields["cause"],
        at=fields["known_at"],
        seen=seen,
        subject=subject,
        belief=None if belief is None else believed(belief),
        other_person=fields["other_person"],
        review_id=fields["review_id"],
        safeguarding=fields["safeguarding"],
        observation_id=fields["observation_id"],
        more=fields.get("more", False),
    )


_parsed: dict[int, tuple[Mapping[str, Any], Belief]] = {}


def believed(fields: Mapping[str, Any]) -> Belief:
    """The belief that these fields hold. What the catalogue gives as the same object, it need not read again."""
    known = _parsed.get(id(fields))
    if known is None or known[0] is not fields:
        if len(_parsed) >= REMEMBERED:
            _parsed.clear()
        known = _parsed[id(fields)] = (fields, parse_belief(fields))
    return known[1]


def breach_of(fact: Fact) -> Seen:
    """A refusal as a fact about the party's feed."""
    return _of_nobody(fact, BREACH, fact.fields["received_at"], ("type", "reason"))


def overreach_of(fact: Fact) -> Seen:
    """A try of what a role may not, as a fact about whoever tried."""
    return _of_nobody(fact, OVERREACH, fact.fields["at"], ("who", "role", "doing", "what"))


def _of_nobody(fact: Fact, kind: str, at: datetime, told: Sequence[str]) -> Seen:
    """What the hub itself noticed, at a moment, about no young person."""
    return Seen(
        event_id=fact.event_id,
        source=fact.fields["party"],
        source_kind="",
        message_id="",
        type=kind,
        effective_on=local_date(at),
        received_on=local_date(at),
        received_ms=millis(at),
        known_ms=millis(at),
        data={name: fact.fields[name] for name in told},
    )


def seen_of(
    observation: Mapping[str, Any], known_at: datetime, cause: str, other: str | None, catalogue: Catalogue
) -> Seen:
    """The compact form of an observation."""
    kind, received = observation["type"], observation["received_at"]
    data = catalogue.open(f"{kind}.data.v1", observation["data"])
    return Seen(
        event_id=observation["event_id"],
        source=observation["source"],
        source_kind=observation["source_kind"],
        message_id=observation["message_id"],
        type=kind,
        effective_on=observation["effective_on"],
        received_on=local_date(received),
        received_ms=millis(received),
        known_ms=millis(known_at),
        agreement=observation["agreement"],
        sequence=-1 if observation["sequence"] is None else observation["sequence"],
        from_person=other or "" if cause == "released" else "",
        dropped=tuple(observation["dropped"]),
        withheld=tuple(observation["withheld"]),
        test=observation["test"],
        data={name: plain(raw) for name, raw in data.items() if raw is not None},
    )


def subject_of(observation: Mapping[str, Any], seen: Seen, catalogue: Catalogue) -> Subject | None:
    """How the source names the person; None where it names nobody."""
    if not observation["subject"]:
        return None
    read = catalogue.open("subject.v1", observation["subject"], SUBJECT_FIELDS)
    fields = {name: str(plain(read[name])) for name in SUBJECT_FIELDS if read.get(name)}
    if not fields:
        return None
    return Subject(
        seen.source, seen.source_kind, seen.type, seen.effective_on, seen.received_ms, seen.agreement, fields
    )


def plain(raw: Any) -> Value:
    """A decoded Avro value in its JSON form; None where there is nothing."""
    if type(raw) is str or raw is None or isinstance(raw, bool | int | float | str):
        return raw
    if isinstance(raw, datetime | date):
        return raw.isoformat()
    if isinstance(raw, list):
        return [str(item) for item in raw]
    return str(raw)


def millis(moment: datetime) -> int:
    """Whole milliseconds since 1970, without a float."""
    return (moment - _EPOCH) // _MILLISECOND
