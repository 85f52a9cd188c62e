"""The processor ``delivery``: the pure life of deliveries, and the rows that the sender takes, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol, runtime_checkable

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from services.alerts.delivery import decide as core
from services.alerts.delivery import directory as directories
from services.alerts.delivery import feed, telling
from services.alerts.delivery import policy as policies
from services.alerts.delivery.decide import Delivery, Due
from services.alerts.delivery.directory import Directory
from services.alerts.delivery.policy import DeliveryPolicy
from services.alerts.delivery.tables import WAITING
from services.alerts.delivery.telling import Telling
from spine import traces
from spine.canonical import digest
from spine.carried import Carried
from spine.journal import Transaction
from spine.keyed import Keyed, KeyedProcessor
from spine.log import Place
from spine.record import Changes, Decided, Effect, Fact
from spine.schema import Catalogue

SERVICE = "delivery"
BUILD = "0.1.0"


@runtime_checkable
class HasConnection(Protocol):
    """A transaction on PostgreSQL; the memory journal's has none, and nothing is sent there."""

    connection: sa.Connection


class DeliveryProcessor(KeyedProcessor[Delivery]):
    """Keeps the sender's table level with the states it decided, and the feeds of outside teams.

    What workers chose stands in the journal as a state row for each partition and worker.
    """

    policy: DeliveryPolicy
    directory: Directory
    _beside: Mapping[str, Carried]
    #: By delivery, of those that this batch created.
    _created: dict[str, Carried]
    #: By worker, as far as this batch needs them: the choice, and the bytes on file.
    tellings: dict[str, Telling]
    _anew: set[str]

    def accompany(self, beside: Mapping[str, Carried]) -> None:
        self._beside = beside

    def begin(self, place: Place, facts: Sequence[Fact], transaction: Transaction) -> None:
        workers = sorted({str(fact.fields["worker"]) for fact in facts if fact.fields.get("worker")})
        keys = {telling_key(place, worker): worker for worker in workers}
        found = transaction.load(list(keys))
        self.tellings = {worker: telling.decode(found[key]) for key, worker in keys.items() if key in found}
        self._anew, self._created = set(), {}
        KeyedProcessor.begin(self, place, [fact for fact in facts if fact.kind != telling.KIND], transaction)

    def apply(self, fact: Fact) -> Decided:
        if fact.kind == core.KIND and fact.fields["state"] == "created":
            beside = self._beside.get(fact.event_id, Carried())
            under = beside.after(SERVICE, fact.event_id) if traces.held() else beside
            self._created[fact.fields["delivery_id"]] = under
        if fact.kind != telling.KIND:
            return KeyedProcessor.apply(self, fact)
        worker, before = str(fact.fields["worker"]), self.tellings.get(str(fact.fields["worker"]))
        at_ms = core.milliseconds(fact.fields["at"])
        after = telling.decide(self.policy.choices, before or core.AS_SET, fact, at_ms)
        self.tellings[worker] = after
        self._anew.add(worker)
        old = b"" if before is None else sha256(telling.encode(before)).digest()
        return Decided((), old, sha256(telling.encode(after)).digest())

    def decided(self, state: Delivery, fact: Fact) -> tuple[Delivery, Sequence[Effect]]:
        told_as = self.tellings.get(str(fact.fields.get("worker") or ""), core.AS_SET)
        return core.decide(self.policy, state, fact, told_as)

    def changes(self) -> Changes:
        changes = self._written()
        for worker in sorted(self._anew):
            changes.states[telling_key(self._place, worker)] = (telling.encode(self.tellings[worker]), None)
        return changes

    def _written(self) -> Changes:
        states = [held.state for held in self._held.values() if held.changed]
        if isinstance(self._transaction, HasConnection) and states:
            _settle(self._transaction.connection, self.policy, states, self._created)
            feed.add(self._transaction.connection, self.directory, self.policy.feed_services, states)
        return KeyedProcessor.changes(self)


def telling_key(place: Place, worker: str) -> str:
    """Key of the state row that holds what a worker chose. No delivery's id begins with a bar."""
    return f"|telling|{place[0]}|{place[1]}|{worker}"


def _settle(
    connection: sa.Connection, policy: DeliveryPolicy, states: list[Delivery], created: Mapping[str, Carried]
) -> None:
    waits = [(state, core.due(policy, state)) for state in states]
    done = sorted(state.delivery_id for state, due in waits if due is None)
    if done:
        connection.execute(
            sa.delete(WAITING).where(WAITING.c.delivery_id == sa.any_(sa.literal(done, sa.ARRAY(sa.Text))))
        )
    rows = [_row(due, created.get(state.delivery_id, Carried())) for state, due in waits if due is not None]
    if rows:
        statement = insert(WAITING).values(rows)
        new = statement.excluded
        # A fact that changed nothing (the same attempt told twice) must not take a lease from a sender.
        moved = WAITING.c.attempt < new.attempt
        columns = {"attempt": new.attempt, "body": new.body, "ready_at": new.ready_at, "leased_until": None}
        connection.execute(statement.on_conflict_do_update(index_elements=["delivery_id"], set_=columns, where=moved))


def _row(due: Due, beside: Carried) -> dict[str, object]:
    return {
        "delivery_id": due.delivery.delivery_id,
        "recipient": due.recipient,
        "urgent": due.urgent,
        "attempt": due.delivery.attempt,
        "body": core.encode(due.delivery),
        "ready_at": sa.func.now() + sa.func.make_interval(0, 0, 0, 0, 0, 0, due.wait_s),
        "received_ms": beside.received_ms,
        "trace": beside.trace or None,
    }


def processor(catalogue: Catalogue, contracts: Path) -> DeliveryProcessor:
    del catalogue
    policy = policies.load(contracts)
    keyed = Keyed(
        key_of=lambda fact: str(fact.fields["delivery_id"]),
        empty=Delivery,
        decide=lambda state, fact: made.decided(state, fact),
        encode=core.encode,
        decode=core.decode,
        due_on=lambda state: None,
        gone=lambda state: not state.life,
    )
    settings = digest((contracts / "policy" / "delivery.yaml").read_text()).hex()[:16]
    made = DeliveryProcessor(SERVICE, core.TOPIC, BUILD, settings, keyed)
    made.policy, made.directory = policy, directories.load(contracts)
    made._beside, made._created = {}, {}
    made.tellings, made._anew = {}, set()
    return made
