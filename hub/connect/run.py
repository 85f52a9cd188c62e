"""One round of the agent: rows that are new or changed become events; the door's answers go into the state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date

from hub.client import Client, ClientError, Fault, Refused, Report
from hub.client.schema import EventSchemas
from hub.connect.mapping import Feed
from hub.connect.rows import Mapped, Unmapped, key_of, mapped
from hub.connect.source import Reading, Source
from hub.connect.state import PENDING, REFUSED, TAKEN, Extract, Sent, State

BATCH_ROWS = 200
FAULTS_SHOWN_MAX = 50
PROGRESS_ROWS = 10_000
#: Where no agreement is in force that says otherwise.
SHRINK_HOLD_PERCENT = 10


@dataclass(frozen=True, slots=True)
class Trouble:
    """One row that is no event, or was refused. ``row`` counts from 1 in the query's order; ``id`` is the event's."""

    row: int
    reason: str
    faults: tuple[Fault, ...]
    id: str = ""


@dataclass(slots=True)
class Round:
    """What one feed came to. Only the first troubles are kept; ``refused`` counts all.

    ``absent``: rows of earlier snapshots that this one has not; they are counted, and nothing follows. ``held``: the
    snapshot lost too many of the ``before`` rows of the last one, and nothing of it was sent.
    """

    feed: str
    shape: str
    rows: int = 0
    unchanged: int = 0
    due: int = 0
    taken: int = 0
    refused: int = 0
    doubled: int = 0
    absent: int = 0
    leavers: int = 0
    held: bool = False
    before: int = 0
    troubles: list[Trouble] = field(default_factory=list)

    def trouble(self, row: int, reason: str, faults: tuple[Fault, ...], message_id: str = "") -> None:
        self.refused += 1
        if len(self.troubles) < FAULTS_SHOWN_MAX:
            self.troubles.append(Trouble(row, reason, faults, message_id))


Tell = Callable[[Round], None]


def _untold(told: Round) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class _Due:
    row: int
    mapped: Mapped
    version: int

    def sent(self, outcome: str) -> Sent:
        return Sent(self.mapped.key_hash, self.version, self.mapped.content_hash, outcome)


@dataclass(frozen=True, slots=True)
class Agent:
    """The agent between one source and one door. ``percents``: event type -> loss at which a snapshot is held;
    ``on``: the day of the round; ``tell`` is called every some thousand rows."""

    source: Source
    state: State
    on: date
    percents: dict[str, int] = field(default_factory=dict)
    tell: Tell = _untold

    def send(self, feed: Feed, hub: Client, told: Round) -> None:
        """Send what is due, and put into ``told`` what comes of it. Raises SourceWrong, and what the client raises;
        what was answered before stays marked, and stays told.

        A row that is no longer in the source sends nothing: that it is gone says nothing about the person.
        """
        earlier = self.state.untold(feed.name)
        if earlier is not None:
            self._tell_extract(feed, earlier, hub)
        with self.source.reading() as reading:
            if self._shrinks(feed, reading, told):
                self.state.hold(feed.name, told.rows)
                return
            for batch in self._batches(feed, reading, told):
                self._send(feed, batch, told, hub)
        told.absent = self.state.count_absent(feed.name) if feed.snapshot else 0
        extract = self.state.end_reading(feed.name, feed.shape, told.rows, told.leavers, self.on.isoformat())
        self._tell_extract(feed, extract, hub)

    def try_out(self, feed: Feed, party: str, hub: Client | None, told: Round) -> None:
        """What ``send`` would send. Nothing is marked. With a client the door says what it would make of each event;
        without one the published schema does."""
        schemas = EventSchemas.of_file()
        with self.source.reading() as reading:
            if self._shrinks(feed, reading, told):
                return
            for batch in self._batches(feed, reading, told):
                events = [due.mapped.event(due.version, self.state.epoch) for due in batch]
                if hub is not None:
                    verdicts = [(v.valid, v.reason, v.faults) for v in hub.validate(events)]
                else:
                    found = [schemas.faults(event.cloud_event(party)) for event in events]
                    verdicts = [(not faults, "invalid", faults) for faults in found]
                for due, event, (valid, reason, faults) in zip(batch, events, verdicts, strict=True):
                    if not valid:
                        told.trouble(due.row, reason, faults, event.id)
        told.absent = self.state.count_absent(feed.name) if feed.snapshot else 0

    def _send(self, feed: Feed, batch: list[_Due], told: Round, hub: Client) -> None:
        self.state.mark(feed.name, [due.sent(PENDING) for due in batch])
        try:
            report = hub.publish(due.mapped.event(due.version, self.state.epoch) for due in batch)
        except ClientError as ended:
            self._answered(feed, batch, told, ended.report)
            raise
        self._answered(feed, batch, told, report)

    def _answered(self, feed: Feed, batch: list[_Due], told: Round, report: Report) -> None:
        """Of a batch that was broken off some have no answer: they stay pending."""
        outcomes = []
        for answer in report.answers:
            due = batch[answer.index]
            outcomes.append(due.sent(TAKEN if answer.taken else REFUSED))
            if answer.taken:
                told.taken += 1
            else:
                told.trouble(due.row, answer.reason, answer.faults, answer.id)
        self.state.mark(feed.name, outcomes)

    def _shrinks(self, feed: Feed, reading: Reading, told: Round) -> bool:
        """Whether a snapshot has fewer rows than the last one by more than the agreement lets pass. Read through once
        before any row counts, so that nothing of a cut-off extract goes out."""
        before = self.state.last_snapshot(feed.name) if feed.snapshot else 0
        if not before:
            return False
        self.state.begin_reading()
        for row in reading.rows(feed):
            self.state.first_seen(key_of(feed, row))
        now, percent = self.state.count_seen(), self.percents.get(feed.event, SHRINK_HOLD_PERCENT)
        if (before - now) * 100 > before * percent:
            told.rows, told.before, told.held = now, before, True
            told.absent = self.state.count_absent(feed.name)
        return told.held

    def _tell_extract(self, feed: Feed, extract: Extract, hub: Client) -> None:
        """The door hears how much was read. Of an extract that it will never take it is not told again and again."""
        name = f"{feed.name}-{self.state.epoch}-{extract.number}"
        try:
            hub.extract(name, extract.shape, extract.rows, extract.leavers, date.fromisoformat(extract.read_on))
        except Refused as refused:
            if any(answer.reason != "invalid" for answer in refused.report.answers):
                return
        self.state.told(feed.name)

    def _batches(self, feed: Feed, reading: Reading, told: Round) -> Iterator[list[_Due]]:
        """Rows that are due, by the batch. A key that comes twice in one round is a fault of the query: its rows
        would be each other's changes for ever."""
        held: list[_Due] = []
        self.state.begin_reading()
        for number, row in enumerate(reading.rows(feed), start=1):
            told.rows += 1
            if told.rows % PROGRESS_ROWS == 0:
                self.tell(told)
            read = mapped(feed, row)
            if not self.state.first_seen(read.key_hash):
                told.doubled += 1
                told.trouble(number, "invalid", (Fault("key", "key_twice", "Another row of the query has this key"),))
                continue
            if isinstance(read, Unmapped):
                told.trouble(number, "invalid", read.faults)
                continue
            told.leavers += feed.leaver
            version = self.state.due(feed.name, read.key_hash, read.content_hash)
            if not version:
                told.unchanged += 1
                continue
            told.due += 1
            held.append(_Due(number, read, version))
            if len(held) == BATCH_ROWS:
                yield held
                held = []
        if held:
            yield held
