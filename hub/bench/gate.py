"""The gate alone, in one process: what check, projection and seal cost an event, next to a plain decode of it.

Check: the verdict on an envelope. Projection: the parts of the observation, with the covered fields and no others,
each field sealed under the key of its source record. Seal: the body as it was received, bound to the id of its
submission. Plain decode: fastavro over the same event as a partner's Avro. All over the same events, in turns, so that
a slow moment of the machine meets both.
"""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

import orjson

from hub.bench.load import load, today
from hub.layout import contracts_folder, schemas_folder
from hub.sharing import ensure_built
from services.ingest.fields import type_specs
from services.ingest.gate import Gate, Said
from services.ingest.parse import Envelope, read_json
from services.ingest.policy import load_policy
from spine.keystore import MemoryKeys
from spine.parts import Clear
from spine.schema import Catalogue
from spine.seal import Sealer

TURNS = 7
RATIO_MAX = 5.0


@dataclass(frozen=True, slots=True)
class _Case:
    """One accepted event in the forms that the parts of the gate take."""

    party: str
    received_at: datetime
    body: bytes
    envelope: Envelope
    said: Said
    about: bytes
    kind: str
    avro: bytes


def measure_gate(events: int) -> dict[str, Any]:
    """Microseconds an event of each part (median of the turns), and what they are to a plain decode."""
    contracts = contracts_folder()
    ensure_built(contracts)
    catalogue, sealer = Catalogue([schemas_folder()], MemoryKeys()), Sealer(bytes(range(32)))
    gate = Gate(load_policy(contracts), type_specs(catalogue.sources))
    cases = cases_of(gate, catalogue, events)
    parts: dict[str, Callable[[_Case], object]] = {
        "decode": lambda case: catalogue.decode(case.kind, case.avro),
        "read": lambda case: read_json(case.body),
        "check": lambda case: gate.examine(case.party, case.received_at, case.envelope),
        "projection": lambda case: projected(catalogue, case),
        "seal": lambda case: sealer.seal(case.body, case.about),
    }
    turns = [{name: _microseconds(part, cases) for name, part in parts.items()} for _ in range(TURNS + 1)][1:]
    each = {name: median(turn[name] for turn in turns) for name in parts}
    gated = each["check"] + each["projection"] + each["seal"]
    return {
        "machine": {"python": platform.python_version(), "events": len(cases), "turns": TURNS},
        "microseconds": {name: round(value, 2) for name, value in each.items()} | {"gate": round(gated, 2)},
        "per_second": {"gate": round(1e6 / gated), "decode": round(1e6 / each["decode"])},
        "ratio": round(gated / each["decode"], 2),
        "ratio_with_reading": round((gated + each["read"]) / each["decode"], 2),
        "ratio_max": RATIO_MAX,
    }


def cases_of(gate: Gate, catalogue: Catalogue, events: int) -> Sequence[_Case]:
    """The accepted ones among ``events`` of the generated county."""
    at = datetime.now(UTC)
    cases: list[_Case] = []
    for line in load(events, today()):
        body = orjson.dumps(line.event)
        envelope = read_json(body)
        assert envelope is not None
        said = gate.examine(line.door_party, at, envelope)
        if isinstance(said, Said):
            kind = f"{said.type}.v1"
            fields = {"effective_on": said.effective_on, "subject": said.subject, "data": said.data}
            avro = catalogue.encode(kind, fields)
            cases.append(_Case(line.door_party, at, body, envelope, said, b"%032x" % len(cases), kind, avro))
    return cases


def projected(catalogue: Catalogue, case: _Case) -> tuple[bytes, bytes]:
    """What of a message goes on: both parts of its observation, as the step seals them."""
    said, about = case.said, case.about.decode()
    under = f"{case.party}/{said.subject.get('source_ref')}"
    subject, data = Clear("subject.v1", said.subject, under), Clear(f"{said.type}.data.v1", said.data, under)
    return catalogue.seal(subject, about), catalogue.seal(data, about)


def _microseconds(part: Callable[[_Case], object], cases: Sequence[_Case]) -> float:
    gc.collect()
    began = time.perf_counter()
    for case in cases:
        part(case)
    return (time.perf_counter() - began) / len(cases) * 1e6
