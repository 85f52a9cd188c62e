"""What the topic of refusals holds, joined with what ingest knows now; and redriving of what still waits.

Everything here is masked: parties, types, message ids and reasons. A sealed body is opened by a dry run only, in this
process, and nothing of it is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.whole_topic import facts_of
from services.ingest.agent import Opener, decode_state
from services.ingest.gate import Gate
from services.ingest.processor import TOPIC as SUBMISSIONS
from services.ingest.processor import state_key
from services.ingest.redrive import redriven
from services.ingest.redrive import rehearse as rehearsed
from spine.headed import Head, decode_head, head_key
from spine.journal import Journal
from spine.log import Log
from spine.record import Fields
from spine.schema import Catalogue

TOPIC, KIND = "refusals", "refusal.v1"
READ_MAX = 1_000
KEYS_MAX = 5_000
UNSENT_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """One refusal. ``state``: waits (sealed original kept), gone (nothing kept), settled (judged again since)."""

    ref: str
    fields: Fields
    state: str

    @property
    def party(self) -> str:
        return str(self.fields["party"])

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(sorted({str(found["code"]) for found in self.fields["faults"]}))


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which refusals are meant; empty means any."""

    reason: str = ""
    party: str = ""
    event: str = ""

    def takes(self, fields: Fields) -> bool:
        return (
            self.reason in ("", fields["reason"])
            and self.party in ("", fields["party"])
            and self.event in ("", fields["type"])
        )


def refusals(log: Log, catalogue: Catalogue, ingest: Journal, chosen: Chosen) -> list[Waiting]:
    """Every refusal still on the log that is meant, oldest first, with what became of it."""
    found = [fact for fact in facts_of(log, catalogue, TOPIC) if fact.kind == KIND and chosen.takes(fact.fields)]
    keys = {fact.event_id: _key(fact.fields) for fact in found}
    heard: dict[str, bytes] = {}
    names = sorted(set(keys.values()))
    for start in range(0, len(names), KEYS_MAX):
        with ingest.transaction() as transaction:
            heard |= transaction.load(names[start : start + KEYS_MAX])
    states = [_state(fact.fields, heard.get(keys[fact.event_id])) for fact in found]
    out = [Waiting(fact.event_id[:12], fact.fields, state) for fact, state in zip(found, states, strict=True)]
    return sorted(out, key=lambda one: (one.fields["received_at"], one.ref))


def gate_has_seen(head: Head, ingest: Journal, partitions: int) -> bool:
    """Whether ingest judges under ``head`` everywhere, and all it refused under earlier heads stands on the log."""
    keys = [head_key((SUBMISSIONS, n)) for n in range(partitions)]
    with ingest.transaction() as transaction:
        seen = [decode_head(body).number for body in transaction.load(keys).values()]
    if len(seen) < partitions or min(seen, default=0) < head.number:
        return False
    return not any(out.topic == TOPIC for out in ingest.unsent(UNSENT_MAX))


def _key(fields: Fields) -> str:
    return state_key(fields["party"], fields["message_id"], fields["test"])


def _state(fields: Fields, body: bytes | None) -> str:
    heard = None if body is None else decode_state(body)
    if heard is None or heard.outcome != "refused" or heard.submission_id != fields["submission_id"]:
        return "settled"
    return "waits" if fields["sealed_body"] is not None else "gone"


def classes(held: Sequence[Waiting]) -> list[tuple[str, str, str, str, int, datetime]]:
    """(reason, party, type, state, how many, oldest), the most first."""
    counted: Counter[tuple[str, str, str, str]] = Counter()
    oldest: dict[tuple[str, str, str, str], datetime] = {}
    for one in held:
        key = (str(one.fields["reason"]), one.party, str(one.fields["type"]), one.state)
        counted[key] += 1
        oldest.setdefault(key, one.fields["received_at"])
    return [(*key, number, oldest[key]) for key, number in sorted(counted.items(), key=lambda row: (-row[1], row[0]))]


def redrive(
    log: Log, catalogue: Catalogue, held: Sequence[Waiting], by: str, at: datetime, stand: str
) -> list[Waiting]:
    """Send again what waits; returns what was sent. Raises Retry: asking again is safe."""
    chosen = [one for one in held if one.state == "waits"]
    for start in range(0, len(chosen), READ_MAX):
        log.append([redriven(one.fields, catalogue, by, at, stand) for one in chosen[start : start + READ_MAX]])
    return chosen


Verdict = tuple[Waiting, str, tuple[str, ...]]


def rehearse(held: Sequence[Waiting], opener: Opener, gate: Gate, at: datetime) -> Iterator[Verdict]:
    """What the gate would say now of each that waits: (refusal, accepted or the reason, codes). Nothing is sent."""
    return rehearsed(((one, one.fields) for one in held if one.state == "waits"), opener, gate, at)


def one_of(held: Sequence[Waiting], ref: str) -> Waiting | None:
    """The refusal that a reference, or its unambiguous beginning, names."""
    found = [one for one in held if one.ref.startswith(ref)] if ref else []
    return found[0] if len(found) == 1 else None
