"""The policy head of a running hub: which compiled policy is in force, and what is suspended. One writer, one order.

The head stands in the journal of service ``policy`` and goes out of that journal's outbox, as a fact, to every
partition of the topics whose readers judge by it; so a move is on the log whole or not yet, and in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from spine.headed import POLICY, Head, decode_head, encode_head, policy_file
from spine.journal import Journal, Position
from spine.kafka import topics_of
from spine.log import Log, Place
from spine.publisher import publish
from spine.record import Changes, Effect, Outgoing
from spine.schema import Catalogue
from spine.step import encode_effects

SERVICE = "policy"
PLACE: Place = (SERVICE, 0)
KEY = "head"
#: Services whose decisions depend on the sharing policy; their input topics hear of every move.
JUDGES = ("ingest", "alerts")


class NotAllowed(ValueError):
    """The move may not be made: the message says why, to the person who asked."""


@dataclass(frozen=True, slots=True)
class Move:
    """One move as somebody asks for it. ``what``: an agreement's id or a party. ``approved_by``: the second person."""

    act: str
    moved_by: str
    at: datetime
    what: str = ""
    approved_by: str | None = None
    because: str = ""


@dataclass(frozen=True, slots=True)
class Heads:
    """Moves the head over a journal and a log: memory in stories, PostgreSQL and Kafka in a running hub."""

    journal: Journal
    log: Log
    catalogue: Catalogue
    topics: tuple[str, ...]

    def current(self) -> Head | None:
        """The head last moved to; None before the first."""
        return head_kept(self.journal)

    def release(self, policy: str, move: Move) -> Head:
        """Put the compiled policy ``policy`` in force. What is suspended stays suspended. Same policy: no move."""
        return self._move(move, lambda head: Head(head.number, policy, head.agreements, head.parties))

    def suspend(self, move: Move, content: Mapping[str, Any]) -> Head:
        """Suspend an agreement or a party of the compiled policy ``content``. One person is enough to stop."""
        kind = kind_of(move.what, content)
        return self._move(move, lambda head: _with(head, kind, move.what, suspended=True))

    def resume(self, move: Move, content: Mapping[str, Any]) -> Head:
        """Lift a suspension. Needs two people of different names. Raises NotAllowed."""
        two_people(move.moved_by, move.approved_by or "")
        kind = self.suspended(move.what, content)
        return self._move(move, lambda head: _with(head, kind, move.what, suspended=False))

    def suspended(self, what: str, content: Mapping[str, Any]) -> str:
        """Agreement or party, whichever it is. Raises NotAllowed where it is not suspended by command."""
        kind, head = kind_of(what, content), self.current()
        if head is None or what not in (head.agreements if kind == "agreement" else head.parties):
            raise NotAllowed(f"{what} is not suspended by command; what its file says is changed in its file")
        return kind

    def send(self) -> None:
        """Send what an interrupted command left in the outbox. Raises Retry."""
        while publish(self.journal, self.log):
            pass

    def _move(self, move: Move, change: Callable[[Head], Head]) -> Head:
        with self.journal.transaction() as transaction:
            position = transaction.offsets([PLACE]).get(PLACE, Position(0))
            body = transaction.load([KEY]).get(KEY)
            before = Head(0, "") if body is None else decode_head(body)
            after = change(before)
            if after != before or body is None:
                if not after.policy:
                    raise NotAllowed("no policy was ever put in force: run `hub contracts release`")
                after = Head(before.number + 1, after.policy, after.agreements, after.parties)
                transaction.save(PLACE, Changes({KEY: (encode_head(after), None)}))
                transaction.enqueue(self._facts(after, move))
                transaction.set_offsets({PLACE: Position(position.next + 1)})
        self.send()
        return after

    def _facts(self, head: Head, move: Move) -> list[Outgoing]:
        """One for each partition, each under an id of its own: a service's inbox is one for all its partitions."""
        fields = {
            "number": head.number,
            "at": move.at,
            "policy": head.policy,
            "head": policy_file(head.policy),
            "suspended_agreements": list(head.agreements),
            "suspended_parties": list(head.parties),
            "act": move.act,
            "what": move.what,
            "moved_by": move.moved_by,
            "approved_by": move.approved_by,
            "because": move.because,
        }
        out: list[Outgoing] = []
        for topic in self.topics:
            for n in range(self.log.partitions(topic)):
                effect = Effect(topic, "", POLICY, fields, n)
                out += encode_effects(SERVICE, f"head-{head.number}-{topic}-{n}", [effect], self.catalogue)
        return out


def head_kept(journal: Journal) -> Head | None:
    """The head that the journal of service ``policy`` holds."""
    with journal.transaction() as transaction:
        body = transaction.load([KEY]).get(KEY)
    return None if body is None else decode_head(body)


def judged_topics(contracts: Path) -> tuple[str, ...]:
    """Input topics of the services that judge by the policy."""
    held = topics_of(contracts / "topics.yaml")
    return tuple(sorted(name for name, topic in held.items() if topic.get("input_of") in JUDGES))


def plain(name: str) -> str:
    """A name without what spelling may change."""
    return " ".join(name.split()).casefold()


def two_people(one: str, other: str) -> None:
    """Raises NotAllowed unless these are two names, and not the same in another spelling."""
    first, second = plain(one), plain(other)
    if not first or not second or first == second:
        raise NotAllowed("two different people must want this: one asks, another approves")


def kind_of(what: str, content: Mapping[str, Any]) -> str:
    """agreement or party, as the compiled policy knows it. Raises NotAllowed."""
    if what in {name.partition("@")[0] for name in content["agreements"]}:
        return "agreement"
    if what in content["parties"]:
        return "party"
    raise NotAllowed(f"{what} is neither the id of an agreement in force nor a party")


def _with(head: Head, kind: str, what: str, *, suspended: bool) -> Head:
    held = set(head.agreements if kind == "agreement" else head.parties)
    changed = tuple(sorted(held | {what} if suspended else held - {what}))
    if kind == "agreement":
        return Head(head.number, head.policy, changed, head.parties)
    return Head(head.number, head.policy, head.agreements, changed)
