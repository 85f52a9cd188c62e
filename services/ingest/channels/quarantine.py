"""What waits in quarantine, as the door finds it: where on topic ``refusals`` the last refusal of each message stands.

Only places and reasons are held, never a body: a sealed original is read again when somebody redrives it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.ingest.channels.receipts import Receipts
from services.ingest.decide import Heard
from services.ingest.processor import state_key
from spine.errors import Retry
from spine.log import Log, Place
from spine.record import Fields, Record
from spine.schema import Catalogue

TOPIC, KIND = "refusals", "refusal.v1"
#: The newest messages whose refusal is remembered; of older ones `hub quarantine` knows.
MESSAGES_MAX = 100_000
READ_MAX, READ_MS = 500, 500
#: How long one request may read on; what was read by then is kept for the next.
SECONDS_MAX = 12.0
STATES_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Standing:
    """One refusal, and where it stands. ``key``: what ingest keeps of its message."""

    place: Place
    offset: int
    key: str
    party: str
    message_id: str
    submission_id: str
    type: str
    reason: str
    test: bool


class Quarantine:
    """Thread-safe. Reads the topic from its start when first asked, and from there on only what is new."""

    def __init__(
        self, log: Log, catalogue: Catalogue, receipts: Receipts, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log, self._catalogue, self._receipts, self._clock = log, catalogue, receipts, clock
        self._next: dict[Place, int] = {}
        self._held: OrderedDict[str, Standing] = OrderedDict()
        # A log has one reader at a time.
        self._lock = threading.Lock()

    def waiting(self, party: str, test: bool, chosen: Callable[[Standing], bool]) -> list[Standing]:
        """What of a party waits and is chosen, oldest first. Raises Retry where the broker or the journal is away, or
        there is more to read than one request may."""
        with self._lock:
            self._catch_up()
            found = [one for one in self._held.values() if one.party == party and one.test == test and chosen(one)]
        heard: dict[str, Heard] = {}
        for start in range(0, len(found), STATES_MAX):
            heard |= self._receipts.heard([one.key for one in found[start : start + STATES_MAX]])
        return [one for one in found if _waits(one, heard)]

    def refusals(self, standing: Sequence[Standing]) -> Iterator[tuple[Standing, Fields]]:
        """The facts themselves, with their sealed bodies, by place; what retention took is left out."""
        by_place: dict[Place, dict[int, Standing]] = {}
        for one in standing:
            by_place.setdefault(one.place, {})[one.offset] = one
        for place in sorted(by_place):
            wanted = by_place[place]
            with self._lock:
                records = list(self._at(place, sorted(wanted)))
            for record in records:
                yield wanted[record.offset], self._catalogue.fact(record).fields

    def _catch_up(self) -> None:
        deadline = self._clock() + SECONDS_MAX
        for n in range(self._log.partitions(TOPIC)):
            place = (TOPIC, n)
            at, end = max(self._next.get(place, 0), self._log.start(place)), self._log.end(place)
            while at < end:
                for record in self._log.read({place: at}, READ_MAX, READ_MS):
                    at = record.offset + 1
                    self._remember(record)
                self._next[place] = at
                if at < end and self._clock() > deadline:
                    raise Retry("the quarantine is still being read: ask again")

    def _remember(self, record: Record) -> None:
        fact = self._catalogue.fact(record)
        if fact.kind != KIND:
            return
        fields = fact.fields
        key = state_key(fields["party"], fields["message_id"], fields["test"])
        if fields["sealed_body"] is None:
            # Nothing was kept, and what was kept of an earlier refusal is no longer what ingest heard last.
            self._held.pop(key, None)
            return
        names = ("party", "message_id", "submission_id", "type", "reason", "test")
        self._held[key] = Standing(record.place, record.offset, key, *(fields[name] for name in names))
        self._held.move_to_end(key)
        while len(self._held) > MESSAGES_MAX:
            self._held.popitem(last=False)

    def _at(self, place: Place, offsets: Sequence[int]) -> Iterator[Record]:
        wanted, deadline = list(reversed(offsets)), self._clock() + SECONDS_MAX
        start = self._log.start(place)
        while wanted:
            if wanted[-1] < start:
                wanted.pop()
                continue
            many = min(READ_MAX, wanted[0] - wanted[-1] + 1)
            records = {one.offset: one for one in self._log.read({place: wanted[-1]}, many, READ_MS)}
            while wanted and wanted[-1] in records:
                yield records[wanted.pop()]
            if self._clock() > deadline:
                raise Retry("the broker does not give what waits: ask again")


def _waits(one: Standing, heard: Mapping[str, Heard]) -> bool:
    """Whether ingest's last word on the message is this refusal."""
    state = heard.get(one.key)
    return state is not None and state.outcome == "refused" and state.submission_id == one.submission_id
