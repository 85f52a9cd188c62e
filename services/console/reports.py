"""Reports of ``hub replay``, ``hub compare`` and ``hub verify``, where whoever runs the hub keeps them (HUB_REPORTS).

They leave as files to be kept: a page made elsewhere is never shown as one of the console's own. Beside a report to
come stands how far its command is (``<report>.progress``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

SHOWN_MAX = 20
BYTES_MAX = 20_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.(html|json)")
_SUFFIX = ".progress"
#: A command gives a sign of life every five seconds; without one for so long it was killed.
STOPPED_AFTER = timedelta(seconds=60)
PROGRESS_BYTES_MAX = 4_096
_Word = Annotated[str, Field(pattern=r"^[a-z_-]{1,40}$")]
_Count = Annotated[int, Field(ge=0, le=10**15)]


@dataclass(frozen=True, slots=True)
class Report:
    """One file, and when it was last written."""

    name: str
    made_at: datetime


class Progress(BaseModel):
    """How far a command was at ``at``: ``done`` of ``expected`` in its present step, ``number`` of ``of``."""

    model_config = ConfigDict(frozen=True)

    command: _Word
    step: _Word
    number: _Count
    of: _Count
    done: _Count
    expected: _Count | None
    began_at: AwareDatetime
    step_began_at: AwareDatetime
    at: AwareDatetime

    def stopped(self, now: datetime) -> bool:
        return now - self.at > STOPPED_AFTER

    @property
    def a_second(self) -> int:
        """Of this step, on the whole; 0 as long as nothing can be said."""
        seconds = (self.at - self.step_began_at).total_seconds()
        return int(self.done / seconds) if seconds > 0 else 0

    @property
    def percent(self) -> int | None:
        return None if not self.expected else min(100, 100 * self.done // self.expected)

    @property
    def step_ends(self) -> datetime | None:
        """When this step will be done at this pace."""
        if self.expected is None or not self.a_second:
            return None
        return self.at + timedelta(seconds=min(max(0, self.expected - self.done) / self.a_second, 10**8))


@dataclass(frozen=True, slots=True)
class Reports:
    """The folder; None: no reports are kept where the console can read them."""

    folder: Path | None = None

    def latest(self) -> Sequence[Report] | None:
        """The last reports, newest first; None where there is no folder, or it is not to be read."""
        if self.folder is None:
            return None
        try:
            names = [path.name for path in self.folder.iterdir()]
            made = [Report(path.name, _made(path)) for name in names if (path := self.find(name)) is not None]
        except OSError:
            return None
        return sorted(made, key=lambda one: (one.made_at, one.name), reverse=True)[:SHOWN_MAX]

    def under_way(self) -> Sequence[tuple[str, Progress]]:
        """Reports to come by name, and how far each is; the latest sign of life first."""
        try:
            paths = [] if self.folder is None else list(self.folder.glob(f"*{_SUFFIX}"))
        except OSError:
            return []
        found = [(path.name.removesuffix(_SUFFIX), _progress(path)) for path in paths]
        known = [(name, far) for name, far in found if far is not None and _NAME.fullmatch(name)]
        return sorted(known, key=lambda one: (one[1].at, one[0]), reverse=True)[:SHOWN_MAX]

    def find(self, name: str) -> Path | None:
        """The file of this name. No link is followed, and nothing outside the folder is ever named."""
        if self.folder is None or not _NAME.fullmatch(name):
            return None
        path = self.folder / name
        try:
            fits = path.is_file() and not path.is_symlink() and path.stat().st_size <= BYTES_MAX
        except OSError:
            return None
        return path if fits else None


def _made(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _progress(path: Path) -> Progress | None:
    """None for what is no such file, or went meanwhile: its command has ended."""
    try:
        if path.is_symlink() or path.stat().st_size > PROGRESS_BYTES_MAX:
            return None
        return Progress.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
