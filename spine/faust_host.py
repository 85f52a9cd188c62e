"""The Faust host, under the same law as ``spine.host``. Faust reads; it decides nothing.

Never to be forgotten (measured, see docs/adr): Faust's own acknowledging loses records when an agent raises and across
a rebalance, and its delivery leaves holes. Therefore: ``noack`` streams acknowledged after the transaction only,
``CrashingSupervisor``, raw bytes, no tables, no web, no production, no declaring of topics; where Faust would seek to
its committed offset it seeks to the journal's; and a hole makes it seek back (the step sees it).
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from spine import faults
from spine.errors import Retry
from spine.host import Running, Worker, first_offset, patiently
from spine.kafka import MECHANISM, Broker, broker
from spine.log import Place
from spine.record import Record
from spine.relay import Relay
from spine.telemetry import log, metrics

LOOK_SECONDS = 0.1
LEAVE_SECONDS_MAX = 15.0
SEEK_AGAIN_SECONDS = 2.0


def take(stream: Any, count: int, seconds: float) -> AsyncIterator[Sequence[Any]]:
    """Batches of events that only an explicit ``event.ack()`` acknowledges: ``noack`` first, then ``noack_take``.

    ``noack_take`` alone switches acknowledging on again when it ends.
    """
    batches: AsyncIterator[Sequence[Any]] = stream.noack().noack_take(count, within=seconds)
    return batches


class FaustHost:
    """One Faust app in its own event loop; steps run in a thread beside it, one at a time."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.relay = Relay(running.service, running.journal, running.log, running.stop)
        self.worker = Worker(running, self.relay, lambda seconds: running.stop.wait(seconds))
        self.failure: BaseException | None = None
        self._sought: dict[Place, tuple[int, float]] = {}
        self._app: Any = None

    def run(self) -> None:
        """Until ``stop``. Raises Halt, or what else ended it."""
        self.relay.start()
        try:
            asyncio.run(self._run())
        finally:
            self.running.stop.set()
            self.relay.leave()
        failure = self.failure or self.relay.failure
        if failure is not None and not (isinstance(failure, Retry) and self.running.stop.is_set()):
            raise failure

    async def _run(self) -> None:
        self._app = self._make()
        topic = self._app.topic(
            *self.running.topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )
        self._app.agent(topic)(self._agent)
        await self._app.start()
        while not self.running.stop.is_set() and self.failure is None:
            await asyncio.sleep(LOOK_SECONDS)
            if self._app.crashed:
                self.failure = self._app.crash_reason or RuntimeError("the Faust app crashed")
            self.running.progress.alive()
            self._look_at_lag()
        self.running.stop.set()
        try:
            # Agents may swallow cancellation: what is not through in time is read again, by the journal's offset.
            await asyncio.wait_for(self._app.stop(), LEAVE_SECONDS_MAX)
        except (TimeoutError, asyncio.CancelledError):
            log().warning("retry", where="leave", reason="the Faust app does not stop")

    def _make(self) -> Any:
        running, limits, at = self.running, self.running.limits, broker(self.running.broker)
        app = faust.App(
            running.group,
            broker=[f"kafka://{address}" for address in at.address.split(",")],
            broker_credentials=_credentials(at),
            store="memory://",
            agent_supervisor="mode.supervisors.CrashingSupervisor",
            topic_disable_leader=True,
            topic_allow_declare=False,
            web_enabled=False,
            consumer_auto_offset_reset="earliest",
            broker_session_timeout=running.session_ms / 1000,
            broker_heartbeat_interval=1.0,
            broker_max_poll_records=limits.records_max,
            broker_commit_interval=5.0,
            stream_buffer_maxsize=max(4096, limits.records_max * 4),
            stream_wait_empty=False,
            worker_redirect_stdouts=False,
            **({"consumer_group_instance_id": running.instance} if running.instance else {}),
        )
        app.transport = _transport(self, app)
        return app

    async def _agent(self, stream: Any) -> None:
        limits = self.running.limits
        try:
            async for events in take(stream, limits.records_max, limits.wait_ms_max / 1000):
                if self.running.stop.is_set():
                    return
                await self._work(events)
        except Exception as error:
            # CrashingSupervisor ends the app; nothing of this batch was acknowledged.
            self.failure = error
            self.running.stop.set()
            raise

    async def _work(self, events: Sequence[Any]) -> None:
        records = sorted((_record(event) for event in events), key=lambda r: (r.topic, r.partition, r.offset))
        seeks = await asyncio.to_thread(self.worker.work, records)
        for place, offset in seeks.items():
            await self._seek(place, offset)
        for event in events:
            event.ack()
        faults.reach("acknowledged")

    async def _seek(self, place: Place, offset: int) -> None:
        """Read on from ``offset``. Records behind the hole are still on their way: they don't cause another seek."""
        before, at = self._sought.get(place, (-1, 0.0))
        if before == offset and time.monotonic() - at < SEEK_AGAIN_SECONDS:
            return
        self._sought[place] = (offset, time.monotonic())
        tp = TP(*place)
        if tp in self._app.consumer.assignment():
            await self._app.consumer.seek(tp, offset)

    def positions(self, places: Sequence[Place]) -> Mapping[Place, int]:
        """Where to read each place that was assigned. A failure ends the host."""
        try:
            return {place: self._position(place) for place in places}
        except BaseException as error:
            self.failure = error
            self.running.stop.set()
            raise

    def _position(self, place: Place) -> int:
        running = self.running
        offset = patiently(lambda: first_offset(running, place), "assign", running, running.stop.wait)
        running.progress.owns(place, offset)
        log().info("assigned", topic=place[0], partition=place[1], offset=offset)
        return offset

    def _look_at_lag(self) -> None:
        progress, consumer = self.running.progress, self._app.consumer
        if not progress.looked_at_lag():
            return
        try:
            owned = {(tp.topic, tp.partition) for tp in consumer.assignment()}
        except Exception:
            # The consumer is not there yet, or not any more.
            return
        for place in set(progress.positions) - owned:
            progress.leaves(place)
        for place in owned:
            high = consumer.highwater(TP(*place))
            if high:
                progress.ends[place] = high
        metrics().gauge("hub_assigned_partitions", len(owned), service=self.running.service)
        progress.publish(self.running.service)


