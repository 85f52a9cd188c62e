"""Who may speak to whom in the cluster: nobody, but for what is written here. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hub.deploy.documents import Document
from hub.deploy.kafka_resources import CLUSTER, PORT
from hub.deploy.processes import BY_NAME, HEALTH_PORT, JOBS, Process
from hub.deploy.workloads import labels_of

API = "networking.k8s.io/v1"
#: Namespaces of others, by the name that Kubernetes gives each as a label; an overlay may say otherwise.
FRONT, MONITORING, DNS = "ingress", "monitoring", "kube-system"
POSTGRES_PORT = 5432


def common() -> list[Document]:
    """Deny everything; then what many need: names, the broker, the database, being watched."""
    every: Document = {"matchLabels": {"app.kubernetes.io/part-of": "eet-hub"}}
    database = {"podSelector": {"matchLabels": {"eet-hub/serves": "postgres"}}}
    broker = {"podSelector": {"matchLabels": {"strimzi.io/cluster": CLUSTER, "strimzi.io/kind": "Kafka"}}}
    return [
        _policy("deny", {}, {"policyTypes": ["Ingress", "Egress"]}),
        _policy("names", every, _egress([{"to": [_namespace(DNS)], "ports": [_port(53, "UDP"), _port(53)]}])),
        _policy("to-kafka", _labelled("kafka"), _egress([{"to": [broker], "ports": [_port(PORT)]}])),
        _policy("to-postgres", _labelled("postgres"), _egress([{"to": [database], "ports": [_port(POSTGRES_PORT)]}])),
        _policy("watched", every, _ingress([{"from": [_namespace(MONITORING)], "ports": [_port(HEALTH_PORT)]}])),
    ]


def of(process: Process, processes: tuple[Process, ...]) -> list[Document]:
    """The policy of one process; none if it needs nothing but what ``common`` gives."""
    spec: dict[str, Any] = {}
    came = list(_comes(process, processes))
    goes = list(_goes(process))
    if came:
        spec |= _ingress(came)
    if goes:
        egress = _egress(goes)
        spec = {**spec, **egress, "policyTypes": [*spec.get("policyTypes", []), "Egress"]}
    if not spec:
        return []
    return [_policy(process.name, {"matchLabels": {"app.kubernetes.io/name": process.name}}, spec)]


def _comes(process: Process, processes: tuple[Process, ...]) -> Iterator[Document]:
    if not process.port:
        return
    sources = [_pods(other.name) for other in (*processes, *JOBS) if process.name in other.calls]
    if process.front:
        sources.append(_namespace(FRONT))
    if sources:
        yield {"from": sources, "ports": [_port(process.port)]}


def _goes(process: Process) -> Iterator[Document]:
    for name in process.calls:
        yield {"to": [_pods(name)], "ports": [_port(BY_NAME[name].port)]}
    if process.outside:
        # Outside, and not to other pods or the cloud's own metadata.
        anywhere = {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"]}
        yield {"to": [{"ipBlock": anywhere}], "ports": [_port(number) for number in process.outside]}


def _policy(name: str, selector: Document, spec: Document) -> Document:
    return {
        "apiVersion": API,
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "labels": labels_of(name)},
        "spec": {"podSelector": selector, **spec},
    }


def _egress(rules: list[Document]) -> dict[str, Any]:
    return {"policyTypes": ["Egress"], "egress": rules}


def _ingress(rules: list[Document]) -> dict[str, Any]:
    return {"policyTypes": ["Ingress"], "ingress": rules}


def _labelled(server: str) -> Document:
    return {"matchLabels": {f"eet-hub/{server}": "yes"}}


def _pods(name: str) -> Document:
    return {"podSelector": {"matchLabels": {"app.kubernetes.io/name": name}}}


def _namespace(name: str) -> Document:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _port(number: int, protocol: str = "TCP") -> Document:
    return {"protocol": protocol, "port": number}
