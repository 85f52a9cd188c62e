"""How fast, and how much at once, a party may send: a bucket of events that fills with time, and bytes a request.

A party may have limits of its own in contracts/parties.yaml (``limits``); the others share the door's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from spine.who.principal import Principal
from spine.who.reading import Entry, read_yaml, said

REQUEST_BYTES_MAX = 8 * 1024 * 1024
EVENTS_A_SECOND_MAX = 100_000


@dataclass(frozen=True, slots=True)
class PartyLimits:
    """``events_per_second`` in the long run, ``burst`` events at once, ``request_bytes`` a request."""

    events_per_second: int
    burst: int
    request_bytes: int = REQUEST_BYTES_MAX

    def shown(self) -> dict[str, int]:
        """As a partner reads them."""
        return asdict(self)


class _Stated(Entry):
    events_per_second: Annotated[int, Field(ge=1, le=EVENTS_A_SECOND_MAX)]
    burst: Annotated[int, Field(ge=1, le=10 * EVENTS_A_SECOND_MAX)]
    request_bytes: Annotated[int, Field(ge=1_024, le=REQUEST_BYTES_MAX)] = REQUEST_BYTES_MAX


def read_limits(path: Path) -> dict[str, PartyLimits]:
    """The parties of contracts/parties.yaml that have limits. Raises ValueError naming every fault, or OSError."""
    read: Any = read_yaml(path)
    parties = read.get("parties") if isinstance(read, dict) else None
    if not isinstance(parties, dict):
        raise ValueError(f"{path.name}: parties are needed")
    limits, faults = {}, []
    for party, row in parties.items():
        if isinstance(row, dict) and "limits" in row:
            try:
                stated = _Stated.model_validate(row["limits"])
                limits[str(party)] = PartyLimits(stated.events_per_second, stated.burst, stated.request_bytes)
            except ValidationError as error:
                faults += said(error, f"limits of {party}")
    if faults:
        raise ValueError(f"{path.name}: " + "; ".join(faults))
    return limits


def _none() -> Mapping[str, PartyLimits]:
    return {}


@dataclass(slots=True)
class Rate:
    """Buckets by party, those of its tests apart. ``clock`` is monotonic seconds."""

    otherwise: PartyLimits
    clock: Callable[[], float]
    stated: Callable[[], Mapping[str, PartyLimits]] = _none
    _held: dict[tuple[str, bool], tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def limits(self, party: str) -> PartyLimits:
        return self.stated().get(party, self.otherwise)

    def take(self, who: Principal, events: int) -> int:
        """0 if ``events`` may pass, else the whole seconds to wait. More than ``burst`` never pass: ask before."""
        limits, bucket = self.limits(who.party), (who.party, who.test)
        burst = float(limits.burst)
        with self._lock:
            now = self.clock()
            level, then = self._held.get(bucket, (burst, now))
            level = min(burst, level + (now - then) * limits.events_per_second)
            if level >= events:
                self._held[bucket] = (level - events, now)
                return 0
            self._held[bucket] = (level, now)
            return int((events - level) / limits.events_per_second) + 1
