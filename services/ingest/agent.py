"""The processor of ingest: opens a submission, reads its envelope, and hands both to the pure ``decide``."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import orjson

from services.ingest.decide import Heard, Ingest, Submission
from services.ingest.fields import type_specs
from services.ingest.gate import Gate
from services.ingest.parse import Envelope, content, read_avro, read_json
from services.ingest.policy import load_policy
from spine.keyed import Keyed, KeyedProcessor
from spine.record import Effect, Fact
from spine.schema import Catalogue
from spine.seal import Sealer
from spine.step import Processor

TOPIC = "submissions"


def gate_of(catalogue: Catalogue, contracts: Path) -> Gate:
    """The gate under the policy that stands compiled; without one it refuses everything."""
    return Gate(load_policy(contracts), type_specs(catalogue.sources))


def sealer_of_environment() -> Sealer:
    """From HUB_SEAL_KEY or HUB_SEAL_KEY_FILE. Raises KeyError if neither is set."""
    if "HUB_SEAL_KEY" in os.environ:
        return Sealer.from_text(os.environ["HUB_SEAL_KEY"])
    return Sealer.from_text(Path(os.environ["HUB_SEAL_KEY_FILE"]).read_text())


def build_name() -> str:
    """Name of the running build, as decisions record it."""
    try:
        return os.environ.get("HUB_BUILD") or version("eet-hub")
    except PackageNotFoundError:
        return "source"


def processor(catalogue: Catalogue, contracts: Path, sealer: Sealer | None = None) -> Processor:
    """ingest as the spine runs it. The sealer comes from the environment unless one is given."""
    gate = gate_of(catalogue, contracts)
    core = Ingest(gate, catalogue.encode)
    opener = Opener(sealer or sealer_of_environment(), catalogue)

    def decide(heard: Heard, fact: Fact) -> tuple[Heard, Sequence[Effect]]:
        if fact.kind != "submission.v1":
            return heard, ()
        return core.decide(heard, opener.submission(fact))

    keyed: Keyed[Heard] = Keyed(
        key_of=key_of,
        empty=lambda key: Heard(),
        decide=decide,
        encode=encode_state,
        decode=decode_state,
        due_on=_never,
        gone=lambda heard: not heard.outcome,
    )
    return KeyedProcessor("ingest", TOPIC, build_name(), gate.policy_hash, keyed)


def _never(heard: Heard) -> date | None:
    del heard
    return None


def key_of(fact: Fact) -> str:
    """State key: one message id of one party; test messages live beside the live ones."""
    return state_key(fact.fields.get("party", ""), fact.fields.get("message_id", ""), bool(fact.fields.get("test")))


def state_key(party: str, message_id: str, test: bool) -> str:
    return f"{party}|{message_id}|test" if test else f"{party}|{message_id}"


def encode_state(heard: Heard) -> bytes:
    """Deterministic bytes; ``decode_state`` is the way back."""
    return orjson.dumps({name: getattr(heard, name) for name in _STATE}, option=orjson.OPT_SORT_KEYS)


_STATE = tuple(Heard.__dataclass_fields__)


def decode_state(body: bytes) -> Heard:
    read = orjson.loads(body)
    return Heard(**{**read, "codes": tuple(read["codes"])})


class Opener:
    """Opens sealed bodies. A body that does not open (another key, altered bytes) raises SealBroken: no decision."""

    def __init__(self, sealer: Sealer, catalogue: Catalogue) -> None:
        self._sealer = sealer
        self._catalogue = catalogue

    def submission(self, fact: Fact) -> Submission:
        fields = fact.fields
        # A redriven body is sealed about the submission that first carried it.
        about = fields["redrives"] or fact.event_id
        body = self._sealer.open(fields["sealed_body"], about.encode())
        envelope = self._read(fields["form"], fields["schema"], body)
        said = content(envelope) if envelope else body
        return Submission(
            event_id=fact.event_id,
            party=fields["party"],
            door=fields["door"],
            received_at=fields["received_at"],
            message_id=fields["message_id"],
            type=fields["type"],
            form=fields["form"],
            schema=fields["schema"],
            test=fields["test"],
            attempt=fields["attempt"],
            sealed_body=fields["sealed_body"],
            envelope=envelope,
            fingerprint=base64.b64encode(self._sealer.fingerprint(said)).decode(),
        )

    def _read(self, form: str, kind: str | None, body: bytes) -> Envelope | None:
        if form == "json":
            return read_json(body)
        if form == "avro":
            return read_avro(body, kind, self._catalogue.decode)
        return None
