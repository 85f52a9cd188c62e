"""A return that has left stays as it was: written once, found again, never overwritten. What differs flows forward."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RECORD = "record.json"


class Broken(Exception):
    """A frozen return is not what its record says."""


def frozen(folder: Path) -> Mapping[str, Any] | None:
    """The record of a frozen return whose files are as they were; None if there is none. Raises Broken."""
    if not folder.exists():
        return None
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        changed = [name for name, digest in record["files"].items() if _digest((folder / name).read_bytes()) != digest]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise Broken(
            f"{folder.name}: its record or a file is missing or unreadable; bring it back from a backup"
        ) from error
    if changed:
        raise Broken(f"{folder.name}: changed since it was frozen: {', '.join(sorted(changed))}")
    return dict(record)


def freeze(folder: Path, files: Mapping[str, bytes], record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write all or nothing. Raises FileExistsError or OSError if something stands there already."""
    whole = {**record, "files": {name: _digest(body) for name, body in sorted(files.items())}}
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Private: it holds names. Renamed in one move, so that a killed run leaves no half of a return.
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    for name, body in {**files, RECORD: json.dumps(whole, indent=1, sort_keys=True).encode()}.items():
        (made / name).write_bytes(body)
    os.rename(made, folder)
    return whole


def difference(earlier: Path, later: Path, name: str = "nccis.csv") -> Mapping[str, Any]:
    """How many rows came, went and changed between two frozen returns, and in which fields. Counts only."""
    frozen(earlier), frozen(later)
    one, other = _rows(earlier / name), _rows(later / name)
    both = one.keys() & other.keys()
    fields = Counter(field for key in both for field in one[key] if one[key][field] != other[key].get(field))
    return {
        "rows": [len(one), len(other)],
        "came": len(other.keys() - one.keys()),
        "went": len(one.keys() - other.keys()),
        "changed": sum(one[key] != other[key] for key in both),
        "fields": dict(sorted(fields.items())),
    }


def _rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return {row["YoungPersonsID"]: row for row in csv.DictReader(handle)}


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
