"""Leaves a second of ``hub verify``, beside a bare read of the same files: ``python -m tests.benchmarks.ledger_speed``.

Made rows, 7 to a key, in files as the archive writes them. Prints one line of JSON.
"""

from __future__ import annotations

import gc
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hub.archive.containers import DECISIONS, read_container, write_container
from hub.archive.reading import Archive
from hub.archive.writing import LEAVES_MAX, decision_row
from hub.verify.decisions import check_decisions
from hub.verify.finding import Found, Known
from spine.journal import DecisionRow
from spine.ledger.checkpoint import Checkpoint
from spine.ledger.leaves import body_of, linked, moment
from spine.ledger.rows import Recorded
from spine.ledger.tree import Frontier


def rows(count: int) -> Iterator[Recorded]:
    link = b""
    for offset in range(count):
        hashed = offset.to_bytes(32, "big")
        row = DecisionRow(
            *("statuses", 0, offset, f"{offset:032x}", "status.v1", hashed, hashed, hashed),
            *(((f"{offset:032x}", hashed),), "b" * 64, "s" * 64, None, "", b""),
        )
        link = linked(link, body_of(row))
        at = moment(1_790_000_000_000_000 + offset)
        yield DecisionRow(*(getattr(row, name) for name in row.__slots__ if name != "link"), link), at


def measure(count: int, folder: Path) -> dict[str, float]:
    archive, frontier, source = Archive(folder), Frontier(), rows(count)
    for first in range(0, count, LEAVES_MAX):
        some = [decision_row(n, r) for n, r in zip(range(first, min(count, first + LEAVES_MAX)), source, strict=False)]
        frontier.add(row["leaf_hash"] for row in some)
        about = [("statuses", 0, first, len(some))]
        write_container(folder / "decisions" / f"status-{first}-{first + len(some) - 1}.avro", DECISIONS, some, about)
    known, found = Known([]), Found()
    known.points["status"] = {count: Checkpoint("hub/status", count, frontier.root())}
    # As ``verify`` does it.
    gc.disable()
    begun = time.process_time()
    check_decisions(archive, "status", known, found)
    seconds = time.process_time() - begun
    gc.enable()
    assert not found.faults and found.leaves == count
    begun = time.process_time()
    read = sum(
        1 for _ in itertools.chain.from_iterable(read_container(p) for *_, p in archive.files("decisions", "status"))
    )
    bare = time.process_time() - begun
    assert read == count
    return {
        "leaves": count,
        "verify_leaves_per_second": round(count / seconds),
        "bare_read_per_second": round(count / bare),
        "times_bare_read": round(seconds / bare, 2),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000, Path(made))))
