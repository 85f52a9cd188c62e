"""What became of a message id: from ingest's own journal, and from what this door has just appended.

Nothing here knows people: a receipt says what the gate said, and takes as long for a person known as for one unknown.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Protocol

from services.ingest.agent import PARTITIONS_MAX, decode_state
from services.ingest.decide import Heard
from services.ingest.processor import turned_away_key
from services.ingest.turned_away import Refused, TurnedAway
from spine.journal import Journal

RECENT_MAX = 20_000


class Receipts(Protocol):
    """Looks up state keys of ingest."""

    def heard(self, keys: Sequence[str]) -> Mapping[str, Heard]: ...

    def refusals(self, party: str, test: bool) -> list[Refused]:
        """The party's last refusals, newest first."""
        ...


class JournalReceipts:
    """From ingest's journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def heard(self, keys: Sequence[str]) -> Mapping[str, Heard]:
        with self._journal.transaction() as transaction:
            return {key: decode_state(body) for key, body in transaction.load(sorted(set(keys))).items()}

    def refusals(self, party: str, test: bool) -> list[Refused]:
        keys = [turned_away_key(n, party, test) for n in range(PARTITIONS_MAX)]
        with self._journal.transaction() as transaction:
            bodies = transaction.load(keys)
        found = [refused for key in sorted(bodies) for refused in TurnedAway.decode(bodies[key]).refusals]
        return sorted(found, key=lambda refused: (refused.received_at, refused.submission_id), reverse=True)


class Recent:
    """The last messages appended by this door and let through by its gate, until the journal has them."""

    def __init__(self, size: int = RECENT_MAX) -> None:
        self._size = size
        self._held: OrderedDict[str, Heard] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Heard | None:
        with self._lock:
            return self._held.get(key)

    def put(self, key: str, heard: Heard) -> None:
        with self._lock:
            self._held[key] = heard
            self._held.move_to_end(key)
            while len(self._held) > self._size:
                self._held.popitem(last=False)
