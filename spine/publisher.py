"""The publisher: outbox to log, in order, by one owner per service."""

from __future__ import annotations

from spine import faults
from spine.journal import Journal
from spine.log import Log


def publish(journal: Journal, log: Log, limit: int = 5_000) -> int:
    """Send up to ``limit`` unsent rows, lowest number first, and mark them. Returns how many.

    It chooses unsent rows, never "greater than the last sent": numbers do not follow commit order. A crash between
    append and mark sends rows again under the same ids, which readers recognise.
    """
    rows = journal.unsent(limit)
    if not rows:
        return 0
    log.append(rows)
    faults.reach("produced")
    journal.mark_sent([row.number for row in rows])
    faults.reach("marked")
    return len(rows)
