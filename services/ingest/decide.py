"""One message id of one party: the first accepted content counts, the same again does nothing, another is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from services.ingest.faults import Fault, fault
from services.ingest.fields import Value
from services.ingest.gate import Gate, No, Said
from services.ingest.parse import Envelope
from spine.record import Effect

#: Encodes an Avro part: kind, fields -> body.
Encode = Callable[[str, Mapping[str, Value]], bytes]


@dataclass(frozen=True, slots=True)
class Submission:
    """A submission opened: the fact's fields, the envelope read from its body, the fingerprint of its content."""

    event_id: str
    party: str
    door: str
    received_at: datetime
    message_id: str
    type: str
    form: str
    schema: str | None
    test: bool
    attempt: int
    sealed_body: bytes
    envelope: Envelope | None
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of one message id. ``outcome`` is accepted or refused; empty: never heard."""

    outcome: str = ""
    submission_id: str = ""
    received_at: str = ""
    type: str = ""
    agreement: str = ""
    reason: str = ""
    codes: tuple[str, ...] = ()
    fingerprint: str = ""
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class Ingest:
    """The gate and the encoder of parts."""

    gate: Gate
    encode: Encode

    def decide(self, heard: Heard, submission: Submission) -> tuple[Heard, Sequence[Effect]]:
        """The new state and one effect at most: an observation or a refusal."""
        if heard.outcome == "accepted":
            if heard.fingerprint == submission.fingerprint:
                return replace(heard, repeats=heard.repeats + 1), ()
            no = No("id_reused", (fault("/id", "id_reused"),), keep=True, agreement=heard.agreement)
            return heard, (self._refusal(submission, no),)
        verdict = self.gate.examine(submission.party, submission.received_at, submission.envelope)
        match verdict:
            case Said():
                return self._accepted(submission, verdict), (self._observation(submission, verdict),)
            case No():
                return _refused(submission, verdict), (self._refusal(submission, verdict),)
            case _:
                assert_never(verdict)

    def _accepted(self, submission: Submission, said: Said) -> Heard:
        return Heard(
            outcome="accepted",
            submission_id=submission.event_id,
            received_at=submission.received_at.isoformat(),
            type=said.type,
            agreement=said.agreement,
            fingerprint=submission.fingerprint,
        )

    def _observation(self, submission: Submission, said: Said) -> Effect:
        policy = self.gate.policy
        assert policy is not None
        fields = {
            "source": submission.party,
            "source_kind": said.source_kind,
            "message_id": submission.message_id,
            "type": said.type,
            "effective_on": said.effective_on,
            "received_at": submission.received_at,
            "sequence": said.sequence,
            "withheld": list(said.withheld),
            "dropped": list(said.dropped),
            "agreement": said.agreement,
            "policy": policy.policy_hash,
            "authority": policy.authority,
            "test": submission.test,
            "subject": self.encode("subject.v1", said.subject),
            "data": self.encode(f"{said.type}.data.v1", said.data),
        }
        return Effect("observations", policy.authority, "observation.v1", fields)

    def _refusal(self, submission: Submission, no: No) -> Effect:
        fields = {
            "submission_id": submission.event_id,
            "party": submission.party,
            "message_id": submission.message_id,
            "type": submission.type,
            "received_at": submission.received_at,
            "door": submission.door,
            "reason": no.reason,
            "faults": [_plain(found) for found in no.faults],
            "sealed_body": submission.sealed_body if no.keep else None,
            "form": submission.form,
            "schema": submission.schema,
            "agreement": no.agreement,
            "policy": self.gate.policy_hash,
            "attempt": submission.attempt,
            "test": submission.test,
        }
        return Effect("refusals", submission.party, "refusal.v1", fields)


def _refused(submission: Submission, no: No) -> Heard:
    """A refused message binds nothing: its id may come again with the fault mended."""
    return Heard(
        outcome="refused",
        submission_id=submission.event_id,
        received_at=submission.received_at.isoformat(),
        type=submission.type,
        agreement=no.agreement,
        reason=no.reason,
        codes=tuple(sorted({found.code for found in no.faults})),
    )


def _plain(found: Fault) -> dict[str, str]:
    return {
        "pointer": found.pointer,
        "code": found.code,
        "message": found.message,
        "expected": found.expected,
    }
