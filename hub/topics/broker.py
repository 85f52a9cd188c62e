"""The broker as it stands, and changes made to it. Raises Retry while it does not answer, Halt where it refuses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from hub.topics.contract import Topic, topics_in
from hub.topics.plan import (
    AddUser,
    Allow,
    Change,
    Configure,
    Create,
    Grow,
    Held,
    HeldTopic,
    RemoveUser,
    Revoke,
    make_plan,
)
from hub.topics.rights import Desired, Right
from spine import kafka
from spine.errors import Halt, Retry
from spine.kafka import Broker

ASK_SECONDS_MAX = 20
SETTLE_SECONDS_MAX = 20
COUNT_SECONDS_MAX = 20
SCRAM_ITERATIONS = 8_192
#: Kafka's name of the cluster as a resource; the client calls its type BROKER.
CLUSTER = "kafka-cluster"


@dataclass(slots=True)
class Administrator:
    """One administrator's connection to a broker."""

    where: str | Broker
    replicas: int = -1
    _client: Any = field(init=False)
    _refused: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        refused = self._refused

        def failed(error: KafkaError) -> None:
            # Does not refer to the administrator: a circle with the client would keep it connecting.
            if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
                refused[:] = [f"{error.name()}, the broker does not take this user or certificate"]

        quiet = {"log_level": 2, "error_cb": failed}
        self._client = kafka.broker(self.where).connect(AdminClient, quiet)

    def held(self, topics: Sequence[Topic], *, users: bool = True) -> Held:
        """What stands on the broker: all topics, those of ``topics`` in detail; rights and users where it has them."""
        with self._answering():
            there = self._client.list_topics(timeout=ASK_SECONDS_MAX).topics
            mine = [topic for topic in topics if topic.name in there]
            configs, used = self._configs(mine), _patiently(self._client, [topic.name for topic in mine])
            held = {name: HeldTopic(len(topic.partitions), {}, records=True) for name, topic in there.items()}
            for topic in mine:
                full = any(high > low for low, high in used.get(topic.name, {}).values())
                held[topic.name] = HeldTopic(len(there[topic.name].partitions), configs[topic.name], full)
            rights = self._rights()
            return Held(held, rights, self._users() if users and rights is not None else None)

    def make(self, changes: Sequence[Change], password_of: Callable[[str], str]) -> None:
        """Make the changes in their order. ``password_of`` is asked for each user that is added."""
        with self._answering():
            self._topics(changes)
            revoked = [_filter(change.right) for change in changes if isinstance(change, Revoke)]
            allowed = [_binding(change.right) for change in changes if isinstance(change, Allow)]
            _all(self._client.delete_acls(revoked) if revoked else {})
            _all(self._client.create_acls(allowed) if allowed else {})
            gone = [UserScramCredentialDeletion(c.user, _SHA_512) for c in changes if isinstance(c, RemoveUser)]
            _all(self._client.alter_user_scram_credentials(gone) if gone else {})
            for change in changes:
                if isinstance(change, AddUser):
                    self.set_password(change.user, password_of(change.user))

    def set_password(self, user: str, password: str) -> None:
        """Give ``user`` this password, whether or not it had one."""
        info = ScramCredentialInfo(_SHA_512, SCRAM_ITERATIONS)
        made = UserScramCredentialUpsertion(user, info, password.encode())
        with self._answering():
            _all(self._client.alter_user_scram_credentials([made]))

    def _configs(self, topics: Sequence[Topic]) -> dict[str, dict[str, str]]:
        asked = [ConfigResource(ConfigResource.Type.TOPIC, topic.name) for topic in topics]
        if not asked:
            return {}
        found = {r.name: future.result(ASK_SECONDS_MAX) for r, future in self._client.describe_configs(asked).items()}
        return {topic.name: {s: str(found[topic.name][s].value) for s in topic.config} for topic in topics}

    def _rights(self) -> frozenset[Right] | None:
        every = AclBindingFilter(
            ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
        )
        if not self._authorizes():
            return None
        return frozenset(_right(acl) for acl in self._client.describe_acls(every).result(ASK_SECONDS_MAX))

    def _authorizes(self) -> bool:
        """Whether the broker has an authorizer. Asked of its settings: one without answers a question about rights
        with an empty list as often as with an error."""
        brokers = self._client.list_topics(timeout=ASK_SECONDS_MAX).brokers
        one = ConfigResource(ConfigResource.Type.BROKER, str(min(brokers)))
        try:
            settings = self._client.describe_configs([one])[one].result(ASK_SECONDS_MAX)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED:
                return True
            raise
        return bool(settings["authorizer.class.name"].value)

    def _users(self) -> frozenset[str]:
        """Asked only of a broker that has just answered about rights, for which it needs the same right of the user:
        librdkafka 2.16 frees what is not its own when this one call is refused, and the process dies later.
        """
        found = self._client.describe_user_scram_credentials().result(ASK_SECONDS_MAX)
        return frozenset(
            user for user, held in found.items() if any(i.mechanism == _SHA_512 for i in held.scram_credential_infos)
        )

    def _topics(self, changes: Sequence[Change]) -> None:
        new = [c.topic for c in changes if isinstance(c, Create)]
        grown = [NewPartitions(c.topic.name, c.topic.partitions) for c in changes if isinstance(c, Grow)]
        if new:
            made = [NewTopic(t.name, t.partitions, self.replicas, config=t.config) for t in new]
            # Another process may be quicker.
            _all(self._client.create_topics(made), KafkaError.TOPIC_ALREADY_EXISTS)
        _all(self._client.create_partitions(grown) if grown else {})
        altered: dict[str, list[Any]] = {}
        for c in changes:
            if isinstance(c, Configure):
                entry = ConfigEntry(c.setting, c.wanted, incremental_operation=AlterConfigOpType.SET)
                altered.setdefault(c.topic.name, []).append(entry)
        kind = ConfigResource.Type.TOPIC
        resources = [ConfigResource(kind, name, incremental_configs=entries) for name, entries in altered.items()]
        _all(self._client.incremental_alter_configs(resources) if resources else {})
        self._settle({c.topic.name: c.topic.partitions for c in changes if isinstance(c, Create | Grow)})

    def _settle(self, wanted: Mapping[str, int]) -> None:
        """Wait until every broker's answer has the topics; a client that asks at once would not find them."""
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        while wanted:
            there = self._client.list_topics(timeout=ASK_SECONDS_MAX).topics
            late = [n for n, count in sorted(wanted.items()) if n not in there or len(there[n].partitions) < count]
            if not late:
                return
            if time.monotonic() > deadline:
                raise Retry(f"topics not there yet: {late}")
            time.sleep(0.1)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            # Why a connection was refused is told to the callback alone, and that is called here.
            self._client.poll(0)
            found = error.args[0]
            if found.name().endswith("AUTHORIZATION_FAILED"):
                raise Halt(f"the broker does not let this user administer it: {found.name()}") from error
            raise Retry(f"broker: {(self._refused or [found.name()])[0]}") from error


