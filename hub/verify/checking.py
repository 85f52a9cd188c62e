"""Everything that ``hub verify`` checks, in order: what proves comes before what is proved."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from hub.archive.reading import Archive
from hub.verify.database import check_database
from hub.verify.decisions import check_decisions, check_segments
from hub.verify.files import check_files, check_notes, check_operations
from hub.verify.finding import Found, Known
from spine.ledger.checkpoint import NoteBroken, SignedCheckpoint, Verifier
from spine.ledger.tree import HASH_BYTES, Tree


def verify(
    archive: Archive,
    verifiers: Sequence[Verifier],
    found: Found,
    *,
    seen: Sequence[Path] = (),
    connection: psycopg.Connection[Any] | None = None,
) -> Found:
    """``seen``: checkpoints that somebody kept elsewhere. ``connection``: the database to compare with, if any."""
    # Millions of small objects and no cycles among them: nothing is found by looking for some.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _verified(archive, Known(list(verifiers)), found, seen, connection)
    finally:
        if collecting:
            gc.enable()


def _verified(
    archive: Archive,
    known: Known,
    found: Found,
    seen: Sequence[Path],
    connection: psycopg.Connection[Any] | None,
) -> Found:
    check_notes(archive, known, found)
    check_operations(archive, known, found)
    check_files(archive, known, found)
    ends = [end for service in archive.services() for end in archive.files("decisions", service)]
    found.step("decisions", 1, sum(last - first + 1 for first, last, _ in ends))
    for service in archive.services():
        check_decisions(archive, service, known, found)
    for tree in sorted(known.points.keys() - known.grown.keys()):
        found.fault("there are checkpoints of the tree and no leaves", tree=tree)
    check_segments(archive, known, found)
    if connection is not None:
        check_database(connection, known, found)
    for path in seen:
        _check_seen(path, known, found)
    return found


def _check_seen(path: Path, known: Known, found: Found) -> None:
    """The tree begins as somebody saw it. Its size may be one of which there is no checkpoint here."""
    try:
        note = SignedCheckpoint.parse(path.read_bytes().decode())
        note.verify(known.verifiers)
    except (NoteBroken, UnicodeDecodeError) as error:
        found.fault(str(error), file=str(path))
        return
    point = note.checkpoint
    tree = known.tree_of(point.origin)
    leaves = known.leaves.get(tree, b"")
    if point.size * HASH_BYTES > len(leaves) and any(fault.tree == tree for fault in found.faults):
        return  # The leaves could not be read so far, and why has been said.
    if point.size * HASH_BYTES > len(leaves):
        what = f"the tree was cut off: this checkpoint was seen over {point.size} leaves"
        found.fault(what, file=str(path), tree=tree, leaf=len(leaves) // HASH_BYTES)
        return
    hashes = (bytes(leaves[at : at + HASH_BYTES]) for at in range(0, point.size * HASH_BYTES, HASH_BYTES))
    if Tree(hashes).root() != point.root:
        found.fault(f"the tree was forked: its first {point.size} leaves are not those seen", file=str(path), tree=tree)
