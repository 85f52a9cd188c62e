"""Pairs of records that readers decided, from a CSV or JSONL file: for training.

A pair is named by the event ids of two rows (``one``, ``other``), or as the hub's own events ``identity.linked`` and
``identity.separated`` name it: ``record_source``, ``record_ref``, ``person_source``, ``person_ref``.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hub.resolve import Row
from hub.unfinished import Unusable, is_jsonl
from services.matching.bulk import RowRefused
from services.matching.facts import RecordKey

BY_EVENT = ("one", "other")
BY_RECORD = ("record_source", "record_ref", "person_source", "person_ref")
WORDS = {
    "same": True,
    "different": False,
    "linked": True,
    "separated": False,
    "identity.linked": True,
    "identity.separated": False,
}
FAULTS_SHOWN_MAX = 20
_EITHER = f"{' and '.join(BY_EVENT)}, or {', '.join(BY_RECORD)}"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One decided pair. Each side is an event id, or source and reference of a record."""

    line: int
    one: str | RecordKey
    other: str | RecordKey
    same: bool


def read_reviewed(path: Path) -> list[Reviewed]:
    """Raises Unusable, with every fault of the file."""
    out, faults = [], []
    with path.open(encoding="utf-8-sig", newline="") as handle:
        for line, row in _lines(handle, is_jsonl(path)):
            try:
                out.append(_reviewed(line, row))
            except RowRefused as refused:
                faults.append(f"line {line}: {refused}")
    if not out and not faults:
        faults.append("there is no pair in it")
    _raise(faults)
    return out


def _lines(source: IO[str], jsonl: bool) -> Iterator[tuple[int, Row | RowRefused]]:
    """Raises Unusable for a file without the columns."""
    if jsonl:
        for line, text in enumerate(source, start=1):
            if text.strip():
                yield line, _object(text)
        return
    reader = csv.DictReader(source, strict=True)
    has = set(reader.fieldnames or ())
    if "decision" not in has or not (has.issuperset(BY_EVENT) or has.issuperset(BY_RECORD)):
        raise Unusable(f"the first line must name the columns decision, and {_EITHER}")
    try:
        for row in reader:
            yield reader.line_num, row if None not in row else RowRefused("more values than columns")
    except csv.Error as error:
        raise Unusable(f"line {reader.line_num}: not CSV ({error})") from error


def _object(text: str) -> Row | RowRefused:
    try:
        read = json.loads(text)
    except ValueError:
        return RowRefused("not JSON")
    if not isinstance(read, dict):
        return RowRefused("not a JSON object")
    return {name: None if value is None else str(value) for name, value in read.items()}


def _reviewed(line: int, row: Row | RowRefused) -> Reviewed:
    if isinstance(row, RowRefused):
        raise row
    given = {name: (row.get(name) or "").strip() for name in (*BY_EVENT, *BY_RECORD, "decision")}
    word = given["decision"].lower()
    faults = [] if word in WORDS else ["decision must be same or different"]
    events, records = [given[name] for name in BY_EVENT], [given[name] for name in BY_RECORD]
    if not all(events) and not all(records):
        faults.append(f"{_EITHER} must be there")
    if faults:
        raise RowRefused("; ".join(faults))
    if all(events):
        return Reviewed(line, events[0], events[1], WORDS[word])
    return Reviewed(line, (records[0], records[1]), (records[2], records[3]), WORDS[word])


def by_record(reviewed: Iterable[Reviewed], keys: Mapping[str, RecordKey]) -> dict[RecordKey, dict[RecordKey, bool]]:
    """Both ways round. ``keys``: records of rows by event id. Raises Unusable for what no row bears, or for both words
    about one pair."""
    out: dict[RecordKey, dict[RecordKey, bool]] = defaultdict(dict)
    faults = []
    for pair in reviewed:
        sides = [keys.get(side) if isinstance(side, str) else side for side in (pair.one, pair.other)]
        missing = [name for name, side in zip(BY_EVENT, sides, strict=True) if side is None]
        if missing:
            faults.append(f"line {pair.line}: {' and '.join(missing)}: no row has this event_id")
            continue
        one, other = sides
        assert one is not None and other is not None
        if one == other:
            faults.append(f"line {pair.line}: both sides are one record")
        elif out[one].get(other, pair.same) != pair.same:
            faults.append(f"line {pair.line}: another line says the opposite of this pair")
        else:
            out[one][other] = out[other][one] = pair.same
    _raise(faults)
    return {one: others for one, others in out.items() if others}


def _raise(faults: list[str]) -> None:
    if faults:
        more = len(faults) - FAULTS_SHOWN_MAX
        shown = faults[:FAULTS_SHOWN_MAX] + ([f"and {more} more"] if more > 0 else [])
        raise Unusable("\n".join(shown))
