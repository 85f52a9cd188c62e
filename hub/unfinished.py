"""The answers of ``hub resolve`` while they are being written: a file beside the result, and a note of what it is from.

Rows are only ever added, so whatever ends a run leaves whole rows and at most one torn. The next run of the same
command cuts the torn one off, repeats the decisions of the others, and goes on behind them. The note names input,
settings and build: answers of another file, of other weights or of other code are never gone on with.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from services.matching.bulk import Resolved

COLUMNS = ("event_id", "person_id", "decision", "weight", "candidate")


class Unusable(Exception):
    """The input as a whole cannot be read. The message says what to mend."""


class Stale(Exception):
    """Answers of an earlier run cannot be gone on with. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What answers follow from. ``rows``: hash of the input as bytes."""

    rows: str
    settings: str
    build: str

    @classmethod
    def of(cls, source: Path, settings: str, build: str) -> Basis:
        with source.open("rb") as handle:
            return cls(hashlib.file_digest(handle, "sha256").hexdigest(), settings, build)

    def against(self, note: object) -> list[str]:
        """In what a note differs, in words."""
        held = note if isinstance(note, dict) else {}
        words = {"rows": "another input", "settings": "another model or other settings", "build": "another build"}
        return [said for name, said in words.items() if held.get(name) != getattr(self, name)]


def is_jsonl(path: Path) -> bool:
    return path.suffix.lower() in (".jsonl", ".ndjson")


class Unfinished:
    """Answers under way to ``out``. Not for several threads."""

    def __init__(self, out: Path, handle: BinaryIO) -> None:
        self._jsonl = is_jsonl(out)
        self._handle = handle

    def earlier(self) -> Iterator[Resolved]:
        """Answers of an earlier run, in order. Take them all before you write. Raises Stale."""
        handle, whole = self._handle, 0
        handle.seek(0)
        try:
            for end, values in _lines(handle) if self._jsonl else _records(handle):
                yield _resolved(values)
                whole = end
        except (ValueError, KeyError, TypeError) as error:
            raise Stale("the answers of the run before cannot be read: begin anew with --anew") from error
        handle.seek(whole)
        handle.truncate()
        if not whole and not self._jsonl:
            handle.write(_csv(COLUMNS))

    def write(self, resolved: Resolved) -> None:
        weight = None if resolved.weight_millibits is None else resolved.weight_millibits / 1000
        values = (resolved.event_id, resolved.person_id, resolved.decision, weight, resolved.candidate)
        if self._jsonl:
            line = json.dumps(dict(zip(COLUMNS, values, strict=True)), ensure_ascii=False)
            self._handle.write(f"{line}\n".encode())
        else:
            self._handle.write(_csv(values))


def _csv(values: Sequence[object]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(values)
    return out.getvalue().encode()


@contextmanager
def unfinished(out: Path, basis: Basis, *, anew: bool) -> Iterator[Unfinished]:
    """The answers to be, in place as ``out`` once all are written: half a result is never mistaken for one.

    They stay for the next run if this one is killed or interrupted, and go if the input turns out to be unusable.
    Raises Stale if answers on another basis stand there (not with ``anew``), or if another run is writing them.
    """
    part, note = (out.with_name(out.name + end) for end in (".part", ".part.json"))
    with part.open("a+b") as handle:
        _alone(handle)
        if not anew and note.exists() and (other := basis.against(_read(note))):
            raise Stale(f"begun with {' and '.join(other)}: run that again to end it, or begin anew with --anew")
        if anew or not note.exists():
            handle.truncate(0)
            note.write_text(json.dumps({name: getattr(basis, name) for name in Basis.__slots__}), "utf-8")
        try:
            yield Unfinished(out, handle)
            handle.flush()
            os.replace(part, out)
        except Stale:
            raise
        except Exception:
            part.unlink()
            note.unlink()
            raise
        note.unlink()


def _alone(handle: BinaryIO) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Stale("another run is writing it") from error


def _read(note: Path) -> object:
    """Nothing for a note that was torn: it fits no basis."""
    try:
        return json.loads(note.read_text("utf-8"))
    except ValueError:
        return None


def _lines(handle: BinaryIO) -> Iterator[tuple[int, Sequence[Any]]]:
    """Whole lines of JSON, each with the place where it ends."""
    end = 0
    for line in handle:
        if not line.endswith(b"\n"):
            return
        end += len(line)
        read = json.loads(line)
        yield end, [read[name] for name in COLUMNS]


def _records(handle: BinaryIO) -> Iterator[tuple[int, Sequence[Any]]]:
    """Whole records of CSV behind the heading, each with the place where it ends."""
    end = 0

    def lines() -> Iterator[str]:
        nonlocal end
        for line in handle:
            if not line.endswith(b"\n"):
                return
            end += len(line)
            yield line.decode()

    reader = csv.reader(lines(), strict=True)
    try:
        if tuple(next(reader, ())) == COLUMNS:
            yield from ((end, record) for record in reader)
    except csv.Error:
        # A value in quotes was torn between two of its lines.
        return


def _resolved(values: Sequence[Any]) -> Resolved:
    event_id, person_id, decision, weight, candidate = values
    millibits = None if weight in ("", None) else round(float(weight) * 1000)
    return Resolved(event_id, person_id, decision, millibits, candidate or None)
