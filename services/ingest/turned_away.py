"""A party's last refusals, as the party may read them: reasons, never content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

REFUSALS_MAX = 100


@dataclass(frozen=True, slots=True)
class Refused:
    """One refusal. ``codes``: (pointer, code) of each fault. ``kept``: the sealed original waits in quarantine."""

    message_id: str
    submission_id: str
    received_at: str
    type: str
    reason: str
    agreement: str
    attempt: int
    kept: bool
    codes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """The newest last, at most ``REFUSALS_MAX`` of one partition."""

    refusals: tuple[Refused, ...] = ()

    def encode(self) -> bytes:
        return orjson.dumps(self.refusals, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def decode(cls, body: bytes) -> TurnedAway:
        return cls(
            tuple(
                Refused(**{**read, "codes": tuple((pointer, code) for pointer, code in read["codes"])})
                for read in orjson.loads(body)
            )
        )


NONE = TurnedAway()


def with_refusal(held: TurnedAway, fields: Mapping[str, Any]) -> TurnedAway:
    """With the refusal of a ``refusal.v1`` effect."""
    refused = Refused(
        message_id=fields["message_id"],
        submission_id=fields["submission_id"],
        received_at=fields["received_at"].isoformat(),
        type=fields["type"],
        reason=fields["reason"],
        agreement=fields["agreement"],
        attempt=fields["attempt"],
        kept=fields["sealed_body"] is not None,
        codes=tuple((found["pointer"], found["code"]) for found in fields["faults"][:20]),
    )
    return TurnedAway((*held.refusals, refused)[-REFUSALS_MAX:])
