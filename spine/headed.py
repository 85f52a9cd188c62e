"""A processor that judges by a policy, and the policy that moves while it runs.

The head of the policy is a fact on the log (``policy.v1``), written to every partition of the topics whose readers
judge by it, so it is ordered with the data: a record is decided under the head last seen in its own partition. The
head stands in the journal as one state row per partition, written in the transaction of the batch that read it; so a
restart, another owner and a replay all judge by the same head. Until a partition has seen its first head, the service
judges by what it found compiled at its start; where nothing is compiled it must refuse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import orjson

from spine.errors import Halt, Retry, SpineError
from spine.journal import Transaction
from spine.log import Place
from spine.record import Changes, Decided, Fact, Fields
from spine.step import Processor, Told
from spine.telemetry import log

POLICY = "policy.v1"


@dataclass(frozen=True, slots=True)
class Head:
    """What is in force: a compiled policy by its hash, less what is suspended. ``number`` grows with every move."""

    number: int
    policy: str
    agreements: tuple[str, ...] = ()
    parties: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How a decision names the head that it was made under."""
        return f"{self.policy}#{self.number}"


def head_of(fields: Fields) -> Head:
    """The head that a fact of kind ``policy.v1`` moves to."""
    suspended = (tuple(sorted(fields[name])) for name in ("suspended_agreements", "suspended_parties"))
    return Head(fields["number"], fields["policy"], *suspended)


def head_key(place: Place) -> str:
    """Key of the state row that holds a partition's head. No other key begins with a bar."""
    return f"|head|{place[0]}|{place[1]}"


def encode_head(head: Head) -> bytes:
    """Deterministic bytes; ``decode_head`` is the way back."""
    return orjson.dumps([head.number, head.policy, head.agreements, head.parties])


def decode_head(body: bytes) -> Head:
    number, policy, agreements, parties = orjson.loads(body)
    return Head(number, policy, tuple(agreements), tuple(parties))


def newest(bodies: Iterable[bytes]) -> Head | None:
    """The head that the partition furthest ahead has seen, for shells that answer before the log is read."""
    heads = [decode_head(body) for body in bodies]
    return max(heads, key=lambda head: head.number, default=None)


def policy_file(policy: str) -> str:
    """Name of a compiled policy under contracts/compiled. Such a file is never changed and never deleted."""
    return f"policy-{policy}.json"


def read_policy(contracts: Path, policy: str) -> bytes:
    """The compiled policy of this hash. Raises Retry while the file is not there, Halt if it is another's content."""
    path = contracts / "compiled" / policy_file(policy)
    try:
        body = path.read_bytes()
    except FileNotFoundError as error:
        raise Retry(f"the log names a policy that is not in contracts/compiled: copy {path.name} there") from error
    if hashlib.sha256(body).hexdigest() != policy:
        raise Halt(f"{path.name} does not hold the policy that its name says")
    return body


class Telling(Protocol):
    """A processor that can give one fact to many of its states (``spine.keyed``)."""

    def tell(self, pick: Callable[[bytes], bool], fact: Fact) -> Decided: ...


@dataclass(slots=True)
class HeadedProcessor:
    """A ``spine.step.Processor`` around another one.

    ``follow(head)``: judge by this head from now on; returns the name that decisions record as their settings.
    ``telling``: gives a move to the states that ``hears`` picks, for services whose standing states must follow.
    ``measured``: counts what was decided, see ``spine.step.Processor``.
    """

    inner: Processor
    follow: Callable[[Head | None], str]
    hears: Callable[[bytes], bool] | None = None
    telling: Telling | None = None
    measured: Callable[[Sequence[Told]], None] = lambda told: None
    service: str = field(init=False)
    topic: str = field(init=False)
    build: str = field(init=False)
    settings: str = field(init=False)
    _place: Place = ("", 0)
    _head: Head | None = None
    _moved: bool = False

    def __post_init__(self) -> None:
        self.service, self.topic, self.build = self.inner.service, self.inner.topic, self.inner.build
        self.settings = self.follow(None)

    def begin(self, place: Place, facts: Sequence[Fact], transaction: Transaction) -> None:
        body = transaction.load([head_key(place)]).get(head_key(place))
        self._place, self._moved = place, False
        self._take(None if body is None else decode_head(body))
        self.inner.begin(place, [fact for fact in facts if fact.kind != POLICY], transaction)

    def apply(self, fact: Fact) -> Decided:
        if fact.kind != POLICY:
            return self.inner.apply(fact)
        head, before = head_of(fact.fields), self._head
        if before is not None and head.number <= before.number:
            return Decided(note="older_head")
        try:
            self._take(head)
            told = Decided()
            if self.hears is not None and self.telling is not None:
                told = self.telling.tell(self.hears, fact)
        except SpineError:
            raise
        except Exception as error:
            # Set aside like another record that breaks, it would leave the partition under the old head: what was
            # suspended would go on.
            raise Halt(f"policy head {head.number} could not be taken: {type(error).__name__}") from error
        self._moved = True
        topic, partition = self._place
        log().info("policy_head", topic=topic, partition=partition, number=head.number, policy=head.policy)
        was = b"" if before is None else encode_head(before)
        return Decided(
            told.effects,
            hashlib.sha256(was + told.state_before).digest(),
            hashlib.sha256(encode_head(head) + told.state_after).digest(),
            reached=told.reached,
        )

    def changes(self) -> Changes:
        changes = self.inner.changes()
        if self._moved and self._head is not None:
            changes.states[head_key(self._place)] = (encode_head(self._head), None)
        return changes

    def measure(self, told: Sequence[Told]) -> None:
        self.measured(told)

    def discard(self) -> None:
        self._moved = False
        self.inner.discard()

    def _take(self, head: Head | None) -> None:
        self.settings = self.follow(head)
        self._head = head
