"""One event as a partner writes it: the CloudEvents envelope around who and what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """A statement about one young person. ``id`` is the partner's own, for ever: the same event, the same id.

    ``repr`` shows neither the subject nor the facts, so an event in a log or a traceback gives nobody away.
    """

    id: str
    type: str
    effective_on: date | str
    subject: Mapping[str, Any] = field(default_factory=dict, repr=False)
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    observed_at: datetime | str | None = None
    sequence: int | None = None
    withheld: tuple[str, ...] = ()
    source: str = ""

    def cloud_event(self, source: str) -> dict[str, Any]:
        """The JSON object that is sent. ``source`` is the party of the client, where the event names none."""
        data: dict[str, Any] = {
            "effective_on": plain(self.effective_on),
            "subject": plain(self.subject),
            "data": plain(self.data),
        }
        if self.observed_at is not None:
            data["observed_at"] = plain(self.observed_at)
        if self.withheld:
            data["withheld"] = list(self.withheld)
        out: dict[str, Any] = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source or source,
            "type": self.type,
            "data": data,
        }
        return out if self.sequence is None else out | {"sequence": self.sequence}


def plain(value: Any) -> Any:
    """Dates and times as the door reads them. Fields without a value are left out."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value
