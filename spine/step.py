"""The step: one batch of records, one transaction. See RELIABILITY section 3 and docs/adr/0001.

Each record is compared with the stored offset of its place three ways:
equal, process; lower, done before, skip; higher, a gap (the host seeks back and reads again; if the log no longer
holds the missing record, ``Halt``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Protocol

from spine import faults
from spine.carried import Headers, accompany, onward
from spine.errors import Halt, Poison, SpineError
from spine.journal import DecisionRow, Journal, Position, Transaction
from spine.keystore import Erased
from spine.ledger.leaves import body_of, linked, row_body
from spine.log import Place
from spine.record import Changes, Decided, Effect, Fact, Outgoing, Record, effect_id
from spine.schema import Catalogue

TICK = "tick.v1"
#: A decision with more effects is a tick or a move that reached many keys: see ``Transaction.keep``.
EFFECTS_AT_ONCE = 500
SEALED = "sealed"  # Note of a decision about a fact whose key was destroyed.
#: Headers of what is decided, from those of the record, the service and the fact's id.
Carry = Callable[[Headers, str, str], Headers]


class Processor(Protocol):
    """What a service gives to the spine: its pure ``decide`` behind a shell that loads and encodes state.

    For one batch and one place the step calls ``begin`` once, ``apply`` per new fact in order, ``changes`` once.
    ``discard`` follows when the transaction did not commit: forget everything since ``begin``.

    What some processors have besides: ``forget(place)``, see below; ``accompany(carried)``, before ``begin``: what
    travels beside each fact, by event id; ``carry``, where the records read are not the hub's own and their headers
    stay behind; ``measure(told)``, called by the host with what was decided, after the commit.
    """

    service: str
    topic: str
    build: str
    settings: str

    def begin(self, place: Place, facts: Sequence[Fact], transaction: Transaction) -> None: ...

    def apply(self, fact: Fact) -> Decided: ...

    def changes(self) -> Changes: ...

    def discard(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a step, units last."""

    records_max: int = 500
    wait_ms_max: int = 200
    set_aside_in_a_row_max: int = 50
    set_aside_percent_max: int = 5
    set_aside_window_records: int = 1000


@dataclass(frozen=True, slots=True)
class Told:
    """What was decided on one record, under which settings, and the last tick by then. ``fact`` as it stands on the
    log, its sealed fields closed; None where the record could not be read."""

    record: Record
    event_id: str
    kind: str
    decided: Decided
    settings: str
    tick: date | None
    fact: Fact | None


@dataclass(slots=True)
class Outcome:
    """What a step did, for telemetry and for the host."""

    decided: int = 0
    skipped: int = 0
    repeated: int = 0
    set_aside: int = 0
    effects: int = 0
    gaps: dict[Place, int] = field(default_factory=dict)
    positions: dict[Place, int] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)

    def add(self, later: Outcome) -> None:
        """Take in what a later step did. Behind a hole all records are holes: the first tells where to read on."""
        self.decided += later.decided
        self.skipped += later.skipped
        self.repeated += later.repeated
        self.set_aside += later.set_aside
        self.effects += later.effects
        self.positions |= later.positions
        self.told += later.told
        self.gaps = later.gaps | self.gaps


@dataclass(slots=True)
class SetAside:
    """What one owner knows of its own run: records set aside, and where its last steps ended.

    Counting keeps a bad deploy from binning everything: it halts.
    """

    limits: Limits
    in_a_row: int = 0
    seen: int = 0
    poisoned: int = 0
    left_at: dict[Place, int] = field(default_factory=dict)

    def copy(self) -> SetAside:
        return replace(self, left_at=dict(self.left_at))

    def take(self, trial: SetAside) -> None:
        """Count what ``trial`` counted, now that its transaction has committed."""
        self.in_a_row, self.seen, self.poisoned = trial.in_a_row, trial.seen, trial.poisoned
        self.left_at = trial.left_at

    def elsewhere(self, place: Place, offset: int) -> bool:
        """Whether the journal stands elsewhere than this owner's last step left it."""
        return place in self.left_at and self.left_at[place] != offset

    def good(self) -> None:
        self.in_a_row = 0
        self._count()

    def bad(self) -> None:
        self.in_a_row += 1
        self.poisoned += 1
        self._count()
        if self.in_a_row >= self.limits.set_aside_in_a_row_max:
            raise Halt(f"{self.in_a_row} records in a row set aside: fix the cause, then restart")
        full = self.seen >= self.limits.set_aside_window_records
        if full and self.poisoned * 100 > self.seen * self.limits.set_aside_percent_max:
            raise Halt(f"{self.poisoned} of the last {self.seen} records set aside: fix the cause, then restart")

    def _count(self) -> None:
        self.seen += 1
        if self.seen > self.limits.set_aside_window_records:
            self.seen, self.poisoned = self.seen // 2, self.poisoned // 2


