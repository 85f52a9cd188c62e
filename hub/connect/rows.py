"""A row of the source to an event of the client. Pure. No fault here holds a value of the row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from hub.client import Event, Fault
from hub.connect.mapping import Feed, Field, word

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mapped:
    """A row as it can be sent. ``key_hash`` names the row in the state, ``content_hash`` what it says."""

    feed: str
    key_hash: str
    content_hash: str
    draft: Event

    def event(self, version: int, epoch: str) -> Event:
        """The event of the row's n-th content. The same row, version and content is the same id for ever, so what is
        sent twice is taken once; a row that goes back to an earlier content is a new event all the same.

        ``epoch`` names the state file: versions of a file that was lost must not come again with other meanings. A
        row's first content is without it, so that rows which never changed keep their ids.

        Hashes, not the key: a key may be an identifier of the person, and ids stand in logs.
        """
        turn = "1" if version == 1 else f"{version}-{epoch}"
        return replace(self.draft, id=f"{self.feed}-{self.key_hash[:20]}-{turn}-{self.content_hash[:20]}")


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A row that the mapping cannot read."""

    key_hash: str
    faults: tuple[Fault, ...]


def key_of(feed: Feed, row: Row) -> str:
    """What names a row in the state."""
    return _hash([feed.name, [plain(row[column]) for column in feed.key]])


def mapped(feed: Feed, row: Row) -> Mapped | Unmapped:
    """A row read by the mapping, or every reason why it can not be."""
    faults: list[Fault] = []
    key_hash = key_of(feed, row)
    if any(row[column] is None for column in feed.key):
        faults.append(Fault("key", "missing", "A key column is empty: the row has no identity"))
    parts: dict[str, dict[str, Any]] = {"subject": {}, "data": {}}
    other: dict[str, Any] = {}
    for field in (feed.effective_on, *feed.fields):
        value = _value(field, row, faults)
        part, _, name = field.path.partition(".")
        if value is not None and name:
            parts[part][name] = value
        elif value is not None:
            other[part] = value
    if "effective_on" not in other and not any(fault.pointer == "effective_on" for fault in faults):
        faults.append(Fault("effective_on", "missing", "A required value is missing"))
    if faults:
        return Unmapped(key_hash, tuple(faults))
    content_hash = _hash([feed.event, parts, other])
    draft = Event(
        id="",
        type=feed.event,
        effective_on=other["effective_on"],
        subject=parts["subject"],
        data=parts["data"],
        observed_at=other.get("observed_at"),
        sequence=other.get("sequence"),
    )
    return Mapped(feed.name, key_hash, content_hash, draft)


def _value(field: Field, row: Row, faults: list[Fault]) -> Any:
    if not field.column:
        return plain(field.value)
    value = plain(row[field.column])
    if value is None or value == "":
        return None
    if field.values is not None:
        if word(value) in field.values:
            return plain(field.values[word(value)])
        if field.otherwise is None:
            expected = "one of: " + ", ".join(sorted(field.values))
            faults.append(Fault(field.path, "not_in_map", "The value map does not know this value", expected))
        return plain(field.otherwise)
    if field.date_format and isinstance(value, str):
        try:
            return datetime.strptime(value, field.date_format).date().isoformat()  # noqa: DTZ007 - a day, no moment
        except ValueError:
            faults.append(
                Fault(field.path, "date_form", "The date is not in the form of the mapping", field.date_format)
            )
            return None
    return value


def plain(value: Any) -> Any:
    """A database's value as JSON says it. Trailing blanks of CHAR columns are no content."""
    if isinstance(value, datetime):
        # A source without zones tells UTC: said in docs/connect.md, for no database says it itself.
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, str):
        return value.rstrip()
    if isinstance(value, bytes | bytearray | memoryview):
        # A row version or a binary key: the same text from every driver.
        return bytes(value).hex()
    if isinstance(value, bool | int | float) or value is None:
        return value
    return str(value)


def _hash(said: Any) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
