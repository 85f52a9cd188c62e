"""The same decisions over a file of identity rows, for first loads and for evaluation. Only the index is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Never

import orjson

from services.matching.decide import observe, repeat
from services.matching.facts import Observation
from services.matching.identity import identity_of
from services.matching.index import Index
from services.matching.rows import Codec, Ledger
from services.matching.search import Matcher
from spine.record import Effect

COLUMNS = (
    "event_id",
    "source",
    "source_ref",
    "given_name",
    "family_name",
    "date_of_birth",
    "sex",
    "postcode",
    "address_line",
    "phone",
    "email",
    "nhs_number",
    "uln",
    "upn",
    "nino",
)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Resolved:
    """``decision``: link, new or review. ``candidate`` is the best one of a review, ``candidates`` are all."""

    event_id: str
    person_id: str
    decision: str
    weight_millibits: int | None
    candidate: str | None
    candidates: tuple[str, ...] = ()


class RowRefused(ValueError):
    """A row that cannot be matched. The message names the column, never the value."""


def _nothing(_: object) -> bytes:
    return b""


def _unreadable(_: bytes) -> Never:
    raise AssertionError("bulk matching stores nothing")


@dataclass(slots=True)
class Bulk:
    """Resolves rows one after the other."""

    matcher: Matcher
    ledger: Ledger = field(init=False)
    rows: int = 0

    def __post_init__(self) -> None:
        codec = Codec(_unreadable, _unreadable, _nothing)
        self.ledger = Ledger(Index("bulk"), codec, keeps=False)

    def resolve(self, row: Mapping[str, str | None]) -> Resolved:
        """Raises RowRefused."""
        self.rows += 1
        seen = observation_of(row, self.rows)
        effects = observe(self.matcher, self.ledger, seen)
        return _resolved(self.ledger.index, seen.event_id, effects[0])

    def repeat(self, row: Mapping[str, str | None], answer: Resolved) -> bool:
        """Put a row where an earlier run put it: all that follows is decided as if it had just been decided.

        False if the answer can't be one about this row. Raises RowRefused. Of a review only the best candidate is
        known again: the others are nothing that a later row of a file depends on.
        """
        self.rows += 1
        seen = observation_of(row, self.rows)
        if seen.event_id != answer.event_id:
            return False
        candidate = (answer.candidate, answer.weight_millibits or 0, ()) if answer.candidate else None
        effects = repeat(self.matcher, self.ledger, seen, answer.person_id, candidate)
        found = _resolved(self.ledger.index, seen.event_id, effects[0])
        return (found.person_id, found.decision) == (answer.person_id, answer.decision)


def _resolved(index: Index, event_id: str, effect: Effect) -> Resolved:
    fields = effect.fields
    weight = fields.get("weight_millibits")
    if fields["act"] == "held":
        asked = tuple(candidate for candidate, _, _ in index.reviews[fields["review_id"]].candidates)
        return Resolved(event_id, fields["person_id"], "review", weight, asked[0] if asked else None, asked)
    return Resolved(event_id, fields["person_id"], "new" if fields["how"] == "new" else "link", weight, None)


def observation_of(row: Mapping[str, str | None], number: int, further: Sequence[str] = ()) -> Observation:
    """A row as an observation, the ``number``-th. ``further``: columns that are read besides. Raises RowRefused."""
    values = {name: (row.get(name) or "").strip() or None for name in COLUMNS}
    event_id, source, ref = values["event_id"], values["source"], values["source_ref"]
    if event_id is None or source is None:
        raise RowRefused("event_id and source must be there")
    if ref is None and values["family_name"] is None:
        raise RowRefused("source_ref or family_name must be there")
    identity = {name: values[name] for name in COLUMNS[3:] if values[name] is not None}
    identity |= {column: value for column in further if (value := row.get(column))}
    born = _date(values["date_of_birth"])
    at = _EPOCH + timedelta(seconds=number)
    body = {
        "event_id": event_id,
        "message_id": event_id,
        "type": "row",
        "effective_on": _EPOCH.date(),
        "received_at": at,
        "data": event_id.encode(),
    }
    return Observation(
        event_id=event_id,
        source=source,
        ref=ref,
        message_id=event_id,
        type="row",
        effective_on=_EPOCH.date(),
        received_at=at,
        identity=identity_of({**identity, "date_of_birth": born}, further),
        # Nobody reads a block of a file again: kept, it would be most of what a million rows weigh.
        subject=b"",
        data=event_id.encode(),
        named_provider=None,
        adopted=False,
        enrols=False,
        body=body,
        key=(source, ref or "~" + hashlib.sha256(orjson.dumps(identity)).hexdigest()[:20]),
    )


def _date(text: str | None) -> date | None:
    """ISO dates and dd/mm/yyyy."""
    if text is None:
        return None
    try:
        if "/" in text:
            day, month, year = (int(part) for part in text.split("/"))
            return date(year, month, day)
        return date.fromisoformat(text[:10])
    except ValueError as error:
        raise RowRefused("date_of_birth is neither yyyy-mm-dd nor dd/mm/yyyy") from error
