"""One round of the agent: rows that are new or changed become events; the door's answers go into the state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hub.client import Client, Fault
from hub.client.schema import EventSchemas
from hub.connect.mapping import Feed
from hub.connect.rows import Mapped, Unmapped, mapped
from hub.connect.source import Source
from hub.connect.state import PENDING, REFUSED, TAKEN, Sent, State

BATCH_ROWS = 200
FAULTS_SHOWN_MAX = 50


@dataclass(frozen=True, slots=True)
class Trouble:
    """One row that is no event, or was refused. ``row`` counts from 1 in the query's order; ``id`` is the event's."""

    row: int
    reason: str
    faults: tuple[Fault, ...]
    id: str = ""


@dataclass(slots=True)
class Round:
    """What one feed came to. Only the first troubles are kept; ``refused`` counts all."""

    feed: str
    rows: int = 0
    unchanged: int = 0
    due: int = 0
    taken: int = 0
    refused: int = 0
    doubled: int = 0
    troubles: list[Trouble] = field(default_factory=list)

    def trouble(self, row: int, reason: str, faults: tuple[Fault, ...], message_id: str = "") -> None:
        self.refused += 1
        if len(self.troubles) < FAULTS_SHOWN_MAX:
            self.troubles.append(Trouble(row, reason, faults, message_id))


@dataclass(frozen=True, slots=True)
class _Due:
    row: int
    mapped: Mapped
    version: int

    def sent(self, outcome: str) -> Sent:
        return Sent(self.mapped.key_hash, self.version, self.mapped.content_hash, outcome)


def send(feed: Feed, source: Source, state: State, hub: Client) -> Round:
    """Send what is due. Raises SourceWrong, and what the client raises; what was answered before stays marked.

    A row that is no longer in the source sends nothing: that it is gone says nothing about the person.
    """
    told = Round(feed.name)
    for batch in _batches(feed, source, state, told):
        state.mark(feed.name, [due.sent(PENDING) for due in batch])
        report = hub.publish(due.mapped.event(due.version, state.epoch) for due in batch)
        outcomes = []
        for due, answer in zip(batch, report.answers, strict=True):
            outcomes.append(due.sent(TAKEN if answer.taken else REFUSED))
            if answer.taken:
                told.taken += 1
            else:
                told.trouble(due.row, answer.reason, answer.faults, answer.id)
        state.mark(feed.name, outcomes)
    return told


def try_out(feed: Feed, source: Source, state: State, source_party: str, hub: Client | None) -> Round:
    """What ``send`` would send. Nothing is marked. With a client the door says what it would make of each event;
    without one the published schema does."""
    told, schemas = Round(feed.name), EventSchemas.of_file()
    for batch in _batches(feed, source, state, told):
        events = [due.mapped.event(due.version, state.epoch) for due in batch]
        if hub is not None:
            verdicts = [(v.valid, v.reason, v.faults) for v in hub.validate(events)]
        else:
            found = [schemas.faults(event.cloud_event(source_party)) for event in events]
            verdicts = [(not faults, "invalid", faults) for faults in found]
        for due, event, (valid, reason, faults) in zip(batch, events, verdicts, strict=True):
            if not valid:
                told.trouble(due.row, reason, faults, event.id)
    return told


def _batches(feed: Feed, source: Source, state: State, told: Round) -> Iterator[list[_Due]]:
    """Rows that are due, by the batch. A key that comes twice in one round is a fault of the query: its rows would
    be each other's changes for ever."""
    held: list[_Due] = []
    seen: set[str] = set()
    for number, row in enumerate(source.rows(feed), start=1):
        told.rows += 1
        read = mapped(feed, row)
        if read.key_hash in seen:
            told.doubled += 1
            told.trouble(number, "invalid", (Fault("key", "key_twice", "Another row of the query has this key"),))
            continue
        seen.add(read.key_hash)
        if isinstance(read, Unmapped):
            told.trouble(number, "invalid", read.faults)
            continue
        version = state.due(feed.name, read.key_hash, read.content_hash)
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
