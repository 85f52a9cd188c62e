"""The gate's cost per event, with room for a slow machine: a figure ten times over is a regression, not noise."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import orjson

from services.ingest.decide import Heard, Ingest, Submission
from services.ingest.gate import Gate
from services.ingest.parse import content, read_json
from spine.schema import Catalogue
from spine.seal import Sealer

EVENTS = 3_000
MICROSECONDS_MAX = 1_500


def test_gate_and_decision_are_cheap(gate: Gate, catalogue: Catalogue, withdrawal: Any) -> None:
    ingest, body, sealer = Ingest(gate), orjson.dumps(withdrawal), Sealer(bytes(32))
    received = datetime(2025, 11, 24, 8, 5, tzinfo=UTC)
    spent: dict[str, float] = {}
    begun = time.perf_counter()
    for n in range(EVENTS):
        envelope = read_json(body)
        assert envelope is not None
        print_ = sealer.fingerprint(content(envelope)).hex()
        submission = Submission(
            str(n), "northvale-college", "http", received, "m", "t", "json", None, False, 1, b"", envelope, print_
        )
        _, effects = ingest.decide(Heard(), submission)
        assert effects[0].topic == "observations"
    spent["whole"] = (time.perf_counter() - begun) / EVENTS * 1e6
    print({name: f"{value:.0f} µs" for name, value in spent.items()})
    assert spent["whole"] < MICROSECONDS_MAX
