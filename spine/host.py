"""The host port: who reads the log, hands batches to the step, and acknowledges. The confluent-kafka host is here.

The law of every host (tests/spine/test_host_law.py): whatever is killed or rebalanced, each record is decided once.
The journal is the only truth about positions. On assignment a partition begins at the journal's next offset; what the
client believes about offsets is never used. Offsets committed to Kafka are for lag monitoring.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaException, TopicPartition

from spine import faults, traces
from spine.carried import onward, traced
from spine.errors import Halt, Retry
from spine.journal import Journal, Position
from spine.kafka import CONSUMER, Broker, broker, consume, record_of, records_of
from spine.log import Log, Place
from spine.progress import Progress
from spine.record import Record
from spine.relay import Relay
from spine.schema import Catalogue
from spine.step import Limits, Outcome, Processor, SetAside, Told, step
from spine.telemetry import log, metrics, where

T = TypeVar("T")

BACKOFF_SECONDS_MAX = 10.0
SAME_GAP_MAX = 3
COMMIT_SECONDS = 5.0
SEEK_AGAIN_SECONDS = 5.0


@dataclass(slots=True)
class Running:
    """One worker of one service, and all it needs. ``stop`` asks it to leave in order."""

    service: str
    topics: tuple[str, ...]
    processor: Processor
    journal: Journal
    log: Log
    catalogue: Catalogue
    broker: str | Broker
    group: str
    limits: Limits = field(default_factory=Limits)
    session_ms: int = 10_000
    instance: str = ""
    stop: threading.Event = field(default_factory=threading.Event)
    progress: Progress = field(default_factory=Progress)


def topics_of(processor: Processor) -> tuple[str, ...]:
    """Input topics: attribute ``topics`` where a processor has several, else ``topic``."""
    return tuple(getattr(processor, "topics", None) or (processor.topic,))


@dataclass(slots=True)
class Worker:
    """What both hosts do with a batch: step, retry, isolate, and say where to read on.

    ``pause(seconds)`` waits during a retry; a host may serve its client meanwhile.
    """

    running: Running
    relay: Relay
    pause: Callable[[float], object]
    aside: SetAside = field(init=False)
    _gaps: dict[Place, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.aside = SetAside(self.running.limits)

    def work(self, records: Sequence[Record]) -> Mapping[Place, int]:
        """Decide ``records``. Returns places to seek to: where a hole was left. Raises Halt; Retry only on ``stop``."""
        begun = time.monotonic()
        try:
            outcome = self._patiently(records, isolate=False)
        except (Retry, Halt):
            raise
        except Exception as error:
            log().error("isolating", error=type(error).__name__, at=where(error), count=len(records))
            outcome = self._divide(records)
        self.relay.wake()
        self._tell(outcome, len(records), time.monotonic() - begun)
        if (tracing := traces.held()) is not None:
            ended = time.time_ns()
            since = ended - int((time.monotonic() - begun) * 1e9)
            tracing.decided(self.running.service, outcome.told, since, ended)
        self._check_tail(outcome)
        return self._seeks(outcome)

    def _divide(self, records: Sequence[Record]) -> Outcome:
        """Halve what fails until the culprit stands alone and is set aside; order is kept."""
        if len(records) == 1:
            return self._patiently(records, isolate=True)
        whole, middle = Outcome(), len(records) // 2
        for part in (records[:middle], records[middle:]):
            try:
                one = self._patiently(part, isolate=False)
            except (Retry, Halt):
                raise
            except Exception:
                one = self._divide(part)
            whole.add(one)
        return whole

    def _patiently(self, records: Sequence[Record], *, isolate: bool) -> Outcome:
        running, carry = self.running, traced if traces.held() else onward
        given = (running.processor, running.journal, running.catalogue, self.aside)
        return patiently(lambda: step(records, *given, isolate=isolate, carry=carry), "step", running, self.pause)

    def _check_tail(self, outcome: Outcome) -> None:
        """Records below the journal's offset came: either read twice, or the log lost its tail and grew again."""
        if outcome.skipped:
            for place, following in outcome.positions.items():
                check_log(self.running.log, place, following)

    def _seeks(self, outcome: Outcome) -> Mapping[Place, int]:
        for place, offset in outcome.gaps.items():
            log().warning("gap", topic=place[0], partition=place[1], offset=offset)
            check_log(self.running.log, place, offset)
            before, times = self._gaps.get(place, (-1, 0))
            times = times + 1 if before == offset else 1
            self._gaps[place] = (offset, times)
            if times >= SAME_GAP_MAX:
                check_held(self.running.log, place, offset)
        return outcome.gaps

    def _tell(self, outcome: Outcome, count: int, seconds: float) -> None:
        tell, service = metrics(), self.running.service
        for name in ("decided", "skipped", "repeated", "set_aside"):
            if number := getattr(outcome, name):
                topic = next(iter(outcome.positions))[0]
                tell.count("hub_records_total", number, service=service, topic=topic, outcome=name)
        if outcome.effects:
            tell.count("hub_effects_total", outcome.effects, service=service)
        if outcome.set_aside:
            log().error("set_aside", count=outcome.set_aside)
        tell.observe("hub_step_seconds", seconds, service=service)
        tell.observe("hub_batch_records", count, service=service)
        measure(self.running.processor, outcome.told)
        self.running.progress.moved(outcome.positions)


