"""Reports of ``hub replay``, ``hub compare`` and ``hub verify``, where whoever runs the hub keeps them (HUB_REPORTS).

They leave as files to be kept: a page made elsewhere is never shown as one of the console's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

SHOWN_MAX = 20
BYTES_MAX = 20_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.(html|json)")


@dataclass(frozen=True, slots=True)
class Report:
    """One file, and when it was last written."""

    name: str
    made_at: datetime


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
