"""What it takes to bring a broker to the contract. Pure: desired and held state in, changes out.

Nothing here deletes a topic, makes one smaller, moves keys or drops records: such a difference is left to a person and
named. What loses records or moves keys, and can be done, is done for a topic that a person accepts by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import assert_never

from hub.topics.contract import DAY_MS, Topic
from hub.topics.rights import ANYBODY, PARTY, SERVICE, Desired, Right, managed, reaches

PARTNER_TOPIC = "partner."


@dataclass(frozen=True, slots=True)
class HeldTopic:
    """A topic as it stands on the broker. ``records``: whether it holds any."""

    partitions: int
    config: Mapping[str, str]
    records: bool


@dataclass(frozen=True, slots=True)
class Held:
    """What the broker holds. ``rights`` is None where it has no authorizer, ``users`` where none are kept."""

    topics: Mapping[str, HeldTopic]
    rights: frozenset[Right] | None = None
    users: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Create:
    topic: Topic


@dataclass(frozen=True, slots=True)
class Grow:
    topic: Topic
    held: int


@dataclass(frozen=True, slots=True)
class Configure:
    topic: Topic
    setting: str
    held: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Allow:
    right: Right


@dataclass(frozen=True, slots=True)
class Revoke:
    right: Right


@dataclass(frozen=True, slots=True)
class AddUser:
    user: str


@dataclass(frozen=True, slots=True)
class RemoveUser:
    user: str


Change = Create | Grow | Configure | Allow | Revoke | AddUser | RemoveUser


@dataclass(frozen=True, slots=True)
class Left:
    """A difference that a person must decide about, and how."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes in the order in which they are made: a right is taken before another is given."""

    changes: tuple[Change, ...] = ()
    left: tuple[Left, ...] = ()
    #: Rights of principals that the contracts do not manage, which reach the hub's topics or the whole cluster.
    foreign: tuple[Right, ...] = field(default=())


def make_plan(wanted: Desired, held: Held, *, accept: AbstractSet[str] = frozenset(), foreign: bool = False) -> Plan:
    """``accept``: topics whose loss a person accepts. ``foreign``: take others' rights at the hub's topics, too."""
    found = [one for topic in wanted.topics for one in _topic(topic, held.topics.get(topic.name), accept)]
    changes = [one for one in found if not isinstance(one, Left)]
    left = [one for one in found if isinstance(one, Left)]
    names = {topic.name for topic in wanted.topics}
    left += [
        Left(name, "a partner's topic, but the contracts know no such party: delete it by hand when nobody needs it")
        for name in sorted(held.topics)
        if name.startswith(PARTNER_TOPIC) and name not in names and any(t.party for t in wanted.topics)
    ]
    others: list[Right] = []
    if held.rights is not None:
        for right in sorted(held.rights - wanted.rights):
            mine = managed(right.principal) or (right.principal in ANYBODY and reaches(right, wanted.topics))
            if mine or (foreign and reaches(right, wanted.topics)):
                changes.append(Revoke(right))
            elif reaches(right, wanted.topics):
                others.append(right)
        changes += [Allow(right) for right in sorted(wanted.rights - held.rights)]
    if held.users is not None:
        changes += [RemoveUser(user) for user in sorted(held.users - wanted.known) if user.startswith((SERVICE, PARTY))]
        changes += [AddUser(user) for user in sorted(wanted.users - held.users)]
    return Plan(tuple(changes), tuple(left), tuple(others))


def _topic(topic: Topic, held: HeldTopic | None, accept: AbstractSet[str]) -> Iterator[Change | Left]:
    if held is None:
        yield Create(topic)
        return
    moves = f"has {held.partitions} partitions, the contract says {topic.partitions}"
    if held.partitions > topic.partitions:
        yield Left(topic.name, f"{moves}: no topic is made smaller; correct the contract, or migrate the topic")
    elif held.partitions < topic.partitions:
        if held.records and topic.name not in accept:
            yield Left(topic.name, f"{moves}, and it holds records: keys would move; migrate it, or --accept")
        else:
            yield Grow(topic, held.partitions)
    for setting, wanted in topic.config.items():
        now = held.config.get(setting, "")
        if now == wanted:
            continue
        if setting == "retention.ms" and _shorter(wanted, now) and held.records and topic.name not in accept:
            days = f"{_days(now)} days, the contract says {_days(wanted)}"
            yield Left(topic.name, f"keeps records for {days}: older ones would be deleted; --accept it")
        else:
            yield Configure(topic, setting, now, wanted)


def _shorter(wanted: str, now: str) -> bool:
    # -1 is for ever.
    return now.lstrip("-").isdigit() and (int(now) < 0 or int(wanted) < int(now))


def _days(retention_ms: str) -> str:
    return "all" if int(retention_ms) < 0 else f"{int(retention_ms) / DAY_MS:g}"


def described(change: Change) -> tuple[str, str, str, str]:
    """A change in words: action, kind, name, detail."""
    match change:
        case Create(topic):
            return "create", "topic", topic.name, f"{topic.partitions} partitions, {topic.retention_days} days"
        case Grow(topic, held):
            return "grow", "topic", topic.name, f"{held} to {topic.partitions} partitions"
        case Configure(topic, setting, held, wanted):
            return "configure", "topic", topic.name, f"{setting} {held or 'unset'} to {wanted}"
        case Allow(right):
            return "allow", "right", right.principal, str(right)
        case Revoke(right):
            return "revoke", "right", right.principal, str(right)
        case AddUser(user):
            return "add", "user", user, "credentials"
        case RemoveUser(user):
            return "remove", "user", user, "credentials of nobody in the contracts"
        case _:
            assert_never(change)
