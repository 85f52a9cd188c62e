"""Kubernetes objects of what ends: jobs that each version runs once, and commands at hand for people. Pure.

A command at hand is a suspended CronJob: it never starts by itself, and `kubectl create job --from` makes a Job of it,
with the secrets, the database role and the disks that this command needs (docs/operations.md).
"""

from __future__ import annotations

from typing import Any

from hub.deploy.documents import Document
from hub.deploy.processes import Process
from hub.deploy.workloads import (
    IMAGE,
    TAG,
    closed,
    labels_of,
    mounts,
    of_a_command,
    pod,
    reaches,
    service_account,
    volumes,
)

SECONDS_KEPT = 86_400
TRIES_MAX = 20
#: The disk that one node has at a time, and the process that holds it: whoever reads it goes to that node.
BESIDE = {"archive": "archive"}


def once(process: Process) -> list[Document]:
    """A job of this version, tried again while a server does not answer."""
    spec = _spec(process, "OnFailure", {"args": process.command})
    job: Document = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        # A job can't be changed once it stands: each version brings its own.
        "metadata": {"name": f"{process.name}-{TAG.replace('.', '-')}", "labels": labels_of(process.name)},
        "spec": {"backoffLimit": TRIES_MAX, **spec},
    }
    return [service_account(process.name), job]


def at_hand(process: Process) -> list[Document]:
    """A command that people start, once each time: what its exit code means is theirs to read."""
    spec = _spec(process, "Never", {"command": process.command, "args": ["--help"]})
    labels = labels_of(process.name)
    cron: Document = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": process.name, "labels": labels},
        "spec": {
            "suspend": True,
            # It has to name one; suspended, it is never looked at.
            "schedule": "0 0 1 1 *",
            "jobTemplate": {"metadata": {"labels": labels}, "spec": {"backoffLimit": 0, **spec}},
        },
    }
    return [service_account(process.name), cron]


def _spec(process: Process, again: str, words: dict[str, list[str]]) -> dict[str, Any]:
    container = {
        "name": process.name,
        "image": f"{IMAGE}-{process.runs_in}",
        **words,
        "env": of_a_command(process),
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "securityContext": closed(),
        "volumeMounts": mounts(process),
    }
    spec = {**pod(process.name), **_beside(process), "restartPolicy": again}
    template = {
        "metadata": {"labels": {**labels_of(process.name), **reaches(process)}},
        "spec": {**spec, "containers": [container], "volumes": volumes(process)},
    }
    return {"ttlSecondsAfterFinished": SECONDS_KEPT, "template": template}


def _beside(process: Process) -> dict[str, Any]:
    terms = [
        {
            "labelSelector": {"matchLabels": {"app.kubernetes.io/name": BESIDE[disk.name]}},
            "topologyKey": "kubernetes.io/hostname",
        }
        for disk in process.disks
        if disk.name in BESIDE
    ]
    return {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}} if terms else {}