def step(
    records: Sequence[Record],
    processor: Processor,
    journal: Journal,
    catalogue: Catalogue,
    aside: SetAside,
    *,
    isolate: bool = False,
    carry: Carry = onward,
) -> Outcome:
    """Decide ``records`` in one transaction. Raises Retry (nothing written) or Halt.

    With ``isolate`` (one record at a time, after a batch failed for an unknown reason) an exception rolls back and sets
    the record aside as ``exception:<class>`` in a transaction of its own. A record set aside is not remembered in the
    inbox, so that it can be sent again after a fix.
    """
    if not records:
        return Outcome()
    assert not isolate or len(records) == 1
    carry = getattr(processor, "carry", None) or carry
    faults.reach("read")
    try:
        return _transact(records, processor, journal, catalogue, aside, carry, "")
    except SpineError:
        raise
    except Exception as error:
        if not isolate:
            raise
        return _transact(records, processor, journal, catalogue, aside, carry, f"exception:{type(error).__name__}")


def _transact(
    records: Sequence[Record],
    processor: Processor,
    journal: Journal,
    catalogue: Catalogue,
    aside: SetAside,
    carry: Carry,
    refuse: str,
) -> Outcome:
    """With ``refuse`` the processor is not asked: every record is set aside for that reason."""
    outcome, trial = Outcome(), aside.copy()
    by_place: dict[Place, list[Record]] = {}
    for record in records:
        by_place.setdefault(record.place, []).append(record)
    try:
        with journal.transaction() as transaction:
            held = transaction.offsets(sorted(by_place))
            for place in sorted(by_place):
                position = held.get(place, Position(next=0))
                if trial.elsewhere(place, position.next):
                    forget(processor, place)
                fresh = _contiguous(by_place[place], position.next, place, outcome)
                if fresh:
                    batch = _Batch(place, processor, transaction, catalogue, trial, outcome, carry, refuse)
                    position = batch.decide(fresh, position)
                    transaction.set_offsets({place: position})
                outcome.positions[place] = trial.left_at[place] = position.next
            faults.reach("decided")
    except BaseException:
        processor.discard()
        raise
    aside.take(trial)
    faults.reach("recorded")
    return outcome


def forget(processor: Processor, place: Place) -> None:
    """Another owner worked at ``place``: what a processor keeps in memory about it is stale.

    Processors that keep an index between batches have a method ``forget(place)``.
    """
    method = getattr(processor, "forget", None)
    if method is not None:
        method(place)


def _contiguous(records: Sequence[Record], start: int, place: Place, outcome: Outcome) -> list[Record]:
    """The records from ``start`` on without a hole; what is lower was done before, what lies behind a hole waits."""
    fresh: list[Record] = []
    expected = start
    for record in records:
        if record.offset < expected:
            outcome.skipped += 1
        elif record.offset > expected:
            outcome.gaps[place] = expected
            break
        else:
            fresh.append(record)
            expected += 1
    return fresh


