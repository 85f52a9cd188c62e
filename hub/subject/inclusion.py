"""Proofs that the decisions of an explanation stand in the ledger's trees, as far as the archive has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hub.archive.reading import Archive, NotArchived
from spine.errors import SpineError
from spine.ledger.leaves import microseconds


def add_proofs(archive: Archive, decisions: Sequence[dict[str, Any]]) -> int:
    """Put ``inclusion`` into every decision that stands under an archived checkpoint; how many do.

    What is not archived yet stays without: the sequencer and the archive's writer are a little behind.
    """
    wanted: dict[tuple[str, str, int], dict[int, list[dict[str, Any]]]] = {}
    for one in decisions:
        row = one["row"]
        place = wanted.setdefault((one["service"], row["topic"], row["partition"]), {})
        place.setdefault(row["offset"], []).append(one)
    proved = 0
    for (service, topic, partition), by_offset in sorted(wanted.items()):
        for leaf, row, at in archive.decisions(service, (topic, partition)):
            try:
                proof = archive.proof(service, leaf) if row.offset in by_offset else None
            except NotArchived:
                break
            if proof is not None:
                tree = {"leaf": leaf, "recorded_us": microseconds(at), "size": proof.size, "note": proof.note}
                for one in by_offset[row.offset]:
                    one["inclusion"] = {**tree, "path": [node.hex() for node in proof.path]}
                    proved += 1
            if row.offset >= max(by_offset):
                break
    return proved


def decisions_of(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every decision that an explanation holds."""
    for part in (*document["acts"], *document["facts"]):
        yield from part["decisions"]


def archived_input(archive: Archive, topic: str, partition: int, offset: int) -> Any:
    """The record, where retention has taken it from the log; None where the archive has not got it either."""
    try:
        return next(archive.records(topic, partition, offset, offset), None)
    except (NotArchived, SpineError):
        return None
