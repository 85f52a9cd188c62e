"""One message id of one party: the first accepted content counts, the same again does nothing, another is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, assert_never

from services.ingest.choice import FREE, INSTRUCTION, Instructions, instructed
from services.ingest.faults import Fault, fault
from services.ingest.gate import Gate, No, Said
from services.ingest.parse import Envelope
from spine.parts import Clear
from spine.record import Effect

#: Refusals of what a party may not say, or not as who it says it is. All others are mistakes of form.
BREACHES: Final = frozenset({"not_in_agreement", "no_agreement", "suspended", "wrong_principal"})


@dataclass(frozen=True, slots=True)
class Submission:
    """A submission opened: the fact's fields, the envelope read from its body, the fingerprint of its content.

    ``about``: keyed hash of the party's own reference of the person; empty where the party names none. ``under``: the
    key under which what it says of the person is sealed; that of the identity block where there is no reference.
    """

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
    about: str = ""
    under: str = ""
    redrives: str | None = None


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
    """The gate, and the number of partitions that must hear of an instruction."""

    gate: Gate
    partitions: int = 1

    def decide(
        self, heard: Heard, submission: Submission, instructions: Instructions = FREE
    ) -> tuple[Heard, Sequence[Effect]]:
        """The new state, and an observation or a refusal at most; of an instruction every partition is told too."""
        if heard.outcome == "accepted":
            if heard.fingerprint == submission.fingerprint:
                return replace(heard, repeats=heard.repeats + 1), ()
            # Not examined, so nobody knows whether it holds what the person has instructed not to share.
            keep = not instructions.given
            no = No("id_reused", (fault("/id", "id_reused"),), keep=keep, agreement=heard.agreement)
            return heard, (self._refusal(submission, no),)
        verdict = self.gate.examine(submission.party, submission.received_at, submission.envelope, instructions)
        match verdict:
            case Said():
                effects = (self._observation(submission, verdict), *self._instruction(submission, verdict))
                return self._accepted(submission, verdict), effects
            case No():
                effects = (self._refusal(submission, verdict), *self._breach(submission, verdict))
                return _refused(submission, verdict), effects
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
            "subject": Clear("subject.v1", said.subject, submission.under),
            "data": Clear(f"{said.type}.data.v1", said.data, submission.under),
            "sealed_under": submission.under,
        }
        return Effect("observations", policy.authority, "observation.v1", fields)

    def _instruction(self, submission: Submission, said: Said) -> Iterator[Effect]:
        """An instruction binds in every partition: the person's other messages may stand in any."""
        if said.type != INSTRUCTION or not submission.about:
            return
        scope, named = instructed(said.data)
        # It travels in clear: what is no field's name holds nothing back, and may be anything.
        items = [item for item in named if any(item in spec.paths for spec in self.gate.types.values())]
        fields = {
            "party": submission.party,
            "about": submission.about,
            "scope": scope,
            "items": items,
            "effective_on": said.effective_on,
            "received_at": submission.received_at,
            "test": submission.test,
        }
        for partition in range(self.partitions):
            yield Effect("submissions", submission.party, "choice.v1", fields, partition)

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
            "redrives": submission.redrives,
        }
        return Effect("refusals", submission.party, "refusal.v1", fields)

    def _breach(self, submission: Submission, no: No) -> Iterator[Effect]:
        """What no agreement covers is told to the data protection officer too (A39). Not of a rehearsal."""
        if no.reason not in BREACHES or submission.test:
            return
        key = feed_id(submission.party)
        fields = {
            "person_id": key,
            "party": submission.party,
            # What a message claims to be may be any text: only a type of the catalogue travels in clear.
            "type": submission.type if submission.type in self.gate.types else "",
            "reason": no.reason,
            "received_at": submission.received_at,
        }
        yield Effect("statuses", key, "breach.v1", fields)


def feed_id(party: str) -> str:
    """Key of a party's feed, as matching makes it for what a party says of its feed (docs/adr/0014)."""
    return "feed:" + hashlib.sha256(party.encode()).hexdigest()[:20]


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
