"""After a restore: the consumer groups brought to the journals, and whether the services can go on from there.

Services position themselves at their journal's offset whatever a group says; the groups are for those who watch lag.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from hub.topics import counts
from spine import kafka
from spine.errors import Retry
from spine.kafka import Broker
from spine.log import Place

ASK_SECONDS_MAX = 20
NOT_ALLOWED = "AUTHORIZATION_FAILED"


@dataclass(frozen=True, slots=True)
class Standing:
    """One place of one service: where the journal goes on, and what the log holds."""

    service: str
    topic: str
    partition: int
    next: int
    start: int
    end: int

    @property
    def again(self) -> int:
        """Records that will be decided (again)."""
        return max(0, self.end - self.next)

    @property
    def fault(self) -> str:
        """Why the service would halt here; empty if it can go on."""
        place = f"{self.service}: {self.topic}/{self.partition}"
        if self.next < self.start:
            return f"{place} needs the record at {self.next}, the log begins at {self.start}: use a newer backup"
        if self.next > self.end:
            return f"{place} stands at {self.next}, the log ends at {self.end}: this is another log"
        return ""


def standings(where: str | Broker, positions: Mapping[str, Mapping[str, int]]) -> list[Standing]:
    """Every place of every journal against the log. ``positions`` as in a manifest. Raises Retry."""
    pairs = [
        (service, *_place(name), following) for service, held in positions.items() for name, following in held.items()
    ]
    held = counts(where, sorted({topic for _, topic, _, _ in pairs}))
    there = {(topic, n): ends for topic, by_partition in held.items() for n, ends in by_partition.items()}
    return [
        Standing(service, topic, n, following, *there[topic, n])
        for service, topic, n, following in sorted(pairs)
        # A shell's own place, such as the ticker's, is no topic.
        if (topic, n) in there
    ]


def _place(name: str) -> Place:
    topic, _, partition = name.rpartition("/")
    return topic, int(partition)


def rewind(where: str | Broker, found: Sequence[Standing], groups: Mapping[str, str] | None = None) -> list[str]:
    """Commit the journals' offsets for each service's group (``hub-<service>``, or as ``groups`` says).

    Returns the groups that this user may not bring there. Raises Retry: also where a group has members, for a service
    that runs must not be rewound.
    """
    client = kafka.broker(where).connect(AdminClient, {"log_level": 2})
    left = []
    for service, mine in groupby(sorted(found, key=lambda one: one.service), key=lambda one: one.service):
        group = (groups or {}).get(service, f"hub-{service}")
        partitions = [TopicPartition(one.topic, one.partition, one.next) for one in mine]
        asked = [ConsumerGroupTopicPartitions(group, partitions)]
        refused = _refused(client, asked)
        if any(not name.endswith(NOT_ALLOWED) for name in refused):
            raise Retry(f"group {group} was not rewound, is {service} still running? {', '.join(sorted(refused))}")
        if refused:
            left.append(group)
    return left


def _refused(client: AdminClient, asked: list[ConsumerGroupTopicPartitions]) -> set[str]:
    """Names of the broker's errors, of the group or of a place in it."""
    try:
        answers = [future.result(ASK_SECONDS_MAX) for future in client.alter_consumer_group_offsets(asked).values()]
    except KafkaException as error:
        return {str(error.args[0].name())}
    return {str(place.error.name()) for answer in answers for place in answer.topic_partitions if place.error}


def first_of(found: Iterable[Standing]) -> dict[Place, int]:
    """The lowest offset that any service reads on from; not below what the log holds."""
    first: dict[Place, int] = {}
    for one in found:
        place = (one.topic, one.partition)
        first[place] = min(first.get(place, one.end), max(one.next, one.start))
    return first
