"""Kubernetes objects of one process: ServiceAccount, Deployment, Service, PodDisruptionBudget. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from hub.deploy.documents import Document
from hub.deploy.kafka_resources import CLUSTER, PORT
from hub.deploy.processes import HEALTH_PORT, SECRET_SETTINGS, SECRETS, USER_ID, VERIFIERS, Disk, Process

#: What the images are called in base; an overlay names the registry and pins the digest.
IMAGE = "eet-hub"
TAG = "0.1.0"
KAFKA_FILES = "/etc/hub/kafka"
KAFKA_CA = "/etc/hub/kafka-ca"
WORKERS = 2
#: Longer than a service takes to stop by itself (``stop_seconds_max``, 45 s).
GRACE_SECONDS = 60
#: A front learns within this time that the pod takes no new requests.
LEAVING_SECONDS = 5


def labels_of(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "eet-hub"}


def objects(process: Process) -> list[Document]:
    held: list[Document] = [service_account(process.name), _deployment(process), _budget(process)]
    if process.port:
        held.insert(2, _service(process))
    return held


def service_account(name: str) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "labels": labels_of(name)},
        "automountServiceAccountToken": False,
    }


def _deployment(process: Process) -> Document:
    labels = labels_of(process.name)
    # A second of these would wait for the first: it goes before its successor comes.
    strategy = {"type": "Recreate"} if process.alone else {"type": "RollingUpdate", "rollingUpdate": _ROLLING}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": process.name, "labels": labels},
        "spec": {
            "replicas": 1 if process.alone else WORKERS,
            "strategy": strategy,
            "selector": {"matchLabels": {"app.kubernetes.io/name": process.name}},
            "template": {
                "metadata": {"labels": {**labels, **reaches(process)}},
                "spec": {
                    **pod(process.name),
                    "terminationGracePeriodSeconds": GRACE_SECONDS,
                    "topologySpreadConstraints": [_spread(process.name)],
                    "containers": [_container(process)],
                    "volumes": volumes(process),
                },
            },
        },
    }


_ROLLING = {"maxUnavailable": 0, "maxSurge": 1}


def reaches(process: Process) -> dict[str, str]:
    """Labels by which the network policies know whom this pod may reach."""
    held = {"eet-hub/kafka": process.speaks_as, "eet-hub/postgres": process.database}
    return {label: "yes" for label, wanted in held.items() if wanted}


def pod(account: str) -> dict[str, Any]:
    return {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def closed() -> dict[str, Any]:
    """The security context of a container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _spread(name: str) -> Document:
    return {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app.kubernetes.io/name": name}},
    }


def _container(process: Process) -> Document:
    ports = [{"name": "health", "containerPort": HEALTH_PORT}]
    if process.port:
        ports.append({"name": "main", "containerPort": process.port})
    held: dict[str, Any] = {
        "name": process.name,
        "image": f"{IMAGE}-{process.runs_in}",
        "args": process.command,
        "env": environment(process),
        "ports": ports,
        **_probes(process),
        "resources": {
            "requests": {"cpu": "250m", "memory": f"{process.memory_mib[0]}Mi"},
            "limits": {"cpu": "1", "memory": f"{process.memory_mib[1]}Mi"},
        },
        "securityContext": closed(),
        "volumeMounts": mounts(process),
    }
    if process.front:
        held["lifecycle"] = {"preStop": {"sleep": {"seconds": LEAVING_SECONDS}}}
    return held


def _probes(process: Process) -> dict[str, Any]:
    """They follow progress: ready while positions move or nothing waits, alive unless wedged (spine/progress.py)."""
    health = process.health

    def ask(path: str) -> dict[str, Any]:
        if not path:
            return {"tcpSocket": {"port": health.port}}
        return {"httpGet": {"path": path, "port": health.port}}

    return {
        # A worker waits for servers and schemas up to two minutes before it answers at all.
        "startupProbe": {**ask(health.live), "periodSeconds": 5, "failureThreshold": 60},
        "livenessProbe": {**ask(health.live), "periodSeconds": 20, "timeoutSeconds": 5, "failureThreshold": 3},
        "readinessProbe": {**ask(health.ready), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 2},
    }


