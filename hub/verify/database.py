"""The database against the archive: every row that became a leaf is still the same, and what is not archived yet holds
as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

from hub.archive.writing import runs_between
from hub.verify.files import check_end
from hub.verify.finding import AT_ONCE, Found, Known, take_leaves
from spine.ledger.checkpoint import NoteBroken, SignedCheckpoint
from spine.ledger.leaves import body_of, leaf_of, linked, microseconds
from spine.ledger.operations import TREE, operations_from
from spine.ledger.rows import rows_from, services
from spine.ledger.tree import leaf_hash

LEAVES_AT_ONCE = 50_000


def check_database(connection: psycopg.Connection[Any], known: Known, found: Found) -> None:
    """Raises psycopg.Error where the database does not answer."""
    for tree, note_size, text in connection.execute("SELECT tree, size, note FROM audit.checkpoint ORDER BY 1, 2"):
        _check_note(tree, note_size, text, known, found)
    (rows,) = connection.execute("SELECT coalesce(sum(size), 0)::bigint FROM audit.tree").fetchone() or (0,)
    found.step("database", 3, rows)
    for tree in [TREE, *services(connection)]:
        row = connection.execute("SELECT size FROM audit.tree WHERE name = %s", (tree,)).fetchone()
        size = int(row[0]) if row else 0
        archived = len(known.leaves.get(tree, b"")) // 32
        if size < archived:
            found.fault(f"audit.tree has {size} leaves, the archive {archived}", tree=tree, leaf=size)
            continue
        if _check_rows(connection, tree, size, known, found) and tree in known.grown:
            check_end(found, known, tree, max(size, archived))


def _check_note(tree: str, size: int, text: str, known: Known, found: Found) -> None:
    file = f"audit.checkpoint {tree} {size}"
    try:
        note = SignedCheckpoint.parse(text)
        note.verify(known.verifiers)
    except NoteBroken as error:
        found.fault(str(error), file=file)
        return
    point = note.checkpoint
    held = known.points.setdefault(tree, {}).get(size)
    if (known.tree_of(point.origin), point.size) != (tree, size):
        found.fault(f"this is the checkpoint of {point.size} leaves of {point.origin}", file=file)
    elif held is not None and held != point:
        found.fault("the archive has another checkpoint of this size: the tree was forked", file=file)
    else:
        known.points[tree][size] = point


def _check_rows(connection: psycopg.Connection[Any], tree: str, size: int, known: Known, found: Found) -> bool:
    """Up to the first row that is bad; whether there was none."""
    archived = known.leaves.setdefault(tree, bytearray())
    held, frontier = len(archived) // 32, known.grown.get(tree)
    hashes: list[bytes] = []
    source = _operations(connection, size) if tree == TREE else _decisions(connection, tree, size)
    links = known.links.get(tree, {})
    number = 0
    for number, (place, leaf, link, body) in enumerate(source):
        found.rows += 1
        if found.rows % AT_ONCE == 0:
            found.advance(AT_ONCE)
        if leaf is None:
            found.fault("the row is gone from the database", tree=tree, leaf=number, place=place[0])
            return False
        if number < held:
            if archived[number * 32 : number * 32 + 32] != leaf:
                found.fault("the row in the database is not the archived one", tree=tree, leaf=number, place=place[0])
                return False
            continue
        if body is not None:
            before = links.get(place[1])
            if linked(before[1] if before else b"", body) != link:
                what = "the row in the database does not follow from the one before it in the chain of its place"
                found.fault(what, tree=tree, leaf=number, place=place[0])
                return False
            links[place[1]] = (0, link)
        hashes.append(leaf)
    if frontier is not None and frontier.size == held:
        return take_leaves(found, known, tree, frontier, hashes)
    return not hashes or frontier is not None


Row = tuple[tuple[str, tuple[str, int]], bytes | None, bytes, bytes | None]


def _operations(connection: psycopg.Connection[Any], size: int) -> Iterator[Row]:
    number = 0
    while number < size:
        found = operations_from(connection, number, min(LEAVES_AT_ONCE, size - number))
        for operation in found:
            if operation.number != number:
                break
            yield ("", ("", 0)), leaf_hash(operation.leaf), b"", None
            number += 1
        else:
            if found:
                continue
        yield (f"operation {number}", ("", 0)), None, b"", None
        return


def _decisions(connection: psycopg.Connection[Any], tree: str, size: int) -> Iterator[Row]:
    for topic, partition, offset, count in runs_between(connection, tree, 0, size):
        expected = offset
        for row, at in rows_from(connection, tree, (topic, partition), offset, count):
            if row.offset != expected:
                break
            body = body_of(row)
            leaf = leaf_hash(leaf_of(body, row.link, microseconds(at)))
            yield (f"{topic}/{partition}@{expected}", (topic, partition)), leaf, row.link, body
            expected += 1
        if expected != offset + count:
            yield (f"{topic}/{partition}@{expected}", (topic, partition)), None, b"", None
            return
