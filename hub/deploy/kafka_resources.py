"""What Strimzi needs to run the hub's broker: cluster, topics, users with their rights. Pure.

Rights are those of ``hub.topics.rights``: one list for a broker that ``hub topics apply`` keeps and for one that the
operator keeps. Users come with certificates: Strimzi issues and renews them, as secrets of the user's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from hub.deploy.documents import Document
from hub.topics.contract import Topic
from hub.topics.rights import PARTY, SERVICE, Desired, Right

API = "kafka.strimzi.io/v1"
CLUSTER = "eet-hub"
VERSION = "4.3.0"
PORT = 9093
BROKERS = 3
IN_SYNC = 2
#: Bytes a second for each partner and broker: one event is at most 256 KiB, so four of the largest a second.
PARTNER_BYTES_A_SECOND = 1_048_576
#: A service that reads its backlog again may fill the wire; it may not starve the others of the broker's threads.
SERVICE_REQUEST_PERCENT = 50
PARTNER_REQUEST_PERCENT = 5


def cluster() -> list[Document]:
    """Broker and controller in one pool of three; a fact is acknowledged when two hold it."""
    return [_pool(), _cluster()]


def _pool() -> Document:
    volume = {"id": 0, "type": "persistent-claim", "size": "100Gi", "deleteClaim": False, "kraftMetadata": "shared"}
    return {
        "apiVersion": API,
        "kind": "KafkaNodePool",
        "metadata": {"name": "brokers", "labels": {"strimzi.io/cluster": CLUSTER}},
        "spec": {
            "replicas": BROKERS,
            "roles": ["controller", "broker"],
            "storage": {"type": "jbod", "volumes": [volume]},
            "resources": {"requests": {"cpu": "500m", "memory": "2Gi"}, "limits": {"memory": "4Gi"}},
            "jvmOptions": {"-Xms": "1g", "-Xmx": "1g"},
        },
    }


def _cluster() -> Document:
    config: dict[str, Any] = {
        "auto.create.topics.enable": False,
        "connections.max.reauth.ms": 3_600_000,
        "default.replication.factor": BROKERS,
        "min.insync.replicas": IN_SYNC,
        "offsets.topic.replication.factor": BROKERS,
        "transaction.state.log.min.isr": IN_SYNC,
        "transaction.state.log.replication.factor": BROKERS,
        "unclean.leader.election.enable": False,
    }
    listener = {"name": "tls", "port": PORT, "type": "internal", "tls": True, "authentication": {"type": "tls"}}
    return {
        "apiVersion": API,
        "kind": "Kafka",
        "metadata": {"name": CLUSTER},
        "spec": {
            "kafka": {
                "version": VERSION,
                "listeners": [listener],
                "authorization": {"type": "simple"},
                "config": config,
                "rack": {"topologyKey": "topology.kubernetes.io/zone"},
            },
            "entityOperator": {"topicOperator": {}, "userOperator": {}},
            "kafkaExporter": {"topicRegex": ".*", "groupRegex": "hub-.*"},
        },
    }


def topics(wanted: Desired) -> list[Document]:
    return [_topic(topic) for topic in wanted.topics]


def _topic(topic: Topic) -> Document:
    return {
        "apiVersion": API,
        "kind": "KafkaTopic",
        "metadata": {"name": topic.name, "labels": {"strimzi.io/cluster": CLUSTER}},
        "spec": {
            "partitions": topic.partitions,
            "replicas": BROKERS,
            "config": {**topic.config, "min.insync.replicas": IN_SYNC},
        },
    }


def users(wanted: Desired) -> list[Document]:
    """Every user that must have credentials, and the suspended, who keep theirs without a right."""
    held = sorted(wanted.rights, key=lambda right: right.principal)
    rights = {who: list(theirs) for who, theirs in groupby(held, lambda right: right.principal)}
    return [_user(name, rights.get(f"User:{name}", [])) for name in sorted(wanted.users | wanted.known)]


def _user(name: str, rights: Iterable[Right]) -> Document:
    partner = name.startswith(PARTY)
    assert partner or name.startswith(SERVICE), name
    quotas: dict[str, int] = {"requestPercentage": PARTNER_REQUEST_PERCENT if partner else SERVICE_REQUEST_PERCENT}
    if partner:
        quotas = {"producerByteRate": PARTNER_BYTES_A_SECOND, "consumerByteRate": PARTNER_BYTES_A_SECOND, **quotas}
    return {
        "apiVersion": API,
        "kind": "KafkaUser",
        "metadata": {"name": name, "labels": {"strimzi.io/cluster": CLUSTER}},
        "spec": {
            "authentication": {"type": "tls"},
            "authorization": {"type": "simple", "acls": list(_acls(rights))},
            "quotas": quotas,
        },
    }


def _acls(rights: Iterable[Right]) -> Iterator[Document]:
    def resource(right: Right) -> tuple[str, str, str, str]:
        return right.resource, right.name, {"prefixed": "prefix"}.get(right.pattern, right.pattern), right.host

    for (kind, name, pattern, host), same in groupby(sorted(rights, key=resource), resource):
        operations = sorted(right.operation.capitalize() for right in same)
        yield {
            "resource": {"type": kind, "name": name, "patternType": pattern},
            "operations": operations,
            "host": host,
        }


def rights_in(documents: Iterable[Document]) -> frozenset[Right]:
    """The rights that ``users`` wrote down, as the broker would hold them."""
    return frozenset(
        Right(
            f"User:{user['metadata']['name']}",
            acl["resource"]["type"],
            acl["resource"]["name"],
            {"prefix": "prefixed"}.get(acl["resource"]["patternType"], acl["resource"]["patternType"]),
            operation.lower(),
            host=acl["host"],
        )
        for user in documents
        if user["kind"] == "KafkaUser"
        for acl in user["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    )
