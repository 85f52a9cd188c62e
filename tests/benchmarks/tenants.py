"""Observations of several authorities side by side, one of them as large as all others together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from services.matching.agent import processor
from spine.journal import MemoryJournal
from spine.keystore import Keys
from spine.log import MemoryLog
from spine.record import Outgoing, Record
from spine.schema import Catalogue
from spine.step import Limits, SetAside, step
from tests.benchmarks.lives import ROOT
from tests.benchmarks.matching_service import SEED, outgoing, population

TOPIC, BATCH = "observations", 500
#: Whose names the partitions follow, the hot one first.
AUTHORITIES = ("northshire", "eastmoor", "southfold", "westwold", "highmarsh", "lowdale", "midholt", "farleigh")


def shares(people: int) -> dict[str, int]:
    """People of each authority: half of them are the first one's."""
    others = AUTHORITIES[1:]
    each = people // 2 // len(others)
    return {AUTHORITIES[0]: people - each * len(others), **dict.fromkeys(others, each)}


def said(catalogue: Catalogue, authority: str, number: int, people: int) -> Iterator[Outgoing]:
    """What the gate would pass on for one authority, in its order. References are told apart by authority: two
    councils' records never share a key of the key store."""
    rows = (
        {**row, "source_ref": f"{authority}-{row['source_ref']}", "event_id": f"{authority}-{row['event_id']}"}
        for row in population(SEED + number, people).rows
    )
    yield from outgoing(catalogue, rows, True, authority)


def observations(people: int, partitions: int, keys: Keys) -> list[Record]:
    """The records of all authorities on so many partitions, each authority's in its order.

    They are decided here once, so that every key that a decision seals under stands in the store: runs that take a
    copy of it can be compared byte for byte.
    """
    catalogue = Catalogue([ROOT / "schemas" / "avro"], keys)
    log = MemoryLog({TOPIC: partitions}, catalogue.frame)
    for number, (authority, share) in enumerate(shares(people).items()):
        told = said(catalogue, authority, number, share)
        while chunk := list(islice(told, 2_000)):
            log.append(chunk)
    found = list(log.read({(TOPIC, n): 0 for n in range(partitions)}, 10_000_000, 0))
    matching, journal, aside = processor(catalogue, ROOT / "contracts"), MemoryJournal(), SetAside(Limits())
    for begin in range(0, len(found), BATCH):
        step(found[begin : begin + BATCH], matching, journal, catalogue, aside)
    return found
