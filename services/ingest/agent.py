"""The shell around ingest's processor: the sealing key, the compiled policies, and how a sealed body is opened."""

from __future__ import annotations

import base64
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from services.ingest import counted
from services.ingest.channels.day_keys import PostgresDays
from services.ingest.days import DailySealer
from services.ingest.decide import Ingest, Submission
from services.ingest.fields import type_specs
from services.ingest.gate import Gate
from services.ingest.parse import Envelope, content, read_avro, read_json
from services.ingest.policy import SharingPolicy, load_policy, parse_policy
from services.ingest.processor import TOPIC, IngestProcessor
from services.ingest.processor import decode_state as decode_state
from services.ingest.processor import encode_state as encode_state
from services.ingest.processor import state_key as state_key
from spine import build
from spine.errors import Halt
from spine.headed import Head, HeadedProcessor, read_policy
from spine.kafka import topics_of
from spine.record import Fact
from spine.schema import Catalogue
from spine.seal import Sealer, Seals
from spine.settings import Settings
from spine.step import Processor

#: The doors look up what ingest keeps for each partition of the topic, by number.
PARTITIONS_MAX = 64


class Gates:
    """The gate under any head. Compiled policies never change, so each is read once."""

    def __init__(self, catalogue: Catalogue, contracts: Path) -> None:
        self._contracts = contracts
        self._types = type_specs(catalogue.sources)
        self._start = load_policy(contracts)
        self._read = lru_cache(maxsize=8)(self._policy)

    def under(self, head: Head | None) -> Gate:
        """Raises Retry while the head's policy is not in the folder. A head without a policy refuses everything."""
        if head is None:
            return Gate(self._start, self._types)
        policy = self._read(head.policy) if head.policy else None
        return Gate(policy, self._types, frozenset(head.agreements), frozenset(head.parties), head.number)

    def _policy(self, policy: str) -> SharingPolicy:
        return parse_policy(json.loads(read_policy(self._contracts, policy)), policy)


def gate_of(catalogue: Catalogue, contracts: Path) -> Gate:
    """The gate under the policy that stands compiled; without one it refuses everything."""
    return Gates(catalogue, contracts).under(None)


def root_of_environment() -> Sealer:
    """From HUB_SEAL_KEY or HUB_SEAL_KEY_FILE. Raises KeyError if neither is set."""
    if "HUB_SEAL_KEY" in os.environ:
        return Sealer.from_text(os.environ["HUB_SEAL_KEY"])
    return Sealer.from_text(Path(os.environ["HUB_SEAL_KEY_FILE"]).read_text())


def daily(root: Sealer, postgres: str) -> DailySealer:
    """What seals and opens bodies in the hub whose database is at this URL. Reaches it when it is first needed."""
    return DailySealer(root, PostgresDays(postgres, root))


def sealer_of_environment() -> DailySealer:
    """Of this process's hub. Raises KeyError without a root."""
    return daily(root_of_environment(), Settings().postgres.get_secret_value())


def build_name() -> str:
    """Name of the running build, as decisions record it."""
    return build.name("ingest")


def processor(
    catalogue: Catalogue, contracts: Path, sealer: Seals | None = None, partitions: int | None = None
) -> Processor:
    """ingest as the spine runs it. The sealer comes from the environment, the partitions from the topics' contract."""
    gates = Gates(catalogue, contracts)
    core = Ingest(gates.under(None), partitions or partitions_of(contracts))
    opener = Opener(sealer or sealer_of_environment(), catalogue)
    inner = IngestProcessor(opener, core, gates.under, build_name())
    # What is read at the start: by it a replay finds the build, whatever head was in force.
    rules = f"rules:{core.gate.policy_hash[:16]}"
    return HeadedProcessor(inner, lambda head: f"{inner.follow(head)} {rules}", measured=counted.count)


def partitions_of(contracts: Path) -> int:
    """Partitions of the topic of submissions. Raises Halt where they are more than the doors look into."""
    found = int(topics_of(contracts / "topics.yaml")[TOPIC]["partitions"])
    if found > PARTITIONS_MAX:
        raise Halt(f"{TOPIC} has {found} partitions: the doors would not find what is beyond {PARTITIONS_MAX}")
    return found


class Opener:
    """Opens sealed bodies. A body that does not open (another key, altered bytes) raises SealBroken: no decision; one
    whose key was destroyed raises Erased."""

    def __init__(self, sealer: Seals, catalogue: Catalogue) -> None:
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
            about=self._about(envelope),
            under=self._under(fields["party"], fields["test"], envelope),
            redrives=fields["redrives"],
        )

    def _about(self, envelope: Envelope | None) -> str:
        ref = _source_ref(envelope)
        return base64.b64encode(self._sealer.fingerprint(b"source_ref\0" + ref.encode())).decode() if ref else ""

    def _under(self, party: str, test: bool, envelope: Envelope | None) -> str:
        """A rehearsal has keys of its own: it may be erased alone."""
        ref = _source_ref(envelope)
        named = ref.encode() if ref else orjson.dumps(_subject(envelope), default=str, option=orjson.OPT_SORT_KEYS)
        parts = (b"sealed under", party.encode(), b"test" if test else b"", b"ref" if ref else b"block", named)
        opaque = base64.urlsafe_b64encode(self._sealer.fingerprint(b"\0".join(parts))[:18]).decode()
        return f"{party}/{opaque}"

    def _read(self, form: str, kind: str | None, body: bytes) -> Envelope | None:
        if form == "json":
            return read_json(body)
        if form == "avro":
            return read_avro(body, kind, self._catalogue.decode)
        return None


def _subject(envelope: Envelope | None) -> dict[str, Any]:
    data = envelope.data if envelope else None
    subject = data.get("subject") if isinstance(data, dict) else None
    return subject if isinstance(subject, dict) else {}


def _source_ref(envelope: Envelope | None) -> str:
    """The party's own reference of the person, as sent; empty where it names none."""
    ref = _subject(envelope).get("source_ref")
    return ref if isinstance(ref, str) and ref.strip() else ""
