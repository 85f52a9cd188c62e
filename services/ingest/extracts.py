"""``feed.extract_received``: the hub's own word that a batch of a party came, whichever door it came through. Pure.

A row that a snapshot no longer has is absent from this extract: it is counted where the rows are read, and nothing
follows from it. The silence of a source is judged by these events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from services.ingest.faults import Fault, fault
from services.ingest.fields import NUMBER_MAX, Bad, read_date
from services.ingest.parse import ID
from services.ingest.policy import SharingPolicy

TYPE = "feed.extract_received"
#: The kind of the party that speaks for the hub's own people.
STEWARD = "hub-steward"
SHAPES = ("delta", "snapshot")
ID_HEX = 24
LATE_DAYS_MAX = 31
_FIELDS = ("id", "leaver_rows", "on", "rows", "shape")


@dataclass(frozen=True, slots=True)
class Extract:
    """One batch: ``name`` makes it that one, ``on`` is its day, ``leaver_rows`` are those that say somebody left."""

    party: str
    name: str
    shape: str
    rows: int
    leaver_rows: int
    on: date

    def event(self, policy: SharingPolicy) -> dict[str, Any]:
        """As the steward says it, who is its ``source``."""
        (steward, *_) = sorted(name for name, kind in policy.kinds.items() if kind == STEWARD)
        data = {
            "feed_source": self.party,
            "shape": self.shape,
            "rows": self.rows,
            "leaver_rows": self.leaver_rows,
        }
        return {
            "specversion": "1.0",
            # With the day: should what remembers the batch be lost and it be read again later, that is another extract.
            "id": f"extract-{self.name[:ID_HEX]}-{self.on:%Y%m%d}",
            "source": steward,
            "type": TYPE,
            "data": {"effective_on": self.on.isoformat(), "subject": {}, "data": data},
        }


def extract_told(party: str, told: object, day: date) -> Extract | tuple[Fault, ...]:
    """What a party tells of a batch that it sent event by event, or every fault of it. ``day``: of receipt."""
    if not isinstance(told, Mapping):
        return (fault("", "not_an_object", "an object of " + ", ".join(_FIELDS)),)
    faults = [fault(f"/{name}", "missing") for name in _FIELDS if told.get(name) is None]
    if set(told) - set(_FIELDS):
        faults.append(fault("", "unknown_field", "only: " + ", ".join(_FIELDS)))
    given = {name: told[name] for name in _FIELDS if told.get(name) is not None}
    if "id" in given and not (isinstance(given["id"], str) and ID.match(given["id"])):
        faults.append(fault("/id", "id_form"))
    if "shape" in given and given["shape"] not in SHAPES:
        faults.append(fault("/shape", "not_in_list", "one of: " + ", ".join(SHAPES)))
    for name in ("rows", "leaver_rows"):
        if name in given and not _count(given[name]):
            faults.append(fault(f"/{name}", "number_range", f"a whole number, 0 to {NUMBER_MAX}"))
    on = read_date(given["on"]) if "on" in given else None
    if isinstance(on, Bad):
        faults.append(fault("/on", on.code, "YYYY-MM-DD"))
    elif on is not None and not day - timedelta(days=LATE_DAYS_MAX) <= on <= day + timedelta(days=1):
        # A clock that is ahead at midnight is no fault.
        faults.append(fault("/on", "date_range", f"today, or at most {LATE_DAYS_MAX} days ago"))
    if faults or not isinstance(on, date):
        return tuple(faults)
    name = hashlib.sha256(f"{party}\x1f{given['id']}".encode()).hexdigest()
    return Extract(party, name, str(given["shape"]), int(given["rows"]), int(given["leaver_rows"]), on)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= NUMBER_MAX
