"""The loop that attempts what is due. It decides nothing: each outcome goes back to the log as a fact.

Order of an attempt: lease the rows (committed), send, append the facts, end the lease. A crash between sending and
appending repeats the mail under the same ids after the lease; a crash anywhere else repeats nothing.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import distinct_on

from services.alerts.delivery import decide as core
from services.alerts.delivery import heartbeat
from services.alerts.delivery.breaker import Breaker
from services.alerts.delivery.channel import Away, Channel, Failed, Outcome, Sent
from services.alerts.delivery.decide import Delivery
from services.alerts.delivery.directory import Directory
from services.alerts.delivery.grouping import HOUR, Mail, Waiting, compose, openings, plan
from services.alerts.delivery.policy import DeliveryPolicy
from services.alerts.delivery.routes import Step
from services.alerts.delivery.tables import MAILED, WAITING
from spine import traces
from spine.carried import Carried
from spine.clock import local_date
from spine.errors import Retry
from spine.log import Log
from spine.record import Outgoing
from spine.schema import Catalogue
from spine.telemetry import metrics

LOG = structlog.get_logger()
AWAY_S_MAX = 60
IDLE_S = 1.0
REPORTED = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class _Leased:
    recipient: str
    deliveries: tuple[Delivery, ...]
    #: What travels beside each, by delivery.
    beside: Mapping[str, Carried] = field(default_factory=dict)


@dataclass(slots=True)
class Sender:
    """One sender; several may run, they skip each other's rows. Call ``once`` or ``run``."""

    engine: sa.Engine
    log: Log
    catalogue: Catalogue
    channel: Channel | None
    policy: DeliveryPolicy
    directory: Directory
    link: str
    clock: Callable[[], datetime]
    stop: threading.Event = field(default_factory=threading.Event)
    others: Mapping[str, Channel] = field(default_factory=dict)
    _breaker: Breaker = field(init=False)
    #: The same for each of a recipient's steps: a receiver that is down must not slow what its fall-back takes.
    _steps: Breaker = field(init=False)
    _away: int = 0

    def __post_init__(self) -> None:
        self._breaker = Breaker(self.policy.breaker_failures_max, self.policy.breaker_open_s)
        self._steps = Breaker(self.policy.breaker_failures_max, self.policy.breaker_open_s)
        for stage in ("urgent message", "message"):
            metrics().at_zero("hub_receipt_to_alert_seconds", stage=stage)

    def run(self) -> None:
        """Until ``stop`` is set. A database or broker that is away only slows it down."""
        woken = False
        while not self.stop.is_set():
            try:
                if not woken:
                    self.wake()
                    woken = True
                worked = self.once()
            except (Retry, sa.exc.OperationalError, sa.exc.InterfaceError) as error:
                LOG.warning("sender_waits", reason=type(error).__name__)
                worked = False
                self._away += 1
            if not worked:
                self.stop.wait(min(AWAY_S_MAX, IDLE_S * 2 ** min(self._away, 10)))

    def wake(self) -> None:
        """Once a life: what rests may rest no longer, since working hours or digests are others than when it lay down.

        Of the rows that rest until one moment one speaks for all; whoever was woken in vain lies down again.
        """
        now = self.clock()
        beyond = now + timedelta(seconds=self.policy.group_window_s)
        resting = sa.and_(WAITING.c.urgent.is_(False), WAITING.c.attempt == 0, WAITING.c.ready_at > beyond)
        group = (WAITING.c.recipient, WAITING.c.ready_at)
        with self.engine.begin() as connection:
            chosen = sa.select(*group, WAITING.c.body).ext(distinct_on(*group)).where(resting)
            each = connection.execute(chosen).all()
            for recipient, ready_at, body in each:
                one = core.decode(body)
                until = self.policy.working.waits_until(recipient, core.moment(one.at_ms), now, one.chosen)
                if until is None or until < ready_at:
                    mine = sa.and_(resting, WAITING.c.recipient == recipient, WAITING.c.ready_at == ready_at)
                    connection.execute(sa.update(WAITING).where(mine).values(ready_at=now))

    def once(self) -> bool:
        """One recipient's mail. False if nothing was due, or nobody answered."""
        leased = self._lease()
        if leased is None:
            return self._beat()
        if not leased.deliveries:
            return True
        begun = time.time_ns()
        outcome = self._attempt(leased)
        _trace(leased, outcome, begun)
        match outcome:
            case Away(reason):
                self._release(leased)
                self._away += 1
                # A channel that is away must not keep those who are told by another one waiting behind this recipient.
                self._breaker.failed(leased.recipient, self.clock())
                LOG.warning("channel_away", channel="message", reason=reason)
                return False
            case Sent():
                self._breaker.succeeded(leased.recipient)
                team = self.directory.team_label(leased.recipient)
                metrics().gauge("hub_last_delivery_timestamp_seconds", self.clock().timestamp(), team=team)
                self._measure(leased)
            case Failed(_, after_s):
                self._breaker.failed(leased.recipient, self.clock())
                if after_s is not None:
                    pause = timedelta(seconds=min(after_s, self.policy.retry.longest_s))
                    self._breaker.pause(leased.recipient, self.clock() + pause)
        self._away = 0
        self._report(leased, outcome)
        return True

    def _lease(self) -> _Leased | None:
        """Rows of the recipient that has waited longest, urgent ones first; those beyond the hourly limit wait on."""
        now = self.clock()
        barred = self._breaker.open_for(now)
        with self.engine.begin() as connection:
            first: str | None = None
            for urgent in (True, False):
                first = first or connection.scalar(longest_waiting(now, barred, urgent=urgent))
            if first is None:
                return None
            mine = sa.and_(WAITING.c.recipient == first, _free(now))
            # What has never been tried travels along before its window ends; a retry keeps its own time, and what rests
            # until a morning is not read again before that: of a busy team these are thousands.
            soon = now + timedelta(seconds=self.policy.group_window_s)
            ripe = sa.or_(WAITING.c.ready_at <= now, sa.and_(WAITING.c.attempt == 0, WAITING.c.ready_at <= soon))
            columns = (WAITING.c.body, WAITING.c.received_ms, WAITING.c.trace)
            rows = connection.execute(sa.select(*columns).where(mine, ripe).with_for_update(skip_locked=True))
            read = [(core.decode(body), Carried(at, trace or "")) for body, at, trace in rows]
            beside = {delivery.delivery_id: one for delivery, one in read}
            found = {delivery.delivery_id: delivery for delivery, _ in read}
            self._rest(connection, first, found, now)
            hour = sa.and_(MAILED.c.recipient == first, MAILED.c.at > now - HOUR)
            mailed = connection.execute(sa.select(MAILED.c.at).where(hour)).scalars().all()
            chosen = plan(self.policy, [self._waiting(d) for d in found.values()], len(mailed))
            now_ids = [w.delivery_id for w in chosen.now]
            if len(mailed) >= self.policy.mails_per_hour_max:
                self._put_off(connection, [w.delivery_id for w in chosen.later if not w.urgent], mailed)
            _update(connection, now_ids, leased_until=now + timedelta(seconds=self.policy.retry.lease_s))
        return _Leased(first, tuple(found[i] for i in now_ids), beside)

    def _rest(self, connection: sa.Connection, recipient: str, found: dict[str, Delivery], now: datetime) -> None:
        """Take out of ``found`` what is not urgent and waits for the recipient's working hours, or its digest."""
        rest: defaultdict[datetime, list[str]] = defaultdict(list)
        for delivery in list(found.values()):
            if self.policy.is_urgent(delivery.severity, delivery.rule):
                continue
            until = self.policy.working.waits_until(recipient, core.moment(delivery.at_ms), now, delivery.chosen)
            if until is not None:
                del found[delivery.delivery_id]
                rest[until].append(delivery.delivery_id)
        for until, ids in rest.items():
            _update(connection, ids, ready_at=until)

    def _put_off(self, connection: sa.Connection, ids: Sequence[str], mailed: Sequence[datetime]) -> None:
        """Beyond the hourly limit each waits for the mail that it will fit into. If all waited for the next, thousands
        would be read and written again for each mail that takes two hundred."""
        size = self.policy.deliveries_per_mail_max
        parts = (ids[n : n + size] for n in range(0, len(ids), size))
        for part, at in zip(parts, openings(mailed, self.policy.mails_per_hour_max), strict=False):
            _update(connection, part, ready_at=at)

    def _attempt(self, leased: _Leased) -> Outcome:
        """No transaction is open here: a slow mail server must not hold a database connection."""
        mail = compose([self._waiting(d) for d in leased.deliveries], self.link)
        urgent = any(self.policy.is_urgent(d.severity, d.rule) for d in leased.deliveries)
        # Deliveries that travel together and were not all created under one choice go as the council set it.
        chosen = {d.by for d in leased.deliveries}
        return self._tell(leased.recipient, mail, urgent=urgent, channel=chosen.pop() if len(chosen) == 1 else "")

    def _beat(self) -> bool:
        """One heartbeat that is due today. Nothing hangs on it: one that failed is said, and not repeated."""
        now = self.clock()
        on = local_date(now)
        if not self.policy.heartbeats or not self.policy.working.days.is_working(on):
            return False
        with self.engine.begin() as connection:
            recipient = heartbeat.claim(connection, self.policy, now)
        if recipient is None:
            return False
        outcome = self._tell(recipient, heartbeat.beat(recipient, now, self.link), urgent=False)
        said = "sent" if isinstance(outcome, Sent) else outcome.reason
        if said == "sent":
            team = self.directory.team_label(recipient)
            metrics().gauge("hub_heartbeat_timestamp_seconds", now.timestamp(), team=team)
        with self.engine.begin() as connection:
            heartbeat.settle(connection, recipient, on, said)
        LOG.info("heartbeat", outcome=said, recipient=recipient)
        return True

    def _measure(self, leased: _Leased) -> None:
        """How long after its cause was taken each new alert left. A message that is not urgent waits on purpose."""
        for delivery in leased.deliveries:
            taken = leased.beside[delivery.delivery_id].received_ms
            if taken is not None and delivery.act == "raised":
                urgent = self.policy.is_urgent(delivery.severity, delivery.rule)
                waited = max(0.0, self.clock().timestamp() - taken / 1000)
                stage = "urgent message" if urgent else "message"
                metrics().observe("hub_receipt_to_alert_seconds", waited, stage=stage)

    def _tell(self, recipient: str, mail: Mail, *, urgent: bool, channel: str = "") -> Outcome:
        """By the recipient's steps in order, until one takes it. ``channel``: chosen by its reader, never if urgent."""
        came: list[Outcome] = []
        routes, meant, now = self.policy.routes, self.policy.choices.channels.get(channel, ()), self.clock()
        ways = routes.chosen(recipient, meant) if meant and not urgent else routes.of(recipient, urgent=urgent)
        resting = set(self._steps.open_for(now))
        # A step that failed again and again is passed over for a while, where there is another one to take its place.
        chosen = [way for way in ways if _step(way, recipient) not in resting] or ways
        for way in chosen:
            came.append(self._by(way, recipient, mail))
            if isinstance(came[-1], Sent):
                self._steps.succeeded(_step(way, recipient))
                return came[-1]
            self._steps.failed(_step(way, recipient), now)
        # One step that may yet work keeps the delivery alive, whatever the others said for good.
        return min(came, key=_hopeless)

    def _by(self, way: Step, recipient: str, mail: Mail) -> Outcome:
        address = way.to or self.directory.address(recipient)
        if address is None:
            return Failed("no_address")
        channel = self.channel if way.by == "smtp" else self.others.get(way.by)
        return Failed("no_channel") if channel is None else channel.send(address, mail)

    def _report(self, leased: _Leased, outcome: Outcome) -> None:
        facts = [self._fact(d, outcome, leased.beside[d.delivery_id]) for d in leased.deliveries]
        while True:
            try:
                self.log.append(facts)
                break
            except Retry:
                # The mail has left: saying so must not be lost to a broker that is away for a while.
                self._extend(leased)
                if self.stop.wait(IDLE_S):
                    raise
        ids = [d.delivery_id for d in leased.deliveries]
        with self.engine.begin() as connection:
            if isinstance(outcome, Sent):
                row = {"recipient": leased.recipient, "at": self.clock(), "deliveries": len(ids)}
                connection.execute(sa.insert(MAILED).values(row))
            # The facts are on the log: the processor takes the rows away, or sets their next time, when it reads them.
            _update(connection, ids, leased_until=self.clock() + REPORTED)
        LOG.info("mail", outcome=type(outcome).__name__.lower(), deliveries=len(ids))

    def _fact(self, delivery: Delivery, outcome: Outcome, beside: Carried) -> Outgoing:
        attempt = delivery.attempt + 1
        life = "delivered" if isinstance(outcome, Sent) else "failed"
        reason = outcome.reason if isinstance(outcome, Failed) else ""
        effect = core.told(delivery, life, attempt=attempt, at_ms=core.milliseconds(self.clock()), reason=reason)
        identity = hashlib.sha256(f"attempt\x1f{delivery.delivery_id}\x1f{attempt}\x1f{life}".encode()).hexdigest()[:32]
        body = self.catalogue.encode(effect.kind, {**effect.fields, "event_id": identity})
        return Outgoing(0, identity, effect.topic, effect.key, effect.kind, body, beside.headers)

    def _release(self, leased: _Leased) -> None:
        with self.engine.begin() as connection:
            _update(connection, [d.delivery_id for d in leased.deliveries], leased_until=None)

    def _extend(self, leased: _Leased) -> None:
        until = self.clock() + timedelta(seconds=self.policy.retry.lease_s)
        with self.engine.begin() as connection:
            _update(connection, [d.delivery_id for d in leased.deliveries], leased_until=until)

    def _waiting(self, d: Delivery) -> Waiting:
        day = None if d.due_on is None else date.fromisoformat(d.due_on)
        urgent = self.policy.is_urgent(d.severity, d.rule)
        return Waiting(d.delivery_id, d.alert_id, d.act, d.severity, day, urgent, d.attempt)


