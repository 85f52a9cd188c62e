"""Waiting until everything that came in has been decided and published, through all services."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from hub.backlog import Backlog

PAUSE_SECONDS, PAUSE_SECONDS_MAX = 0.05, 1.0
#: A look costs as much as deciding some dozen records: who is far behind is not looked at for a while.
A_SECOND_FOR = 2_000


class NotDrained(Exception):
    """The pipeline did not get quiet in time. The message names who is behind."""


def pause(now: Sequence[Backlog]) -> float:
    """Seconds until the next look."""
    behind = max((one.behind + one.unsent for one in now), default=0)
    return min(PAUSE_SECONDS_MAX, max(PAUSE_SECONDS, behind / A_SECOND_FOR))


def drain(look: Callable[[], Sequence[Backlog]], halted: Callable[[], Sequence[str]], seconds_max: float) -> None:
    """Return when two looks running find all drained and the same ends.

    One look is not enough: log ends are read before the journals, and a record may be published in between. Nothing
    can be, once a second look finds no end moved. Raises NotDrained, at once if a service has halted.
    """
    end = time.monotonic() + seconds_max
    before: Sequence[Backlog] = ()
    while True:
        now = look()
        if all(one.drained for one in now) and list(now) == list(before):
            return
        before = now
        down = halted()
        if down:
            raise NotDrained(f"halted, a person must look at the log: {', '.join(down)}")
        if time.monotonic() > end:
            late = [f"{one.service} {one.behind} to read, {one.unsent} to send" for one in now if not one.drained]
            raise NotDrained(f"still behind after {seconds_max:.0f} s: {'; '.join(late)}")
        time.sleep(pause(now))
