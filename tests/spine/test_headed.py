"""A policy that moves: nobody who can't take a move goes on under the old one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from spine.errors import Halt
from spine.headed import POLICY, Head, HeadedProcessor
from spine.journal import MemoryJournal
from spine.log import MemoryLog
from spine.record import Outgoing
from spine.schema import Catalogue
from spine.step import Limits, SetAside, step
from tests.spine.toy import ROOT, counts, toy_catalogue, toy_processor

MOVE = {
    "number": 2,
    "at": datetime(2026, 11, 25, tzinfo=UTC),
    "policy": "a" * 64,
    "head": "policy.json",
    "suspended_agreements": ["isa-2024-011"],
    "suspended_parties": [],
    "act": "suspended",
    "what": "isa-2024-011",
    "moved_by": "R. Osei",
    "approved_by": None,
    "because": "",
}


def world() -> tuple[MemoryLog, Catalogue]:
    catalogue = toy_catalogue()
    catalogue.add(POLICY, json.loads((ROOT / "schemas" / "avro" / f"{POLICY}.avsc").read_text()))
    catalogue.use_ids({kind: n for n, kind in enumerate(sorted(catalogue.sources), start=1)})
    log = MemoryLog({"things": 1, "effects": 1, "quarantine": 1}, catalogue.frame)
    log.append(counts(catalogue, "things", range(3), keys=3))
    body = catalogue.encode(POLICY, {"event_id": "move-2", **MOVE})
    log.append([Outgoing(0, "move-2", "things", "", POLICY, body, (), 0)])
    return log, catalogue


def ran(processor: HeadedProcessor, log: MemoryLog, catalogue: Catalogue) -> MemoryJournal:
    journal, aside = MemoryJournal(), SetAside(Limits())
    for record in log.read({("things", 0): 0}, 10, 0):
        # As the host does with a record that broke its batch.
        step([record], processor, journal, catalogue, aside, isolate=True)
    return journal


def test_a_policy_that_can_not_be_read_halts_and_is_not_set_aside() -> None:
    def follow(head: Head | None) -> str:
        if head is not None:
            raise KeyError("grants")
        return "at the start"

    log, catalogue = world()
    with pytest.raises(Halt, match="policy head 2"):
        ran(HeadedProcessor(toy_processor(), follow), log, catalogue)


def test_one_state_that_can_not_take_a_move_halts_too() -> None:
    inner = toy_processor()
    decide = inner.keyed.decide

    def breaks(state: Any, fact: Any) -> Any:
        if fact.kind == POLICY and state.key == "key-1":
            raise ZeroDivisionError
        return (state, []) if fact.kind == POLICY else decide(state, fact)

    object.__setattr__(inner.keyed, "decide", breaks)
    log, catalogue = world()
    with pytest.raises(Halt, match="policy head 2"):
        ran(HeadedProcessor(inner, lambda head: "", lambda body: True, inner), log, catalogue)
