"""What an explanation proves, checked from the file alone: no hub, no network, no keys. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from spine.journal import DecisionRow
from spine.ledger import leaves
from spine.ledger.checkpoint import NoteBroken, SignedCheckpoint
from spine.ledger.leaves import decision_leaf, moment
from spine.ledger.tree import ProofBroken, leaf_hash, verify_inclusion
from spine.record import effect_id
from spine.step import link_after

FORMAT = "hub-explanation/1"
EFFECTS_LOOKED_AT = 512
FRAME_BYTES = 5
_FLOW = {"ingest": "matching", "matching": "status", "status": "alerts"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked. ``holds`` is None where the file does not have what it takes."""

    what: str
    holds: bool | None
    why: str = ""


def sealed_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document in plain JSON values, with the hash of all of it."""
    plain: dict[str, Any] = orjson.loads(orjson.dumps(document, default=str))
    return {**plain, "sha256": _digest(plain)}


def _digest(plain: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in plain.items() if name != "sha256"}
    return hashlib.sha256(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()


def row_document(row: DecisionRow) -> dict[str, Any]:
    """A decision record as JSON values; ``row_of`` is the way back."""
    return dict(zip(leaves.FIELDS, leaves.fields_of(row), strict=True)) | {"link": row.link.hex()}


def row_of(read: Mapping[str, Any]) -> DecisionRow:
    """Raises KeyError, TypeError or ValueError for what is no decision record."""
    return leaves.row_of(orjson.dumps([read[name] for name in leaves.FIELDS]), bytes.fromhex(read["link"]))


def checks(document: Mapping[str, Any]) -> list[Check]:
    """Everything that the file lets be checked. A file that is none of ours fails with one check."""
    try:
        if document["format"] != FORMAT:
            return [Check("format", False, f"not {FORMAT}")]
        whole = Check("the file is as it was written", document["sha256"] == _digest(document))
        return [whole, *_acts(document), *_facts(document)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return [Check("format", False, f"it cannot be read: {type(error).__name__}")]


def _acts(document: Mapping[str, Any]) -> Iterator[Check]:
    for act in document["acts"]:
        name = f"act {act['act']} of {act['on']}"
        body = bytes.fromhex(act["record"]["value"])[FRAME_BYTES:]
        made = [row_of(one["row"]) for one in act["decisions"]]
        digests = [digest for row in made for identity, digest in row.effects if identity == act["event_id"]]
        if not made:
            yield Check(f"{name}: its decision", None, "no decision record is in the file")
            continue
        yield Check(f"{name}: decided, and on the log as decided", digests == [hashlib.sha256(body).digest()])
        yield Check(f"{name}: decided on its cause", all(row.event_id == act["caused_by"] for row in made))
        for one in act["decisions"]:
            yield from _decision(name, one)


def _facts(document: Mapping[str, Any]) -> Iterator[Check]:
    for fact in document["facts"]:
        name = f"fact {fact.get('type', fact['event_id'])} of {fact.get('effective_on', 'an unknown day')}"
        decisions = fact["decisions"]
        for one in decisions:
            yield from _decision(f"{name}, {one['service']}", one)
        by_service: dict[str, list[DecisionRow]] = {}
        for one in decisions:
            by_service.setdefault(one["service"], []).append(row_of(one["row"]))
        caused = {i for row in by_service.get("ingest", ()) for i, _ in row.effects}
        if caused:
            yield Check(f"{name}: passed the gate", fact["event_id"] in caused)
        for service, following in _FLOW.items():
            if service in by_service and following in by_service:
                made = {i for row in by_service[service] for i, _ in row.effects}
                asked = {row.event_id for row in by_service[following]}
                yield Check(f"{name}: what {following} decided on is what {service} said", asked <= made)


def _decision(name: str, one: Mapping[str, Any]) -> Iterator[Check]:
    row = row_of(one["row"])
    place = f"{row.topic}/{row.partition}@{row.offset}"
    if one["previous_link"] is None:
        yield Check(f"{name}: chain at {place}", None, "the link before it is not in the file")
    else:
        yield Check(f"{name}: chain at {place}", link_after(bytes.fromhex(one["previous_link"]), row) == row.link)
    if one["input"] is None:
        yield Check(f"{name}: input at {place}", None, "the log no longer held it: hub verify reads the archive")
    else:
        read = hashlib.sha256(bytes.fromhex(one["input"])).digest()
        yield Check(f"{name}: input at {place}", read == row.input_hash)
    if "inclusion" in one:
        yield Check(f"{name}: in the ledger's tree at {place}", _included(row, one["inclusion"]))
    yield Check(f"{name}: ids of effects at {place}", all(_follows(one["service"], row, i) for i, _ in row.effects))


def _included(row: DecisionRow, told: Mapping[str, Any]) -> bool:
    """Whether the row is a leaf of the tree in the note. Who signed the note, ``hub verify`` says."""
    leaf = leaf_hash(decision_leaf(row, moment(told["recorded_us"])))
    path = [bytes.fromhex(node) for node in told["path"]]
    try:
        checkpoint = SignedCheckpoint.parse(told["note"]).checkpoint
        verify_inclusion(leaf, told["leaf"], told["size"], path, checkpoint.root)
    except (ProofBroken, NoteBroken):
        return False
    return bool(checkpoint.size == told["size"])


def _follows(service: str, row: DecisionRow, identity: str) -> bool:
    """An effect about somebody erased is left out, so that numbers may be missing."""
    numbers = range(max(EFFECTS_LOOKED_AT, 2 * len(row.effects)))
    return any(effect_id(service, row.event_id, n) == identity for n in numbers)
