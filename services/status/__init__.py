"""attributions -> statuses: the canonical EET status of each young person, bitemporal and projected into the future.

``view``, ``timeline``, ``episodes`` and ``believed`` (services.status.story) answer about one person; they are loaded
when first asked for, so that the core runs without the shell's libraries.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from services.status.story import believed, episodes, timeline, view

__all__ = ["believed", "episodes", "timeline", "view"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("services.status.story"), name)
    raise AttributeError(name)