@dataclass(slots=True)
class _Batch:
    """The fresh records of one place, inside the transaction."""

    place: Place
    processor: Processor
    transaction: Transaction
    catalogue: Catalogue
    aside: SetAside
    outcome: Outcome
    carry: Carry
    refuse: str
    settled: set[str] = field(default_factory=set)

    def decide(self, records: Sequence[Record], position: Position) -> Position:
        facts = [self._decode(record) for record in records]
        good = [fact for fact in facts if isinstance(fact, Fact)]
        seen = self.transaction.seen([fact.event_id for fact in good])
        news: dict[str, Fact] = {}
        for fact in good:
            if fact.event_id not in seen:
                news.setdefault(fact.event_id, fact)
        if not self.refuse:
            self.catalogue.keys.ready(self.catalogue.named(news.values()))
            accompany(self.processor, zip(facts, (record.headers for record in records), strict=True))
            self.processor.begin(self.place, list(news.values()), self.transaction)
        waiting = set(news)
        told: list[Told] = []
        tick = position.tick
        for record, read in zip(records, facts, strict=True):
            event_id, kind, decided = self._one(record, read, waiting)
            if isinstance(read, Fact) and kind == TICK:
                tick = read.fields["on"] if tick is None else max(tick, read.fields["on"])
            known = read if isinstance(read, Fact) else None
            told.append(Told(record, event_id, kind, decided, self.processor.settings, tick, known))
        # In one journey for the batch, and for good before anything is sealed under a new key.
        self.catalogue.keys.make(self.catalogue.needed([effect for one in told for effect in one.decided.effects]))
        rows: list[DecisionRow] = []
        outgoing: list[Outgoing] = []
        link = position.link
        for one in told:
            beside = one.record.headers
            headers = self.carry(beside, self.processor.service, one.event_id) if one.decided.effects else ()
            sent = self._encoded(one.event_id, one.decided.effects, headers)
            if len(sent) < len(one.decided.effects) and not one.decided.note:
                one = replace(one, decided=replace(one.decided, note=SEALED))
            rows.append(_row(one, sent, self.processor, link))
            link = rows[-1].link
            outgoing += sent
        if not self.refuse:
            self.transaction.save(self.place, self.processor.changes())
        self.transaction.remember(sorted(self.settled))
        self.transaction.enqueue(outgoing)
        self.transaction.record(rows)
        self.outcome.effects += len(outgoing)
        self.outcome.told += told
        return Position(records[-1].offset + 1, link, tick)

    def _encoded(self, event_id: str, effects: Sequence[Effect], headers: Headers) -> list[Outgoing]:
        service, sent = self.processor.service, list[Outgoing]()
        for first in range(0, len(effects), EFFECTS_AT_ONCE):
            if first:
                self.transaction.keep()
            some = effects[first : first + EFFECTS_AT_ONCE]
            sent += encode_effects(service, event_id, some, self.catalogue, first, headers)
        return sent

    def _decode(self, record: Record) -> Fact | Poison:
        try:
            return self.catalogue.sealed_fact(record)
        except Poison as poison:
            return poison

    def _one(self, record: Record, fact: Fact | Poison, waiting: set[str]) -> tuple[str, str, Decided]:
        if isinstance(fact, Poison):
            return self._set_aside(record, "unknown", fact.reason)
        if fact.event_id not in waiting:
            self.outcome.repeated += 1
            return fact.event_id, fact.kind, Decided(note="repeated")
        waiting.discard(fact.event_id)
        if self.refuse:
            return self._set_aside(record, fact.kind, self.refuse)
        try:
            decided = self.processor.apply(self.catalogue.open_fact(fact))
        except Poison as poison:
            return self._set_aside(record, fact.kind, poison.reason)
        except Erased:
            # Ordered by a human and done: there is nothing left to decide about.
            decided = Decided(note=SEALED)
        self.settled.add(fact.event_id)
        self.aside.good()
        self.outcome.decided += 1
        return fact.event_id, fact.kind, decided

    def _set_aside(self, record: Record, kind: str, reason: str) -> tuple[str, str, Decided]:
        self.aside.bad()
        self.outcome.set_aside += 1
        place = f"{record.topic}/{record.partition}@{record.offset}"
        effect = Effect(
            topic="quarantine",
            key=place,
            kind="set_aside.v1",
            fields={
                "service": self.processor.service,
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "reason": reason,
            },
        )
        return f"set-aside-{place}", kind, Decided(effects=(effect,), note=f"poison:{reason}")


def encode_effects(
    service: str,
    event_id: str,
    effects: Sequence[Effect],
    catalogue: Catalogue,
    first: int = 0,
    headers: Headers = (),
) -> list[Outgoing]:
    """Give the effects their ids, seal their clear parts, and encode them. Raises ValueError if one does not fit.

    An effect whose key was destroyed is left out: nobody could read it, and nothing new is to be known.
    """
    sent: list[Outgoing] = []
    for index, effect in enumerate(effects, first):
        identity = effect_id(service, event_id, index)
        try:
            body = catalogue.encode(effect.kind, {**effect.fields, "event_id": identity})
        except Erased:
            continue
        sent.append(Outgoing(0, identity, effect.topic, effect.key, effect.kind, body, headers, effect.partition))
    return sent


def _row(told: Told, sent: Sequence[Outgoing], processor: Processor, previous: bytes) -> DecisionRow:
    record, decided = told.record, told.decided
    effects = tuple((out.event_id, hashlib.sha256(out.body).digest()) for out in sent)
    values = (
        *(record.topic, record.partition, record.offset, told.event_id, told.kind),
        *(hashlib.sha256(record.value).digest(), decided.state_before, decided.state_after, effects),
        *(processor.build, told.settings, told.tick, decided.note),
    )
    return DecisionRow(*values, linked(previous, row_body(*values)))


def link_after(previous: bytes, row: DecisionRow) -> bytes:
    """Chain value of ``row`` behind ``previous``: sha256(previous ‖ canonical row without its link)."""
    return linked(previous, body_of(row))
