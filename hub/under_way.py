"""How far a long command is, in a small file beside where its report will be, for the console to show.

``<report>.progress`` is replaced whole, again and again while the command lives, and goes when it ends; after a killed
run it stands still, and is known by its age. It holds numbers and names of steps, and nothing personal.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from spine.clock import now

#: A sign of life comes this often, however long one step takes. The console waits longer before it says stopped.
BEAT_SECONDS = 5.0
SUFFIX = ".progress"


class UnderWay:
    """Counts, and writes them. A file that cannot be written is no reason to stop the command."""

    def __init__(self, path: Path | None, command: str, clock: Callable[[], datetime] = now) -> None:
        self._path, self._clock = path, clock
        self._held: dict[str, str | int | None] = {"command": command, "began_at": clock().isoformat()}
        self._writing = threading.Lock()
        self.step("begins", 0, 0)

    def step(self, name: str, number: int, of: int) -> None:
        """The next of ``of`` steps begins; ``expect`` says how much there is to do, where that is known."""
        self._held |= {"step": name, "number": number, "of": of, "done": 0, "expected": None}
        self._held["step_began_at"] = self._clock().isoformat()
        self.write()

    def expect(self, total: int) -> None:
        """Now it begins in earnest: what went before (a process that starts) is no part of the pace."""
        self._held |= {"expected": total, "step_began_at": self._clock().isoformat()}
        self.write()

    def advance(self, count: int) -> None:
        self._held["done"] = int(self._held["done"] or 0) + count

    def write(self) -> None:
        if self._path is None:
            return
        new = self._path.with_name(f".{self._path.name}.new")
        with self._writing, suppress(OSError):
            new.write_text(json.dumps(self._held | {"at": self._clock().isoformat()}), "utf-8")
            new.replace(self._path)

    def end(self) -> None:
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


@contextmanager
def under_way(report: Path | None, command: str) -> Iterator[UnderWay]:
    """For as long as the context lasts. Without a report nothing is written: there is nowhere to look."""
    made = UnderWay(None if report is None else report.with_name(report.name + SUFFIX), command)
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_SECONDS):
            made.write()

    beating = threading.Thread(target=beat, name="progress", daemon=True)
    beating.start()
    try:
        yield made
    finally:
        over.set()
        beating.join()
        made.end()
