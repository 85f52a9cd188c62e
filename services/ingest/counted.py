"""What ingest counts of its decisions, once they are committed: the gate's yes and no, and who was heard when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from spine.record import Decided
from spine.step import Told
from spine.telemetry import metrics

#: Classes of refusal, as the gate gives them: a label takes no other word.
REASONS = frozenset(
    (
        *("id_reused", "invalid", "malformed", "no_agreement", "not_in_agreement", "policy_missing", "suspended"),
        *("unreadable", "wrong_principal"),
    )
)
EXTRACT = "feed.extract_received"


def count(told: Sequence[Told]) -> None:
    """The metrics of a batch. What a test key sent is nobody's work and is not counted."""
    heard: dict[tuple[str, str], datetime] = {}
    for one in told:
        if one.fact is None or one.fact.kind != "submission.v1" or one.fact.fields["test"] or one.decided.note:
            continue
        verdict, reason = verdict_of(one.decided)
        metrics().count("hub_gate_decisions_total", gate="door", verdict=verdict, reason=reason)
        if verdict != "refused":
            party, at = one.fact.fields["party"], one.fact.fields["received_at"]
            what = "extract" if one.fact.fields["type"] == EXTRACT else "event"
            heard[party, what] = max(at, heard.get((party, what), at))
    for (party, what), at in heard.items():
        metrics().gauge("hub_source_heard_timestamp_seconds", at.timestamp(), party=party, what=what)


def verdict_of(decided: Decided) -> tuple[str, str]:
    """(verdict, reason) of what the gate decided: allowed, partly (fields were dropped), refused, or repeated."""
    for effect in decided.effects:
        if effect.kind == "refusal.v1":
            reason = effect.fields["reason"]
            return "refused", reason if reason in REASONS else "other"
        if effect.kind == "observation.v1":
            return ("partly", "minimised") if effect.fields["dropped"] else ("allowed", "")
    return "repeated", ""
