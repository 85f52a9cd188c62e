"""A replay as a span of its own, linked with the traces whose records it decides again. The child exports nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hub.replay.verdicts import Verdict
from spine import traces
from spine.carried import carried
from spine.record import Record

#: As many links as a span holds.
LINKS_MAX = 512


@dataclass(slots=True)
class Passed:
    """What one service's replay went through."""

    service: str
    begun: int = field(default_factory=time.time_ns)
    through: dict[str, None] = field(default_factory=dict)

    def seen(self, records: Sequence[Record]) -> None:
        if traces.held() is None:
            return
        for record in records:
            trace = carried(record.headers).trace
            if trace and len(self.through) < LINKS_MAX:
                self.through[trace] = None

    def end(self, counts: Counter[Verdict]) -> None:
        if (tracing := traces.held()) is not None:
            good = counts[Verdict.SAME] + counts[Verdict.SEALED]
            told: dict[str, str | int] = {
                "hub.service": self.service,
                "hub.decisions": sum(counts.values()),
                "hub.good": good,
            }
            tracing.again("replay", self.through, self.begun, told)
