"""The sequencer: decisions and operations become leaves, in order, and each tree gets its checkpoint.

One round is one transaction a tree and a bounded number of leaves: new rows of each place in order of offset, where
each stands, the tree's frontier and the signed checkpoint, all or nothing. Rounds exclude one another by a lock in the
database, so that any process may hold one (``hub archive run`` does).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import psycopg

from spine.errors import Halt, SpineError
from spine.ledger.checkpoint import Checkpoint, Signer
from spine.ledger.leaves import decision_leaf
from spine.ledger.operations import TREE as OPERATIONS
from spine.ledger.operations import operations_from
from spine.ledger.rows import places, rows_from, services
from spine.ledger.tree import Frontier, leaf_hash
from spine.log import Place
from spine.postgres import retrying

LEAVES_AT_ONCE = 10_000
LOCK = zlib.crc32(b"sequence the ledger")


@dataclass(frozen=True, slots=True)
class Ledger:
    """Who signs for which hub: the checkpoint of tree ``status`` has the origin ``<origin>/status``."""

    url: str
    signer: Signer
    origin: str

    def round(self) -> dict[str, int]:
        """Bring every tree up to now; returns how many leaves each grew by. Raises Retry, and Halt where a row that
        must be there is not."""
        grown: dict[str, int] = {}
        try:
            with retrying(), psycopg.connect(self.url) as connection:
                for tree in [*services(connection), OPERATIONS]:
                    grown[tree] = self._bring(connection, tree)
                connection.execute(
                    "INSERT INTO audit.beat (made_at) VALUES (clock_timestamp())"
                    " ON CONFLICT (one) DO UPDATE SET made_at = excluded.made_at, problem = ''"
                )
        except Exception as error:
            # Partners read it at the door: of anything but our own words, the kind alone.
            self._tell(str(error) if isinstance(error, SpineError) else type(error).__name__)
            raise
        return grown

    def _bring(self, connection: psycopg.Connection[Any], tree: str) -> int:
        grown = 0
        while True:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
                more = self._once(connection, tree)
            grown += more
            if more < LEAVES_AT_ONCE:
                return grown

    def _once(self, connection: psycopg.Connection[Any], tree: str) -> int:
        row = connection.execute("SELECT size, nodes FROM audit.tree WHERE name = %s", (tree,)).fetchone()
        frontier = Frontier.of_bytes(*row) if row else Frontier()
        before = frontier.size
        if tree == OPERATIONS:
            _take_operations(connection, frontier)
        else:
            _take_decisions(connection, tree, frontier)
        if frontier.size == before:
            return 0
        note = self.signer.sign(Checkpoint(f"{self.origin}/{tree}", frontier.size, frontier.root())).text
        connection.execute(
            "INSERT INTO audit.tree (name, size, nodes) VALUES (%s, %s, %s)"
            " ON CONFLICT (name) DO UPDATE SET size = excluded.size, nodes = excluded.nodes",
            (tree, frontier.size, frontier.to_bytes()),
        )
        connection.execute(
            "INSERT INTO audit.checkpoint (tree, size, note) VALUES (%s, %s, %s)", (tree, frontier.size, note)
        )
        return frontier.size - before

    def _tell(self, problem: str) -> None:
        """Leave word for the door, why there is no checkpoint. If the database is away, the door knows anyhow."""
        try:
            with psycopg.connect(self.url, connect_timeout=5) as connection:
                connection.execute("UPDATE audit.beat SET problem = %s", (problem,))
        except psycopg.Error:
            return


def _take_operations(connection: psycopg.Connection[Any], frontier: Frontier) -> None:
    found = operations_from(connection, frontier.size, LEAVES_AT_ONCE)
    for number, operation in enumerate(found, frontier.size):
        if operation.number != number:
            raise Halt(f"operation {number} is gone from audit.operation: see docs/audit-ledger.md")
    frontier.add([leaf_hash(operation.leaf) for operation in found])


def _take_decisions(connection: psycopg.Connection[Any], tree: str, frontier: Frontier) -> None:
    left = LEAVES_AT_ONCE
    for place in places(connection, tree):
        if left:
            left -= _take_place(connection, tree, place, frontier, left)


def _take_place(connection: psycopg.Connection[Any], tree: str, place: Place, frontier: Frontier, limit: int) -> int:
    held = connection.execute(
        "SELECT next FROM audit.place WHERE tree = %s AND topic = %s AND partition = %s", (tree, *place)
    ).fetchone()
    found = list(rows_from(connection, tree, place, held[0] if held else 0, limit))
    if not found:
        return 0
    first = held[0] if held else found[0][0].offset
    for offset, (row, _) in enumerate(found, first):
        if row.offset != offset:
            raise Halt(f"the decision of {tree} at {place[0]}/{place[1]}@{offset} is gone: see docs/audit-ledger.md")
    connection.execute(
        'INSERT INTO audit.run (tree, first, topic, partition, "offset", count) VALUES (%s, %s, %s, %s, %s, %s)',
        (tree, frontier.size, *place, first, len(found)),
    )
    connection.execute(
        "INSERT INTO audit.place (tree, topic, partition, next) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (tree, topic, partition) DO UPDATE SET next = excluded.next",
        (tree, *place, first + len(found)),
    )
    frontier.add([leaf_hash(decision_leaf(row, at)) for row, at in found])
    return len(found)
