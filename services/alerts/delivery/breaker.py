"""One breaker per recipient, or per step of theirs: after some failures in a row it is not tried for a while. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(slots=True)
class Breaker:
    """Counts failures in a row per recipient. Kept in memory: a new process tries everybody once."""

    failures_max: int
    open_s: int
    _failures: dict[str, int] = field(default_factory=dict)
    _open_until: dict[str, datetime] = field(default_factory=dict)

    def open_for(self, now: datetime) -> list[str]:
        """Recipients not to be tried at ``now``, sorted."""
        return sorted(recipient for recipient, until in self._open_until.items() if until > now)

    def failed(self, recipient: str, now: datetime) -> None:
        """After the pause one more failure opens it again at once; a success closes it."""
        self._failures[recipient] = self._failures.get(recipient, 0) + 1
        if self._failures[recipient] >= self.failures_max:
            self._open_until[recipient] = now + timedelta(seconds=self.open_s)

    def pause(self, recipient: str, until: datetime) -> None:
        """The other side asked not to be tried before ``until``."""
        self._open_until[recipient] = max(until, self._open_until.get(recipient, until))

    def succeeded(self, recipient: str) -> None:
        self._failures.pop(recipient, None)
        self._open_until.pop(recipient, None)