def _trace(leased: _Leased, outcome: Outcome, begun: int) -> None:
    """The attempt, in the trace of each delivery of it."""
    if (tracing := traces.held()) is not None:
        word = type(outcome).__name__.lower()
        for delivery in leased.deliveries:
            told: dict[str, str | int] = {"hub.outcome": word, "hub.attempt": delivery.attempt + 1}
            tracing.did("deliver", leased.beside[delivery.delivery_id].trace, begun, told)


def _step(way: Step, recipient: str) -> str:
    return f"{recipient} by {way.by} to {way.to}"


def _hopeless(outcome: Outcome) -> int:
    match outcome:
        case Failed(reason):
            return 2 if reason.startswith(core.LASTING) else 0
        case _:
            return 1


def _among(ids: Sequence[str]) -> sa.ColumnElement[bool]:
    return WAITING.c.delivery_id == sa.any_(sa.literal(list(ids), sa.ARRAY(sa.Text)))


def _free(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(WAITING.c.leased_until.is_(None), WAITING.c.leased_until < now)


def longest_waiting(now: datetime, barred: Collection[str], *, urgent: bool) -> sa.Select[Any]:
    """Who has waited longest among what is urgent, or is not.

    Each by itself, in the order of the index: for both at once all that waits for a morning would be read at each look.
    """
    return (
        sa.select(WAITING.c.recipient)
        .where(WAITING.c.urgent == sa.literal(urgent), _free(now), WAITING.c.ready_at <= now)
        .where(WAITING.c.recipient.not_in(barred))
        .order_by(WAITING.c.ready_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def _update(connection: sa.Connection, ids: Sequence[str], **values: datetime | None) -> None:
    if ids:
        connection.execute(sa.update(WAITING).where(_among(ids)).values(values))
