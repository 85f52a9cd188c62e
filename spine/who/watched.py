"""A file of settings that is read again when it changes, in a running door; a broken one leaves the old in force."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from spine.telemetry import log, metrics

T = TypeVar("T")
LOOK_SECONDS = 1.0
REASON_CHARACTERS_MAX = 500

_Stamp = tuple[int, int, int] | None


class Watched(Generic[T]):
    """Call it for what the file says now. ``read`` raises ValueError for a file at fault, without repeating secrets.

    The first reading raises ValueError or OSError; later ones are told to the log and the metrics. ``clock`` is
    monotonic seconds.
    """

    def __init__(self, path: Path, read: Callable[[Path], T], clock: Callable[[], float]) -> None:
        self._path, self._read, self._clock = path, read, clock
        self._stamp = _stamp(path)
        self._held = read(path)
        self._looked = clock()
        self._lock = threading.Lock()
        metrics().gauge("hub_door_file_broken", 0, file=path.name)

    def __call__(self) -> T:
        if self._clock() - self._looked >= LOOK_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._looked = self._clock()
                self._look()
            finally:
                self._lock.release()
        return self._held

    def _look(self) -> None:
        # The stamp is taken before the file is read: what changes meanwhile is seen at the next look.
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._held = self._read(self._path)
        except (ValueError, OSError) as error:
            reason = str(error) if isinstance(error, ValueError) else type(error).__name__
            log().error("door_file_broken", file=self._path.name, reason=reason[:REASON_CHARACTERS_MAX])
            metrics().gauge("hub_door_file_broken", 1, file=self._path.name)
            return
        log().info("door_file_read", file=self._path.name)
        metrics().gauge("hub_door_file_broken", 0, file=self._path.name)


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
