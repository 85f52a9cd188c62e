"""Bringing a refusal before the gate again: the submission that does it, and what the gate would say of it now.

``hub quarantine redrive`` and the door's ``/v1/refusals:redrive`` make the same submissions, so that asking twice, in
whichever way, redrives once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from services.ingest.agent import Opener
from services.ingest.door import receipt
from services.ingest.gate import Gate, No
from services.ingest.processor import SUBMISSION
from services.ingest.processor import TOPIC as SUBMISSIONS
from spine.clock import local_date
from spine.keystore import Erased
from spine.record import Fact, Fields, Outgoing
from spine.schema import Catalogue

T = TypeVar("T")

ACCEPTED, GONE = "accepted", "gone"
_SAME = ("party", "door", "message_id", "type", "form", "schema", "test", "sealed_body")


def again(refusal: Fields, by: str, at: datetime, stand: str) -> Fact:
    """The submission that brings a refusal before the gate again, as of ``at``: judged by the agreements of then.

    Its id follows from the refused submission, the day and the head, whoever asks.
    """
    parts = ("redrive", refusal["submission_id"], local_date(at).isoformat(), stand)
    identity = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
    fields: dict[str, Any] = {name: refusal[name] for name in _SAME} | {
        "event_id": identity,
        "principal": f"redrive:{by}",
        "received_at": at.replace(microsecond=at.microsecond // 1000 * 1000),
        "attempt": refusal["attempt"] + 1,
        "redrives": refusal["redrives"] or refusal["submission_id"],
    }
    return Fact(SUBMISSION, identity, fields)


def redriven(refusal: Fields, catalogue: Catalogue, by: str, at: datetime, stand: str) -> Outgoing:
    """The same, for the log."""
    fact = again(refusal, by, at, stand)
    body = catalogue.encode(SUBMISSION, fact.fields)
    key = f"{refusal['party']}|{refusal['message_id']}"
    return Outgoing(0, fact.event_id, SUBMISSIONS, key, SUBMISSION, body, receipt())


def rehearse(
    refusals: Iterable[tuple[T, Fields]], opener: Opener, gate: Gate, at: datetime
) -> Iterator[tuple[T, str, tuple[str, ...]]]:
    """What the gate would say now of each: (whose, ``accepted`` or the reason, codes). Nothing is sent or shown.

    ``gone``: the key of its day was destroyed. A person's own instruction to a provider is not looked up: ingest heeds
    it when it decides. Raises SealBroken where the key is another hub's.
    """
    for whose, refusal in refusals:
        try:
            submission = opener.submission(again(refusal, "rehearsal", at, gate.stand))
        except Erased:
            yield whose, GONE, ("key_destroyed",)
            continue
        verdict = gate.examine(submission.party, submission.received_at, submission.envelope)
        if isinstance(verdict, No):
            yield whose, verdict.reason, tuple(sorted({found.code for found in verdict.faults}))
        else:
            yield whose, ACCEPTED, ()