def measure(processor: Processor, told: Sequence[Told]) -> None:
    """Let a processor that has metrics of its own count what was decided, once it is committed."""
    method = getattr(processor, "measure", None)
    if method is not None and told:
        method(told)


def patiently(work: Callable[[], T], at: str, running: Running, pause: Callable[[float], object]) -> T:
    """Do ``work`` until it is done, with longer pauses up to a limit. Retry leaves only when ``stop`` is set."""
    attempt = 0
    while True:
        try:
            result = work()
            running.progress.state = "running"
            return result
        except Retry as retry:
            if running.stop.is_set():
                raise
            attempt += 1
            seconds = min(BACKOFF_SECONDS_MAX, 0.1 * 2**attempt) * random.uniform(0.5, 1)
            log().warning("retry", where=at, reason=str(retry), attempt=attempt, seconds=round(seconds, 2))
            metrics().count("hub_retries_total", service=running.service, where=at)
            running.progress.state = f"retrying: {retry}"
            pause(seconds)


def check_log(held: Log, place: Place, following: int) -> None:
    """Raises Halt if the log can't give the record at ``following`` any more, or is shorter than the journal."""
    start, end = held.start(place), held.end(place)
    if start > following:
        raise Halt(f"gap in log: {place[0]}/{place[1]} begins at {start}, the journal needs {following}")
    if end < following:
        raise Halt(f"log shorter than journal: {place[0]}/{place[1]} ends at {end}, the journal stands at {following}")


def check_held(held: Log, place: Place, offset: int) -> None:
    """Raises Halt if the log, asked directly, has another record where ``offset`` should stand."""
    for _ in range(5):
        found = held.read({place: offset}, 1, 2_000)
        if found and found[0].offset != offset:
            raise Halt(f"gap in log: {place[0]}/{place[1]} has no record at {offset}")
        if found:
            return


def first_offset(running: Running, place: Place) -> int:
    """Where to read ``place``: the journal's next offset. A place never seen begins where the log begins."""
    position = running.journal.positions(place[0]).get(place)
    if position is None:
        start = running.log.start(place)
        if start > 0:
            log().info("first_read", topic=place[0], partition=place[1], offset=start)
            with running.journal.transaction() as transaction:
                if place not in transaction.offsets([place]):
                    transaction.set_offsets({place: Position(start)})
        return start
    check_log(running.log, place, position.next)
    return position.next