def _credentials(at: Broker) -> Any:
    """The broker's settings in Faust's words; None in the clear. Raises Halt with every fault."""
    at.client()
    context = None
    if at.protocol.endswith("SSL"):
        context = ssl.create_default_context(cafile=at.ca_file or None)
        if at.certificate_file:
            context.load_cert_chain(at.certificate_file, at.key_file)
    if at.protocol.startswith("SASL"):
        return faust.SASLCredentials(username=at.user, password=at.password, mechanism=MECHANISM, ssl_context=context)
    return faust.SSLCredentials(context) if context else None


def _transport(host: FaustHost, app: Any) -> Any:
    class JournalConsumer(driver.Consumer):  # type: ignore[misc]
        """Where Faust seeks to what was committed, this seeks to what the journal says."""

        async def seek_to_committed(self) -> Mapping[Any, int]:
            assigned = sorted(self.assignment())
            places = [(tp.topic, tp.partition) for tp in assigned]
            found = await asyncio.to_thread(host.positions, places)
            offsets = {TP(*place): offset for place, offset in found.items()}
            if offsets:
                await self.seek_wait(offsets)
            return offsets

    class JournalTransport(driver.Transport):  # type: ignore[misc]
        Consumer = JournalConsumer

    return JournalTransport(app.conf.broker_consumer, app)


def _record(event: Any) -> Record:
    message = event.message
    headers = message.headers or ()
    pairs = tuple(headers.items()) if isinstance(headers, Mapping) else tuple(headers)
    key = message.key.decode("utf-8", "replace") if message.key else ""
    return Record(message.topic, message.partition, message.offset, key, message.value or b"", pairs)


def run(running: Running) -> None:
    """The Faust host, until ``running.stop``."""
    FaustHost(running).run()
