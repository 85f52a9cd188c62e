"""What alerts counts of its decisions, once they are committed: how soon, and whom the gate let be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from services.alerts.state import State
from spine.carried import carried
from spine.clock import now
from spine.keyed import KeyedProcessor
from spine.record import Decided
from spine.step import Told
from spine.telemetry import metrics

#: An act that brings an alert: how long it took is what promise 8 is about. Others follow a ground that stood before.
RAISED = "raised"


class AlertsProcessor(KeyedProcessor[State]):
    """Remembers why roles were not told until the batch is committed: no fact on the log says it."""

    refused: Counter[str]
    clock: Callable[[], datetime] = staticmethod(now)

    def discard(self) -> None:
        self.refused.clear()
        KeyedProcessor.discard(self)

    def measure(self, told: Sequence[Told]) -> None:
        verdicts = Counter({("refused", reason): number for reason, number in self.refused.items()})
        self.refused.clear()
        metrics().at_zero("hub_receipt_to_alert_seconds", stage="decided")
        for one in told:
            verdicts += verdicts_of(one.decided)
            taken = carried(one.record.headers).received_ms
            if taken is not None and raises(one.decided):
                waited = max(0.0, self.clock().timestamp() - taken / 1000)
                metrics().observe("hub_receipt_to_alert_seconds", waited, stage="decided")
        for (verdict, reason), number in verdicts.items():
            metrics().count("hub_gate_decisions_total", number, gate="alerts", verdict=verdict, reason=reason)


def raises(decided: Decided) -> bool:
    """Whether a decision raised an alert, other than a rehearsed one."""
    return any(
        effect.kind == "alert.v1" and effect.fields["act"] == RAISED and not effect.fields["test"]
        for effect in decided.effects
    )


def verdicts_of(decided: Decided) -> Counter[tuple[str, str]]:
    """What the gate said, for each recipient of each act: allowed, partly (something is withheld), refused."""
    found: Counter[tuple[str, str]] = Counter()
    for effect in decided.effects:
        if effect.kind != "alert.v1" or effect.fields["test"]:
            continue
        for recipient in effect.fields["recipients"]:
            if recipient["gone"]:
                found["refused", "taken_back"] += 1
            else:
                found[("partly", "withheld") if recipient["view"]["withheld"] else ("allowed", "")] += 1
    return found
