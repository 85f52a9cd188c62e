"""The archive's files: Avro object containers with one form each, written once.

The same rows give the same bytes: no compression, and a fixed marker between blocks instead of a random one.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import fastavro

_BYTES, _LONG, _TEXT = "bytes", "long", "string"


def _record(named: str, /, **fields: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "namespace": "eethub.archive",
        "name": named,
        "fields": [{"name": field, "type": kind} for field, kind in fields.items()],
    }


SEGMENT = _record(
    "Segment",
    offset=_LONG,
    timestamp_ms=_LONG,
    key=_TEXT,
    value=_BYTES,
    headers={"type": "array", "items": _record("Header", name=_TEXT, value=_BYTES)},
)
#: ``row`` is what the chain of its place hashes: the decision's columns but for the link, as canonical JSON.
DECISIONS = _record("Decision", leaf=_LONG, row=_BYTES, link=_BYTES, recorded_us=_LONG, leaf_hash=_BYTES)
OPERATIONS = _record("Operation", leaf=_LONG, kind=_TEXT, about=_TEXT, at_us=_LONG, leaf_hash=_BYTES)
_MARKER = hashlib.sha256(b"eethub.archive").digest()[:16]
BLOCK_BYTES = 64 * 1024


def write_container(path: Path, schema: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], about: Any = None) -> str:
    """Write ``rows`` under ``path`` for good and return the file's sha256, hex. ``about`` is read by ``about_of``."""
    return write_once(path, lambda out: _fill(out, schema, rows, about))


def container_bytes(schema: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """As ``write_container`` writes them: a file of these rows has no other bytes."""
    out = io.BytesIO()
    _fill(out, schema, rows)
    return out.getvalue()


def _fill(out: BinaryIO, schema: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], about: Any = None) -> None:
    metadata = {} if about is None else {"eethub.about": json.dumps(about, separators=(",", ":"))}
    parsed = fastavro.parse_schema(dict(schema))
    fastavro.writer(out, parsed, rows, "null", BLOCK_BYTES, metadata, sync_marker=_MARKER)


def write_once(path: Path, fill: Callable[[BinaryIO], object]) -> str:
    """Write aside, make durable, make read-only, give the name: a file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with new.open("w+b") as out:
        fill(out)
        out.flush()
        os.fsync(out.fileno())
        os.fchmod(out.fileno(), 0o440)
    digest = file_digest(new)
    new.rename(path)
    _sync_folder(path.parent)
    return digest


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_digest(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def read_container(path: Path) -> Iterator[dict[str, Any]]:
    """Its rows. What a damaged file raises is fastavro's."""
    with path.open("rb") as source:
        yield from fastavro.reader(source)


def about_of(path: Path) -> Any:
    with path.open("rb") as source:
        return json.loads(fastavro.reader(source).metadata["eethub.about"])


def ends(path: Path) -> tuple[str, int, int]:
    """Of ``<name>-<first>-<last>.avro``. Raises ValueError for a name of another form."""
    name, first, last = path.name.removesuffix(".avro").rsplit("-", 2)
    return name, int(first), int(last)
