"""What a partner reads: receipts, and RFC 9457 problems that list every fault and no value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from services.ingest.faults import MESSAGES, Fault
from services.ingest.turned_away import Refused

PROBLEM = "application/problem+json"
TITLES: Mapping[str, str] = {
    "malformed": "The message has not the shape of an event",
    "invalid": "The event has values that cannot be right",
    "not_in_agreement": "The agreement does not cover all of this event",
    "no_agreement": "No agreement covers this event",
    "suspended": "The agreement is suspended",
    "wrong_principal": "The event speaks for another party",
    "unreadable": "The message cannot be read",
    "policy_missing": "The hub has no sharing policy in force",
    "id_reused": "This message id was used before with other content",
    "unauthorised": "A valid key, token, certificate or signature is needed",
    "forbidden": "What you signed in with does not allow this",
    "two_people": "So many at once are redriven only when two people want it",
    "replayed": "This webhook was taken before; nothing was done again",
    "too_large": "The message is too large",
    "too_many": "Too many events in one request",
    "too_fast": "Too many events in this time",
    "unavailable": "The hub cannot take events now",
    "no_checkpoint": "The hub takes no events until its ledger can be sealed again",
    "not_found": "No message of yours has this id",
    "media_type": "The body must be JSON",
    "no_such_path": "There is nothing at this address",
    "method": "This address takes another method",
    "failed": "The hub made a mistake; it has been told",
}
STATUS: Mapping[str, int] = {
    "unreadable": 400,
    "unauthorised": 401,
    "forbidden": 403,
    "two_people": 403,
    "not_found": 404,
    "id_reused": 409,
    "replayed": 409,
    "too_large": 413,
    "too_many": 413,
    "no_such_path": 404,
    "method": 405,
    "media_type": 415,
    "too_fast": 429,
    "failed": 500,
    "unavailable": 503,
    "policy_missing": 503,
    "no_checkpoint": 503,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal of a door or of the gate. ``limit``: the limits of the party that were reached."""

    reason: str
    faults: tuple[Fault, ...] = ()
    receipt: str = ""
    retry_after_seconds: int = 0
    limit: Mapping[str, int] = field(default_factory=dict)
    detail: str = ""

    @property
    def status(self) -> int:
        return STATUS.get(self.reason, 422)

    def body(self) -> dict[str, Any]:
        out: dict[str, Any] = {
            "type": f"urn:eet-hub:problem:{self.reason}",
            "title": TITLES[self.reason],
            "status": self.status,
            "reason": self.reason,
            "errors": [asdict(found) for found in self.faults],
        }
        out |= {"limit": dict(self.limit)} if self.limit else {}
        out |= {"detail": self.detail} if self.detail else {}
        return out | ({"receipt": self.receipt} if self.receipt else {})

    def headers(self) -> dict[str, str]:
        out = {"Retry-After": str(self.retry_after_seconds)} if self.retry_after_seconds else {}
        return out | ({"WWW-Authenticate": 'Bearer realm="eet-hub"'} if self.status == 401 else {})


def taken(message_id: str, receipt: str) -> dict[str, Any]:
    """A 202: the message stands on the log; what the hub makes of it is in the receipt."""
    return {"id": message_id, "status": 202, "receipt": receipt}


def turned_away(refused: Refused, still: bool) -> dict[str, Any]:
    """A refusal as its party reads it. ``kept``: the original waits with the hub and can be redriven there."""
    return {
        "id": refused.message_id,
        "receipt": refused.submission_id,
        "received_at": refused.received_at,
        "type": refused.type,
        "reason": refused.reason,
        "errors": [{"pointer": p, "code": code, "message": MESSAGES.get(code, "")} for p, code in refused.codes],
        "agreement": refused.agreement,
        "attempt": refused.attempt,
        "kept": refused.kept,
        "open": still,
    }


def explained(codes: Sequence[str]) -> list[dict[str, str]]:
    """Codes as a receipt shows them."""
    return [{"code": code, "message": MESSAGES.get(code, "")} for code in codes]