_SHA_512 = ScramMechanism.SCRAM_SHA_512


def ensure_topics(where: str | Broker, topics_yaml: Path, parties: Sequence[str] = (), *, prefix: str = "") -> None:
    """Bring the topics of one file to the broker, and nothing else. Raises Halt for what a person must decide.

    ``prefix`` is for tests that share a broker.
    """
    topics = [replace(topic, name=prefix + topic.name) for topic in topics_in(topics_yaml, parties)]
    wanted = Desired(tuple(topics), frozenset(), frozenset(), frozenset())
    administrator = Administrator(where)
    there = administrator.held(topics, users=False).topics
    plan = make_plan(wanted, Held({topic.name: there[topic.name] for topic in topics if topic.name in there}))
    administrator.make(plan.changes, lambda user: "")
    if plan.left:
        raise Halt("; ".join(f"topic {one.name} {one.reason}" for one in plan.left))


def counts(where: str | Broker, names: list[str]) -> dict[str, dict[int, tuple[int, int]]]:
    """First and next offset of each partition of the topics that exist. Waits for leaders; raises Retry."""
    return _patiently(kafka.broker(where).connect(AdminClient, {"log_level": 2}), names)


def since(where: str | Broker, names: Sequence[str], seconds: int) -> dict[str, int]:
    """How many records came to each topic that exists within the last ``seconds``. Raises Retry."""
    held = counts(where, list(names))
    came = dict.fromkeys(held, 0)
    for (name, n), first in younger(where, held, dict.fromkeys(held, seconds)).items():
        came[name] += held[name][n][1] - first
    return came


