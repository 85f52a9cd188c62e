"""From facts on the log to what ``decide`` takes: the door of this service. Pure: decoding is a function of bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.status.facts import READ, Seen, keep
from spine.record import Fact
from spine.schema import Catalogue

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
#: All that status needs of an identity block.
BORN = ("date_of_birth",)


@dataclass(frozen=True, slots=True)
class Ticked:
    """A day has begun."""

    on: int


@dataclass(frozen=True, slots=True)
class Given:
    """An act of matching that concerns a person. ``raw`` is the observation as it came, to be passed on."""

    person_id: str
    act: str
    known_at: datetime
    known: int
    other_person: str | None
    review_id: str | None
    safeguarding: bool
    observation_id: str | None
    seen: Seen | None
    raw: Mapping[str, Any] | None
    #: More acts of the same decision about this person follow.
    more: bool = False


News = Ticked | Given


def milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND


def moment(known: int) -> datetime:
    return _EPOCH + known * _MILLISECOND


def read(fact: Fact, catalogue: Catalogue) -> News:
    """News of a fact. Raises KeyError for a kind that does not belong on this topic."""
    fields = fact.fields
    if fact.kind == "tick.v1":
        return Ticked(fields["on"].toordinal())
    if not fact.is_a("attribution"):
        raise KeyError(fact.kind)
    known, raw = milliseconds(fields["known_at"]), fields["observation"]
    return Given(
        person_id=fields["person_id"],
        act=fields["act"],
        known_at=fields["known_at"],
        known=known,
        other_person=fields["other_person"],
        review_id=fields["review_id"],
        safeguarding=fields["safeguarding"],
        observation_id=fields["observation_id"] or (None if raw is None else raw["event_id"]),
        seen=None if raw is None or fields["act"] == "held" else seen_of(raw, known, catalogue),
        raw=raw,
        more=fields.get("more", False),
    )


def seen_of(raw: Mapping[str, Any], known: int, catalogue: Catalogue) -> Seen:
    """What status keeps of an observation. Types without effect keep their identity only."""
    type_name, on = raw["type"], raw["effective_on"].toordinal()
    kind = f"{type_name}.data.v1"
    body = catalogue.opened(kind, raw["data"])
    data = keep(type_name, catalogue.decode(kind, body)) if type_name in READ else ()
    subject = catalogue.open("subject.v1", raw["subject"], BORN) if raw["subject"] else {}
    born = subject.get("date_of_birth")
    content = hashlib.sha256(b"\x1f".join((raw["source"].encode(), type_name.encode(), str(on).encode(), body)))
    return Seen(
        on,
        raw["sequence"] or 0,
        milliseconds(raw["received_at"]),
        raw["event_id"],
        known,
        None,
        type_name,
        raw["source"],
        raw["source_kind"],
        raw["message_id"],
        None if born is None else born.toordinal(),
        content.hexdigest()[:24],
        data,
    )
