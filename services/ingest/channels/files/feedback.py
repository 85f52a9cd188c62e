"""The feedback file: every fault in the partner's own headings, and no value of anybody's.

CSV in UTF-8 with a byte order mark, so that a double click opens it well. Written beside its name and renamed when
whole. Cells that a spreadsheet would run as a formula are marked as text.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from services.ingest.channels.files.said import RowFault, row_fault

HEADINGS = ("Row", "Column", "Weight", "What is wrong", "How to mend it", "Code", "Receipt")
RECEIPT_HEADINGS = ("Row", "Message id", "Outcome", "Receipt")
FAULTS_MAX = 100_000
_RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


def safe_cell(text: str) -> str:
    """As text: no control characters, no turned writing direction, nothing that a spreadsheet runs."""
    marked = f"'{text}" if text.startswith(_RUNS) or text.lstrip().startswith(_RUNS) else text
    return _CONTROL.sub(" ", marked)


class Feedback:
    """Feedback of one file, in ``folder``: ``<stem>.feedback.csv`` and ``<stem>.receipts.csv``. A context manager."""

    def __init__(self, folder: Path, stem: str) -> None:
        self._told, self._folder = 0, folder
        self._names = {kind: folder / f"{stem}.{kind}.csv" for kind in ("feedback", "receipts")}
        self._streams = {
            kind: _new(_beside(path), encoding="utf-8-sig", newline="") for kind, path in self._names.items()
        }
        # Every cell in quotes: a spreadsheet that splits at another delimiter must not find a formula behind one.
        self._writers = {kind: csv.writer(stream, quoting=csv.QUOTE_ALL) for kind, stream in self._streams.items()}
        self._writers["feedback"].writerow(HEADINGS)
        self._writers["receipts"].writerow(RECEIPT_HEADINGS)

    def tell(self, faults: Iterable[RowFault], receipt: str = "") -> None:
        for fault in faults:
            self._told += 1
            if self._told <= FAULTS_MAX:
                self._write(fault, receipt)

    def _write(self, fault: RowFault, receipt: str = "") -> None:
        weight = "note" if fault.note else "refused"
        cells = (str(fault.row or ""), fault.column, weight, fault.wrong, fault.mend, fault.code, receipt)
        self._writers["feedback"].writerow([safe_cell(cell) for cell in cells])

    def receipt(self, row: int, message_id: str, outcome: str, receipt: str) -> None:
        self._writers["receipts"].writerow([row, safe_cell(message_id), outcome, receipt])

    def __enter__(self) -> Feedback:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Whole or not at all: after an error nothing new is there."""
        names = [(_beside(path), path) for path in self._names.values()]
        try:
            if self._told > FAULTS_MAX:
                self._write(row_fault(0, "", "more_faults", str(self._told - FAULTS_MAX), note=True))
            for stream in self._streams.values():
                # A full disk shows only here, and what the ledger will call answered must outlive a power cut.
                with stream:
                    stream.flush()
                    os.fsync(stream.fileno())
            if kind is None:
                for beside, path in names:
                    os.replace(beside, path)
                _keep(self._folder)
        finally:
            for stream in self._streams.values():
                with suppress(OSError):
                    stream.close()
            for beside, _ in names:
                beside.unlink(missing_ok=True)


def write_summary(folder: Path, stem: str, summary: Mapping[str, Any]) -> None:
    """``<stem>.summary.json``; on disk when this returns."""
    path = folder / f"{stem}.summary.json"
    with _new(_beside(path), encoding="utf-8") as stream:
        stream.write(json.dumps(summary, indent=1) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(_beside(path), path)
    _keep(folder)


def _keep(folder: Path) -> None:
    """The names, too, outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _new(path: Path, *, encoding: str, newline: str | None = None) -> TextIO:
    """A file of our own making: whatever lies under the name, a link above all, is not written through."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    return os.fdopen(handle, "w", encoding=encoding, newline=newline)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")
