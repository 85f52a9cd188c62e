"""Who may do what on the broker, from the contracts. Pure: topics and policy in, rights and users out.

A service is the user ``hub-<service>``, named as in contracts/topics.yaml; a party is ``partner-<party>``. Nothing is
allowed that is not named here: no user may create a topic, use a transactional id, or see what is not its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from hub.topics.contract import Topic
from spine.headed import Head

SERVICE, PARTY = "hub-", "partner-"
#: Counts what stands on every topic (``hub status``), so it may ask for the offsets of each.
OPERATOR = "operator"
#: Principals that stand for anybody: no right of the contract is theirs.
ANYBODY = ("User:*", "User:ANONYMOUS")


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One entry of the broker's access list, in lower-case words of Kafka's own."""

    principal: str
    resource: str
    name: str
    pattern: str
    operation: str
    permission: str = "allow"
    host: str = "*"

    def __str__(self) -> str:
        many = "*" if self.pattern == "prefixed" else ""
        from_host = "" if self.host == "*" else f" from {self.host}"
        return f"{self.permission} {self.operation} {self.resource} {self.name}{many}{from_host}"


@dataclass(frozen=True, slots=True)
class Desired:
    """What the broker should hold. ``users`` must have credentials; ``known`` may: the suspended keep theirs."""

    topics: tuple[Topic, ...]
    rights: frozenset[Right]
    users: frozenset[str]
    known: frozenset[str]


def providers(policy: Mapping[str, Any], head: Head | None, on: date) -> frozenset[str]:
    """Parties that an agreement in force on this day lets tell something, suspensions counted."""
    stopped_agreements = set(head.agreements) if head else set()
    stopped_parties = set(head.parties) if head else set()
    in_force = {
        name
        for name, agreement in policy["agreements"].items()
        if agreement["status"] == "active"
        and agreement["effective_from"] <= on.isoformat() <= agreement["effective_to"]
        and name.partition("@")[0] not in stopped_agreements
        and agreement["provider"] not in stopped_parties
    }
    return frozenset(grant["provider"] for grant in policy["grants"] if grant["agreement"] in in_force)


def desired(topics: Sequence[Topic], policy: Mapping[str, Any], head: Head | None, on: date) -> Desired:
    """The contracts as a broker should hold them."""
    telling = providers(policy, head, on)
    signed = {agreement["provider"] for agreement in policy["agreements"].values()}
    own = [topic for topic in topics if topic.party]
    services = services_of(topics)
    rights = [right for service in services for right in _service(service, topics)]
    rights += [right for topic in own if topic.party in telling for right in _partner(topic)]
    users = {SERVICE + service for service in services}
    parties = {topic.party for topic in own}
    return Desired(
        tuple(topics),
        frozenset(rights),
        frozenset(users | {PARTY + party for party in parties & telling}),
        frozenset(users | {PARTY + party for party in parties & (telling | signed)}),
    )


def services_of(topics: Iterable[Topic]) -> list[str]:
    """Every service that writes or reads a topic."""
    names: set[str] = set()
    for topic in topics:
        names |= {*topic.readers, *(() if topic.party else topic.writers)}
    return sorted(names)


def managed(principal: str) -> bool:
    """Whether the contracts decide what this principal may do."""
    kind, _, name = principal.partition(":")
    return kind == "User" and name.startswith((SERVICE, PARTY))


def reaches(right: Right, topics: Iterable[Topic]) -> bool:
    """Whether the right lets somebody at a topic or group of the contract, or at the cluster as a whole."""
    if right.permission != "allow":
        return False
    if right.resource == "cluster":
        return True
    held = list(topics)
    names = {"topic": [topic.name for topic in held], "group": [SERVICE + service for service in services_of(held)]}
    prefixed = right.pattern == "prefixed"
    return any(
        name.startswith(right.name) if prefixed else right.name in (name, "*") for name in names.get(right.resource, ())
    )


def _service(service: str, topics: Sequence[Topic]) -> Iterator[Right]:
    user = f"User:{SERVICE}{service}"
    reads = False
    for topic in topics:
        if service in topic.writers and not topic.party:
            yield Right(user, "topic", topic.name, "literal", "write")
        if service in topic.readers:
            reads = True
            yield Right(user, "topic", topic.name, "literal", "read")
        if service == OPERATOR:
            yield Right(user, "topic", topic.name, "literal", "describe")
    # Its consumer group, and groups that begin with that name and a dot: no service's name has a dot.
    if reads:
        yield Right(user, "group", SERVICE + service, "literal", "read")
    yield Right(user, "group", f"{SERVICE}{service}.", "prefixed", "read" if reads else "describe")


def _partner(topic: Topic) -> Iterator[Right]:
    for operation in ("write", "describe"):
        yield Right(f"User:{PARTY}{topic.party}", "topic", topic.name, "literal", operation)
