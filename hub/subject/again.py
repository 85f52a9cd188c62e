"""Deciding an act of an alert once more, by the build and settings at hand: from what the file of an explanation holds.

The file has the state before the decision and the fact that was decided on, both opened, so that neither log nor keys
are needed. That they are the ones which were decided on is shown by the hashes in the decision record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from hub.subject.books import Books
from hub.subject.proof import Check, row_of
from hub.whole_topic import records_of
from services.alerts.agent import SERVICE, TOPIC, Current, stands, with_settings
from services.alerts.decide import Settings
from services.alerts.settings import load, under
from services.alerts.state import State, decode, encode
from spine import build
from spine.errors import SpineError
from spine.headed import POLICY, Head, head_of
from spine.keyed import Keyed
from spine.log import partition_of
from spine.record import Effect, Fact
from spine.schema import Catalogue
from spine.step import TICK


@lru_cache(maxsize=1)
def settings_at_hand(contracts: Path) -> Settings:
    """Read once: the policy's YAML takes longer than most answers."""
    return replace(load(contracts), build=build.name(SERVICE))


def rules_at_hand(catalogue: Catalogue, contracts: Path) -> tuple[Current, Keyed[State]]:
    """The settings of the contracts folder, and the pure side of alerts under them."""
    current = Current(settings_at_hand(contracts), lambda head: under(contracts, head))
    return current, with_settings(catalogue, current).keyed


def materials(books: Books, contracts: Path, person_id: str, causes: Collection[str]) -> dict[str, dict[str, Any]]:
    """State before and fact of the decision on each of these inputs, by going through the person's facts once more.

    One is missing where it cannot be told: the log no longer holds it, or somebody was erased.
    """
    current, keyed = rules_at_hand(books.catalogue, contracts)
    state, head = keyed.empty(person_id), None
    out: dict[str, dict[str, Any]] = {}
    for record in records_of(books.log, TOPIC, partition_of(person_id, books.log.partitions(TOPIC))):
        told = books.read(record)
        if told is None or told.erased:
            continue
        fact = told.fact
        if fact.kind == POLICY:
            moved = head_of(fact.fields)
            if head is not None and moved.number <= head.number:
                continue
            head = moved
            try:
                current.follow(head)
            except SpineError:
                break
        if fact.event_id in causes:
            out[fact.event_id] = _material(books.catalogue, state, head, fact)
        if _concerns(keyed, state, fact, record.key == person_id):
            state, _ = keyed.decide(state, fact)
    return out


def _concerns(keyed: Keyed[State], state: State, fact: Fact, own: bool) -> bool:
    if fact.kind == TICK:
        due = keyed.due_on(state)
        return due is not None and due <= fact.fields["on"]
    return stands(keyed.encode(state)) if fact.kind == POLICY else own


def _material(catalogue: Catalogue, state: State, head: Head | None, fact: Fact) -> dict[str, Any]:
    fields = dict(fact.fields)
    if fields.get("observation"):
        seen = dict(fields["observation"])
        seen["data"] = catalogue.opened(f"{seen['type']}.data.v1", seen["data"])
        seen["subject"] = catalogue.opened("subject.v1", seen["subject"]) if seen["subject"] else b""
        fields["observation"] = seen
    stand = None if head is None else [head.number, head.policy, list(head.agreements), list(head.parties)]
    before = encode(state).decode() if state != State(state.person_id) else None
    return {"person_id": state.person_id, "before": before, "head": stand, "kind": fact.kind, "fact": _flat(fields)}


def again(act: Mapping[str, Any], catalogue: Catalogue, contracts: Path) -> list[Check]:
    """Whether the act comes out the same, by what is at hand."""
    name, held = f"act {act['act']} of {act['on']} decided again", act.get("decided_on")
    rows = [row_of(one["row"]) for one in act["decisions"]]
    if not held or not rows:
        return [Check(name, None, "the file does not hold what was decided on")]
    current, keyed = rules_at_hand(catalogue, contracts)
    try:
        settings = current.follow(None if held["head"] is None else _head(held["head"]))
    except SpineError:
        return [Check(name, None, "the sharing policy of that time is not in contracts/compiled")]
    if settings != rows[0].settings:
        return [Check(name, None, f"decided under {rows[0].settings}, at hand is {settings}: hub replay has the build")]
    state = State(held["person_id"]) if held["before"] is None else decode(held["before"].encode())
    after, effects = keyed.decide(state, Fact(held["kind"], act["caused_by"], _full(held["fact"])))
    return [*_hashes(name, rows[0], held, encode(after)), Check(name, _same(act, effects))]


def _hashes(name: str, row: Any, held: Mapping[str, Any], after: bytes) -> list[Check]:
    """A tick and a move are decided for many at once: then the record's hashes are of all of them."""
    if held["kind"] in (TICK, POLICY):
        return []
    before = b"" if held["before"] is None else hashlib.sha256(held["before"].encode()).digest()
    return [
        Check(f"{name}: from the state that it was decided from", before == row.state_before),
        Check(f"{name}: to the same state", hashlib.sha256(after).digest() == row.state_after),
    ]


def _same(act: Mapping[str, Any], effects: Any) -> bool:
    """Whether an effect is this act, with the same views for the same recipients."""
    shown = [[one["role"], one["team"], one["worker"], one["shown"]] for one in act["recipients"]]
    return any(_matches(act, shown, one) for one in effects)


def _matches(act: Mapping[str, Any], shown: Any, effect: Effect) -> bool:
    fields = effect.fields
    if effect.kind != "alert.v1" or fields["act"] != act["act"]:
        return False
    now = [[one["role"], one["team"], one["worker"], one["view"]] for one in fields["recipients"]]
    return bool(orjson.loads(orjson.dumps(now, default=str)) == shown and fields["because"] == act["because"])


def _head(read: Any) -> Head:
    number, policy, agreements, parties = read
    return Head(number, policy, tuple(agreements), tuple(parties))


def _flat(value: Any) -> Any:
    """JSON that ``_full`` turns back: dates, moments and bytes are marked."""
    if isinstance(value, datetime):
        return {"$moment": value.isoformat()}
    if isinstance(value, date):
        return {"$day": value.isoformat()}
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, Mapping):
        return {key: _flat(one) for key, one in value.items()}
    return [_flat(one) for one in value] if isinstance(value, list | tuple) else value


def _full(value: Any) -> Any:
    if isinstance(value, Mapping):
        match list(value.items()):
            case [("$moment", text)]:
                return datetime.fromisoformat(text)
            case [("$day", text)]:
                return date.fromisoformat(text)
            case [("$bytes", text)]:
                return bytes.fromhex(text)
        return {key: _full(one) for key, one in value.items()}
    return [_full(one) for one in value] if isinstance(value, list) else value
