"""The gate as a door follows it: under the head that ingest itself has last seen, looked up again every second."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from services.ingest.agent import PARTITIONS_MAX, Gates
from services.ingest.gate import Gate, No, Said
from services.ingest.parse import Envelope
from services.ingest.policy import SharingPolicy
from services.ingest.processor import TOPIC
from spine.errors import Retry
from spine.headed import head_key, newest
from spine.journal import Journal

LOOK_SECONDS = 1.0
_KEYS = [head_key((TOPIC, n)) for n in range(PARTITIONS_MAX)]


class LiveGate:
    """A ``Judge``. Without the journal it keeps the head it knows: the door only answers early, ingest decides."""

    def __init__(self, journal: Journal, gates: Gates, clock: Callable[[], float]) -> None:
        self._journal, self._gates, self._clock = journal, gates, clock
        self._gate = gates.under(None)
        self._looked = float("-inf")
        self._lock = threading.Lock()

    @property
    def known(self) -> Gate:
        return self._gate

    @property
    def policy(self) -> SharingPolicy | None:
        return self.now().policy

    @property
    def policy_hash(self) -> str:
        return self.now().policy_hash

    @property
    def stand(self) -> str:
        return self.now().stand

    def examine(self, party: str, received_at: datetime, envelope: Envelope | None) -> Said | No:
        return self.now().examine(party, received_at, envelope)

    def now(self) -> Gate:
        """The gate of this second. While one thread looks, the others go on with what is known."""
        if self._clock() - self._looked >= LOOK_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._look()
                self._looked = self._clock()
            finally:
                self._lock.release()
        return self._gate

    def _look(self) -> None:
        try:
            with self._journal.transaction() as transaction:
                head = newest(transaction.load(_KEYS).values())
            if head is not None and head.number != self._gate.head:
                self._gate = self._gates.under(head)
        except Retry:
            return