def younger(
    where: str | Broker, held: Mapping[str, Mapping[int, tuple[int, int]]], seconds: Mapping[str, int]
) -> dict[tuple[str, int], int]:
    """The first offset younger than its topic's ``seconds``, for each partition of ``held`` (as ``counts`` gives them);
    the partition's end where nothing is so young. Raises Retry."""
    admin = kafka.broker(where).connect(AdminClient, {"log_level": 2})
    asked = {
        TopicPartition(name, n): OffsetSpec.for_timestamp(int((time.time() - seconds[name]) * 1000))
        for name, partitions in held.items()
        for n in partitions
    }
    found = {}
    try:
        for place, future in (admin.list_offsets(asked) if asked else {}).items():
            # Nothing so young is on the partition: the answer is -1.
            first = future.result(ASK_SECONDS_MAX).offset
            found[place.topic, place.partition] = first if first >= 0 else held[place.topic][place.partition][1]
    except KafkaException as error:
        raise Retry(f"broker: {error.args[0].name()}") from error
    return found


def _patiently(admin: Any, names: list[str]) -> dict[str, dict[int, tuple[int, int]]]:
    end = time.monotonic() + COUNT_SECONDS_MAX
    while True:
        try:
            return _counts(admin, names)
        except KafkaException as error:
            # A topic just made has no leader yet.
            if time.monotonic() > end:
                raise Retry(f"broker: {error.args[0].name()}") from error
            time.sleep(0.2)


def _counts(admin: Any, names: list[str]) -> dict[str, dict[int, tuple[int, int]]]:
    held = admin.list_topics(timeout=20).topics
    places = [TopicPartition(name, n) for name in names if name in held for n in held[name].partitions]
    if not places:
        return {}
    ends = [
        {(place.topic, place.partition): future.result().offset for place, future in asked.items()}
        for asked in (
            admin.list_offsets(dict.fromkeys(places, spec), request_timeout=20)
            for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
        )
    ]
    found: dict[str, dict[int, tuple[int, int]]] = {}
    for place in places:
        name, n = place.topic, place.partition
        found.setdefault(name, {})[n] = (ends[0][name, n], ends[1][name, n])
    return found


def _all(futures: Mapping[Any, Any], *harmless: int) -> None:
    """Wait for all, so that one that fails leaves no other unasked; raises the first failure."""
    failures = []
    for future in futures.values():
        try:
            future.result(ASK_SECONDS_MAX)
        except KafkaException as error:
            if error.args[0].code() not in harmless:
                failures.append(error)
    if failures:
        raise failures[0]


def _resource(right: Right) -> tuple[Any, str]:
    if right.resource == "cluster":
        return ResourceType.BROKER, CLUSTER
    return ResourceType[right.resource.upper()], right.name


def _words(right: Right) -> tuple[Any, ...]:
    kind, name = _resource(right)
    pattern, operation = ResourcePatternType[right.pattern.upper()], AclOperation[right.operation.upper()]
    permission = AclPermissionType[right.permission.upper()]
    return kind, name, pattern, right.principal, right.host, operation, permission


def _binding(right: Right) -> Any:
    return AclBinding(*_words(right))


def _filter(right: Right) -> Any:
    return AclBindingFilter(*_words(right))


def _right(acl: Any) -> Right:
    kind = "cluster" if acl.restype == ResourceType.BROKER else acl.restype.name.lower()
    name = "" if kind == "cluster" else acl.name
    pattern, operation = acl.resource_pattern_type.name.lower(), acl.operation.name.lower()
    return Right(acl.principal, kind, name, pattern, operation, acl.permission_type.name.lower(), acl.host)