class ConfluentHost:
    """Batches from confluent-kafka; one thread reads, decides and acknowledges, another publishes."""

    def __init__(self, running: Running, **consumer: Any) -> None:
        self.running = running
        self.relay = Relay(running.service, running.journal, running.log, running.stop)
        self.worker = Worker(running, self.relay, self._pause)
        self._failure: BaseException | None = None
        self._committed = time.monotonic()
        self._owned: set[Place] = set()
        self._held: list[Record] = []
        self._seek_after: dict[Place, float] = {}
        settings = {
            "group.id": running.group,
            "client.id": f"hub-{running.service}",
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": running.session_ms,
            "heartbeat.interval.ms": 1_000,
            **({"group.instance.id": running.instance} if running.instance else {}),
            **CONSUMER,
            **consumer,
        }
        self._consumer = broker(running.broker).connect(Consumer, settings)

    def run(self) -> None:
        """Until ``stop``. Raises Halt, or what else ended it."""
        running, limits = self.running, self.running.limits
        self._consumer.subscribe(
            list(running.topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )
        self.relay.start()
        try:
            while not running.stop.is_set():
                records = self._read(limits)
                self._raise_failure()
                running.progress.alive()
                if records:
                    self._work(records)
                self._look_at_lag()
        except Retry:
            if not running.stop.is_set():
                raise
        finally:
            running.stop.set()
            self.relay.leave()
            self._consumer.close()
        self._raise_failure()

    def _read(self, limits: Limits) -> list[Record]:
        if self._held:
            held, self._held = self._held, []
            return held
        try:
            return records_of(consume(self._consumer, limits.records_max, limits.wait_ms_max))
        except (Retry, KafkaException) as error:
            # What came with the error is a hole now; the step sees it and reads again.
            reason = str(error) if isinstance(error, Retry) else error.args[0].name()
            log().warning("retry", where="read", reason=reason)
            metrics().count("hub_retries_total", service=self.running.service, where="read")
            self.running.stop.wait(0.5)
            return []

    def _work(self, records: Sequence[Record]) -> None:
        seeks = self.worker.work(records)
        for place in self.running.progress.positions.keys() - self._owned:
            # Lost during a retry of this batch.
            self.running.progress.leaves(place)
        for place, offset in seeks.items():
            if place in self._owned:
                self._seek(place, offset)
        if time.monotonic() - self._committed > COMMIT_SECONDS:
            self._commit()
        faults.reach("acknowledged")

    def _commit(self) -> None:
        self._committed = time.monotonic()
        held = self.running.progress.positions
        offsets = [TopicPartition(*place, held[place]) for place in sorted(self._owned) if place in held]
        if offsets:
            try:
                self._consumer.commit(offsets=offsets, asynchronous=True)
            except KafkaException:
                # For monitoring only: the next commit says the same and more.
                pass

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        state, self.running.progress.state = self.running.progress.state, "rebalancing"
        try:
            for partition in partitions:
                place = (partition.topic, partition.partition)
                find = partial(first_offset, self.running, place)
                partition.offset = patiently(find, "assign", self.running, self.running.stop.wait)
                self._owned.add(place)
                self.running.progress.owns(place, partition.offset)
                log().info("assigned", topic=place[0], partition=place[1], offset=partition.offset)
            consumer.incremental_assign(partitions)
            # The client remembers a pause across losing a partition and getting it back: one that was lost during a
            # retry would come back silent, with nobody left to resume it.
            consumer.resume(partitions)
        except BaseException as error:
            self._failure = error
        metrics().gauge("hub_assigned_partitions", len(self._owned), service=self.running.service)
        self.running.progress.state = state if state.startswith("retrying") else "running"

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # A batch may be in flight, in a retry: what it decides of a partition that is gone, the journal's fence judges.
        for partition in partitions:
            place = (partition.topic, partition.partition)
            self._owned.discard(place)
            self._held = [record for record in self._held if record.place != place]
            self.running.progress.leaves(place)
            log().info("revoked", topic=place[0], partition=place[1])
        metrics().gauge("hub_assigned_partitions", len(self._owned), service=self.running.service)

    def _pause(self, seconds: float) -> None:
        """Wait, but stay in the group: paused partitions give nothing, and polling serves heartbeats and rebalances."""
        self._consumer.pause(self._consumer.assignment())
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self.running.stop.is_set():
            message = self._consumer.poll(min(left, 0.2))
            if message is not None and message.error() is None:
                # A partition that came meanwhile is not paused. What it gave is kept for the next read: a seek
                # followed by a pause is forgotten by the client, and would leave a hole.
                self._held.append(record_of(message))
                self._consumer.pause([TopicPartition(message.topic(), message.partition())])
            self._raise_failure()
        self._consumer.resume(self._consumer.assignment())

    def _look_at_lag(self) -> None:
        progress = self.running.progress
        if progress.looked_at_lag():
            for place in sorted(self._owned):
                try:
                    _, high = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
                except KafkaException:
                    continue
                if high >= 0:
                    progress.ends[place] = high
            self._close_holes()
            progress.publish(self.running.service)

    def _close_holes(self) -> None:
        """Read again where the client went on past what the journal decided.

        The step sees a hole when the next record of that partition comes; at the end of a partition none may come.
        """
        places = sorted(self._owned - {record.place for record in self._held})
        for partition in self._consumer.position([TopicPartition(*place) for place in places]):
            place = (partition.topic, partition.partition)
            following, now = self.running.progress.positions[place], time.monotonic()
            if partition.offset > following and now > self._seek_after.get(place, 0.0):
                log().warning("gap", topic=place[0], partition=place[1], offset=following)
                self._seek(place, following)

    def _seek(self, place: Place, offset: int) -> None:
        self._seek_after[place] = time.monotonic() + SEEK_AGAIN_SECONDS
        try:
            self._consumer.seek(TopicPartition(*place, offset))
        except KafkaException:
            # Just assigned and not yet fetching: it begins at the journal's offset anyway, or the next look sees it.
            log().warning("retry", where="seek", reason="not fetching yet")

    def _raise_failure(self) -> None:
        failure = self._failure or self.relay.failure
        if failure is not None:
            raise failure


def run(running: Running) -> None:
    """The confluent-kafka host, until ``running.stop``."""
    ConfluentHost(running).run()