def environment(process: Process) -> list[Document]:
    return [
        {"name": "HUB_HEALTH_HOST", "value": "0.0.0.0"},
        {"name": "HUB_HEALTH_PORT", "value": str(HEALTH_PORT)},
        *_servers(process),
        # A pod keeps its name when its container is restarted, and so takes its partitions again at once.
        {"name": "HUB_INSTANCE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        *_settings(process),
    ]


def of_a_command(process: Process) -> list[Document]:
    """The environment of a container that is asked for nothing and keeps no partitions."""
    return [*_servers(process), *_settings(process)]


def _servers(process: Process) -> Iterator[Document]:
    if process.speaks_as:
        settings = {
            "HUB_KAFKA": f"{CLUSTER}-kafka-bootstrap:{PORT}",
            "HUB_KAFKA_PROTOCOL": "SSL",
            "HUB_KAFKA_USER": f"hub-{process.speaks_as}",
            "HUB_KAFKA_CA_FILE": f"{KAFKA_CA}/ca.crt",
            "HUB_KAFKA_CERTIFICATE_FILE": f"{KAFKA_FILES}/user.crt",
            "HUB_KAFKA_KEY_FILE": f"{KAFKA_FILES}/user.key",
        }
        yield from ({"name": name, "value": value} for name, value in settings.items())
    if process.database:
        # The URL of the schema's own role; sslmode=verify-full belongs into it (docs/operations.md).
        reference = {"name": f"postgres-{process.database}", "key": "url"}
        yield {"name": "HUB_POSTGRES", "valueFrom": {"secretKeyRef": reference}}
    if "registry" in process.calls:
        yield {"name": "HUB_REGISTRY", "value": "http://registry:8081"}


def _settings(process: Process) -> Iterator[Document]:
    held = dict(process.settings) | {SECRET_SETTINGS[name]: f"{SECRETS}/{name}/{name}" for name in process.secrets}
    held |= process.folders
    if process.name == "console":
        # TLS ends at the front, which tells the visitor's address.
        held |= {"HUB_CONSOLE_SECURE": "1", "HUB_CONSOLE_PROXIED": "1"}
    yield from ({"name": name, "value": value} for name, value in sorted(held.items()))


def mounts(process: Process) -> list[Document]:
    held: list[Document] = [{"name": "tmp", "mountPath": "/tmp"}]
    if process.speaks_as:
        held += [
            {"name": "kafka-user", "mountPath": KAFKA_FILES, "readOnly": True},
            {"name": "kafka-ca", "mountPath": KAFKA_CA, "readOnly": True},
        ]
    # Whole folders: a file that is replaced in the secret is seen by the door without a restart.
    held += [{"name": _named(name), "mountPath": f"{SECRETS}/{name}", "readOnly": True} for name in process.secrets]
    held += [_mounted(disk) for disk in process.disks]
    if process.checks:
        held.append({"name": "ledger-verifiers", "mountPath": str(PurePosixPath(VERIFIERS).parent), "readOnly": True})
    if process.files:
        held.append({"name": "sftp-keys", "mountPath": "/var/hub/sftp_keys", "readOnly": True})
    return held


def _mounted(disk: Disk) -> Document:
    return {"name": disk.name, "mountPath": disk.path, **({"readOnly": True} if disk.read_only else {})}


def volumes(process: Process) -> list[Document]:
    held: list[Document] = [{"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}]
    if process.speaks_as:
        ca = {"secretName": f"{CLUSTER}-cluster-ca-cert", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
        held += [
            {"name": "kafka-user", "secret": {"secretName": f"hub-{process.speaks_as}", "defaultMode": 0o440}},
            {"name": "kafka-ca", "secret": ca},
        ]
    secrets = [_named(name) for name in process.secrets]
    held += [{"name": name, "secret": {"secretName": name, "defaultMode": 0o440}} for name in secrets]
    held += [{"name": disk.name, "persistentVolumeClaim": {"claimName": disk.name}} for disk in process.disks]
    if process.checks:
        held.append({"name": "ledger-verifiers", "configMap": {"name": "ledger-verifiers"}})
    if process.files:
        keys = {"secretName": "sftp-keys", "defaultMode": 0o440, "optional": True}
        held.append({"name": "sftp-keys", "secret": keys})
    return held


def _named(secret: str) -> str:
    return secret.replace("_", "-")


def _service(process: Process) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": process.name, "labels": labels_of(process.name)},
        "spec": {
            "selector": {"app.kubernetes.io/name": process.name},
            "ports": [{"name": "main", "port": process.port, "targetPort": "main"}],
        },
    }


def _budget(process: Process) -> Document:
    # One that stands alone may be moved: what it does waits safely and goes on elsewhere.
    allowed = {"maxUnavailable": 1} if process.alone else {"minAvailable": 1}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": process.name, "labels": labels_of(process.name)},
        "spec": {**allowed, "selector": {"matchLabels": {"app.kubernetes.io/name": process.name}}},
    }
