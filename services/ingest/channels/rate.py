"""How fast one key may send: a bucket that fills with time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Rate:
    """``per_second`` events a second for each key, ``burst`` at once. ``clock`` is monotonic seconds."""

    per_second: int
    burst: int
    clock: Callable[[], float]
    _held: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, key_id: str, events: int) -> int:
        """0 if ``events`` may pass, else the whole seconds to wait."""
        with self._lock:
            now = self.clock()
            level, then = self._held.get(key_id, (float(self.burst), now))
            level = min(float(self.burst), level + (now - then) * self.per_second)
            if level >= events:
                self._held[key_id] = (level - events, now)
                return 0
            self._held[key_id] = (level, now)
            return int((events - level) / self.per_second) + 1
