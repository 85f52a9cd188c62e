"""The archive's writer: segments before retention takes them, decisions and operations under their checkpoints.

A run goes on where the last one ended, also where it was killed. Each file's hash becomes an operation, so that the
ledger holds it; the run ends with the checkpoint over those operations.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import psycopg
from psycopg import sql

from hub.archive.containers import DECISIONS, OPERATIONS, SEGMENT, file_digest, write_container, write_once
from hub.archive.reading import Archive
from spine.canonical import canonical
from spine.clock import now
from spine.errors import Halt, Retry
from spine.ledger import operations
from spine.ledger.leaves import body_of, leaf_of, microseconds
from spine.ledger.rows import Recorded, rows_from
from spine.ledger.sequencer import Ledger
from spine.ledger.tree import leaf_hash
from spine.log import Place
from spine.postgres import retrying
from spine.record import Record
from spine.schema import Catalogue

#: Of the database: one run at a time.
LOCK = 0x6172636869766500
LOCK_SECONDS_MAX = 60
RECORDS_MAX = 50_000
LEAVES_MAX = 65_536
READ_MAX, READ_MS, EMPTY_READS_MAX = 2_000, 500, 60
#: Folders whose files the ledger holds by their hash; operations prove themselves.
HELD = ("segments", "decisions", "builds", "settings", "snapshots")


Alive = Callable[[], object]


class StampedLog(Protocol):
    """What the writer needs of a log: ``spine.kafka.KafkaLog`` has it."""

    def partitions(self, topic: str) -> int: ...

    def start(self, place: Place) -> int: ...

    def end(self, place: Place) -> int: ...

    def read_stamped(
        self, positions: Mapping[Place, int], limit: int, wait_ms: int
    ) -> Sequence[tuple[Record, int]]: ...


@dataclass(slots=True)
class Written:
    """What a run added."""

    segments: int = 0
    records: int = 0
    decisions: int = 0
    operations: int = 0
    checkpoints: int = 0
    files: list[str] = field(default_factory=list)


def run(
    archive: Archive,
    ledger: Ledger,
    log: StampedLog,
    catalogue: Catalogue,
    topics: Iterable[str],
    alive: Alive = lambda: None,
) -> Written:
    """Archive all that is there now; ``alive`` is called after each file. Raises Retry, also where another run is long
    at work, or Halt where the log lost records that were not archived."""
    with retrying(), psycopg.connect(ledger.url, autocommit=True) as alone:
        alone.execute(sql.SQL("SET lock_timeout = {}").format(f"{LOCK_SECONDS_MAX}s"))
        try:
            # Two would write the same records twice, under names that overlap.
            alone.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        except psycopg.errors.LockNotAvailable as error:
            raise Retry("another run of the archive is at work") from error
        return _run(archive, ledger, log, catalogue, topics, alive)


def _run(
    archive: Archive, ledger: Ledger, log: StampedLog, catalogue: Catalogue, topics: Iterable[str], alive: Alive
) -> Written:
    written = Written()
    ledger.round()
    _write_schemas(archive, catalogue)
    for topic in topics:
        for n in range(log.partitions(topic)):
            _write_segments(archive, log, (topic, n), written, alive)
    with retrying(), psycopg.connect(ledger.url, autocommit=True) as connection:
        for tree, size in _trees(connection):
            if tree != operations.TREE:
                _write_decisions(archive, connection, tree, size, written, alive)
        _hold_files(archive, connection, written)
        ledger.round()
        sizes = dict(_trees(connection))
        _write_operations(archive, connection, sizes.get(operations.TREE, 0), written)
        _write_checkpoints(archive, connection, written)
    return written


def _trees(connection: psycopg.Connection[Any]) -> list[tuple[str, int]]:
    return connection.execute("SELECT name, size FROM audit.tree ORDER BY name").fetchall()


def _write_schemas(archive: Archive, catalogue: Catalogue) -> None:
    """Ids only come on top: one that names another schema than before would make old records unreadable."""
    path = archive.folder / "schemas.json"
    held: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    parts = catalogue.partners
    new = {
        str(number): {"kind": kind, "partner": kind in parts, "schema": catalogue.sources[kind]}
        for kind, number in catalogue.ids.items()
    }
    if changed := sorted(number for number in held.keys() & new.keys() if held[number] != new[number]):
        raise Halt(f"the registry gives schema ids {', '.join(changed)} to other schemas than the archive's records")
    if new.keys() - held.keys():
        write_once(path, lambda out: out.write(json.dumps(held | new, indent=1, sort_keys=True).encode()))


def _write_segments(archive: Archive, log: StampedLog, place: Place, written: Written, alive: Alive) -> None:
    topic, partition = place
    last = archive.last_offset(topic, partition)
    at, end = (log.start(place) if last is None else last + 1), log.end(place)
    if at < log.start(place):
        raise Halt(
            f"{topic}/{partition}: the log begins at {log.start(place)}, the archive needs {at}: records are lost"
        )
    while at < end:
        behind = min(end, at + RECORDS_MAX)
        path = archive.folder / "segments" / f"{topic}-{partition}-{at}-{behind - 1}.avro"
        # As they are read: a whole segment in memory is a quarter of a gigabyte.
        write_container(path, SEGMENT, map(_segment_row, _read(log, place, at, behind)))
        alive()
        written.segments += 1
        written.records += behind - at
        at = behind


def _read(log: StampedLog, place: Place, at: int, end: int) -> Iterator[tuple[Record, int]]:
    empty = 0
    while at < end:
        found = log.read_stamped({place: at}, READ_MAX, READ_MS)
        empty = 0 if found else empty + 1
        if empty >= EMPTY_READS_MAX:
            raise Retry(f"the broker does not give what stands on {place[0]}: try again")
        for record, stamp in found:
            if record.offset >= end:
                return
            if record.offset != at:
                raise Halt(f"gap in log: {place[0]}/{place[1]}@{at}")
            at += 1
            yield record, stamp


def _segment_row(stamped: tuple[Record, int]) -> Mapping[str, Any]:
    record, stamp = stamped
    headers = [{"name": name, "value": value} for name, value in record.headers]
    return {
        "offset": record.offset,
        "timestamp_ms": stamp,
        "key": record.key,
        "value": record.value,
        "headers": headers,
    }


def _write_decisions(
    archive: Archive, connection: psycopg.Connection[Any], tree: str, size: int, written: Written, alive: Alive
) -> None:
    held = archive.files("decisions", tree)
    first = held[-1][1] + 1 if held else 0
    while first < size:
        end = min(size, first + LEAVES_MAX)
        runs = runs_between(connection, tree, first, end)
        path = archive.folder / "decisions" / f"{tree}-{first}-{end - 1}.avro"
        rows = itertools.chain.from_iterable(rows_of_run(connection, tree, run) for run in runs)
        write_container(path, DECISIONS, map(decision_row, itertools.count(first), rows), runs)
        written.decisions += end - first
        alive()
        first = end


def runs_between(
    connection: psycopg.Connection[Any], tree: str, first: int, end: int
) -> list[tuple[str, int, int, int]]:
    """(topic, partition, offset, count) of the leaves ``first`` up to ``end``, in order."""
    found = connection.execute(
        'SELECT first, topic, partition, "offset", count FROM audit.run'
        " WHERE tree = %s AND first < %s AND first + count > %s ORDER BY first",
        (tree, end, first),
    ).fetchall()
    cut = []
    for begin, topic, partition, offset, count in found:
        ahead = max(0, first - begin)
        cut.append((topic, partition, offset + ahead, min(begin + count, end) - begin - ahead))
    return cut


def rows_of_run(connection: psycopg.Connection[Any], tree: str, run: tuple[str, int, int, int]) -> Iterator[Recorded]:
    """Raises Halt where the database no longer has a row that is a leaf."""
    topic, partition, offset, count = run
    expected = offset
    for row, at in rows_from(connection, tree, (topic, partition), offset, count):
        if row.offset != expected:
            break
        yield row, at
        expected += 1
    if expected != offset + count:
        raise Halt(f"the decision of {tree} at {topic}/{partition}@{expected} is gone: see docs/audit-ledger.md")


def decision_row(leaf: int, recorded: Recorded) -> Mapping[str, Any]:
    row, at = recorded
    body, us = body_of(row), microseconds(at)
    hashed = leaf_hash(leaf_of(body, row.link, us))
    return {"leaf": leaf, "row": body, "link": row.link, "recorded_us": us, "leaf_hash": hashed}


def _hold_files(archive: Archive, connection: psycopg.Connection[Any], written: Written) -> None:
    """Put the hash of every file that the ledger does not hold yet into it. One that it holds is not looked at."""
    held: dict[str, str] = {}
    for (about,) in connection.execute("SELECT about FROM audit.operation WHERE kind = 'archive' ORDER BY number"):
        held |= json.loads(about)["files"]
    new = {}
    for path in sorted(p for folder in HELD for p in (archive.folder / folder).rglob("*") if _finished(p)):
        name = path.relative_to(archive.folder).as_posix()
        if name not in held:
            new[name] = file_digest(path)
    schemas = archive.folder / "schemas.json"
    if schemas.exists() and held.get("schemas.json") != file_digest(schemas):
        new["schemas.json"] = file_digest(schemas)
    if new:
        operations.record(connection, "archive", {"files": new}, now())
        written.files += sorted(new)


def _finished(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def _write_operations(archive: Archive, connection: psycopg.Connection[Any], size: int, written: Written) -> None:
    held = archive.files("operations")
    first = held[-1][1] + 1 if held else 0
    while first < size:
        found = operations.operations_from(connection, first, min(LEAVES_MAX, size - first))
        rows = map(operation_row, found)
        write_container(archive.folder / "operations" / f"{first}-{first + len(found) - 1}.avro", OPERATIONS, rows)
        written.operations += len(found)
        first += len(found)


def operation_row(one: operations.Operation) -> Mapping[str, Any]:
    return {
        "leaf": one.number,
        "kind": one.kind,
        "about": canonical(one.about).decode(),
        "at_us": microseconds(one.at),
        "leaf_hash": leaf_hash(one.leaf),
    }


def _write_checkpoints(archive: Archive, connection: psycopg.Connection[Any], written: Written) -> None:
    """Also those that got a cosignature since: the only files that are written again."""
    held = {tree: size for tree in [*archive.services(), operations.TREE] for size in [_archived(archive, tree)]}
    for tree, size, note in connection.execute("SELECT tree, size, note FROM audit.checkpoint ORDER BY 1, 2"):
        path = archive.folder / "checkpoints" / f"{tree}-{size}.note"
        if size <= held.get(tree, 0) and (not path.exists() or path.read_text() != note):
            write_once(path, partial(_fill_note, note))
            written.checkpoints += 1


def _fill_note(note: str, out: BinaryIO) -> None:
    out.write(note.encode())


def _archived(archive: Archive, tree: str) -> int:
    files = archive.files("operations") if tree == operations.TREE else archive.files("decisions", tree)
    return files[-1][1] + 1 if files else 0
