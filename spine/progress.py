"""Health that follows progress, not polling: a service is ready while its positions move or nothing waits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from spine.log import Place
from spine.telemetry import metrics

STALLED_SECONDS = 60.0
DEAD_SECONDS = 300.0
LAG_SECONDS = 1.0


@dataclass(slots=True)
class Progress:
    """Where a worker stands. Written by its own thread, read by the health server."""

    state: str = "starting"
    positions: dict[Place, int] = field(default_factory=dict)
    ends: dict[Place, int] = field(default_factory=dict)
    _moved_at: float = field(default_factory=time.monotonic)
    _alive_at: float = field(default_factory=time.monotonic)
    _looked_at: float = 0.0

    def owns(self, place: Place, offset: int) -> None:
        self.positions[place] = offset
        self._moved_at = time.monotonic()

    def leaves(self, place: Place) -> None:
        self.positions.pop(place, None)
        self.ends.pop(place, None)

    def moved(self, positions: Mapping[Place, int]) -> None:
        """A step committed."""
        if any(self.positions.get(place) != offset for place, offset in positions.items()):
            self._moved_at = time.monotonic()
        self.positions.update(positions)
        self.alive()

    def alive(self) -> None:
        self._alive_at = time.monotonic()

    def looked_at_lag(self) -> bool:
        """True once a second: time to look at the log's ends."""
        now = time.monotonic()
        if now - self._looked_at < LAG_SECONDS:
            return False
        self._looked_at = now
        return True

    def behind(self) -> dict[Place, int]:
        held, ends = dict(self.positions), dict(self.ends)
        return {place: max(0, ends[place] - at) for place, at in held.items() if place in ends}

    def ready(self) -> str:
        """Empty if ready, else why not."""
        if self.state != "running":
            return self.state
        if any(self.behind().values()) and time.monotonic() - self._moved_at > STALLED_SECONDS:
            return "stalled: records wait and no position moves"
        return ""

    def live(self) -> str:
        """Empty if alive, else why not: a wedged process should be ended."""
        silent = time.monotonic() - self._alive_at
        waiting = self.state == "starting" or self.state.startswith("retrying")
        return "" if waiting or silent < DEAD_SECONDS else f"wedged for {int(silent)} s"

    def publish(self, service: str) -> None:
        """Tell the metrics."""
        tell = metrics()
        for (topic, n), count in self.behind().items():
            tell.gauge("hub_lag_records", count, service=service, topic=topic, partition=str(n))
        for (topic, n), offset in dict(self.positions).items():
            tell.gauge("hub_position", offset, service=service, topic=topic, partition=str(n))
        tell.gauge("hub_ready", 0 if self.ready() else 1, service=service)
