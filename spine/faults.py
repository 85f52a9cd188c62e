"""Named crash points. No-ops unless ``HUB_CRASH_AT`` names one; then the process kills itself there (SIGKILL).

``HUB_CRASH_AFTER=n`` lets the point pass n times first. Tests arm them; a test checks that each is exercised.
Simulation replaces ``reach`` by its own scheduler hook.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

POINTS = ("read", "decided", "recorded", "produced", "marked", "acknowledged")

_armed = os.environ.get("HUB_CRASH_AT", "")
_pass = int(os.environ.get("HUB_CRASH_AFTER", "0"))


def _environment(point: str) -> None:
    global _pass
    if point != _armed:
        return
    if _pass > 0:
        _pass -= 1
        return
    os.kill(os.getpid(), signal.SIGKILL)


def _nothing(point: str) -> None:
    del point


_hook: Callable[[str], None] = _environment if _armed else _nothing


def reach(point: str) -> None:
    """Declare that the process stands at ``point``."""
    _hook(point)


def install(hook: Callable[[str], None] | None) -> None:
    """Simulation: call ``hook`` at each point; None restores the environment's arming."""
    global _hook
    _hook = hook if hook is not None else (_environment if _armed else _nothing)
