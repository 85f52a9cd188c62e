"""The hub in containers on one machine: deploy/compose.yaml. Pure.

The broker and the database are reached on a network that has no way out; what partners and workers call is published
on loopback. Passwords come from the environment file that ``hub deploy secrets`` writes, keys from files beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.deploy.documents import Document
from hub.deploy.kafka_resources import VERSION
from hub.deploy.processes import (
    HEALTH_PORT,
    MIGRATE,
    PROCESSES,
    RELEASE,
    SECRET_SETTINGS,
    SECRETS,
    TOOLS,
    VERIFIERS,
    Disk,
    Process,
)
from hub.deploy.workloads import IMAGE, TAG
from hub.machine.postgres import SETTINGS

POSTGRES = "postgres:18"
#: As hub/machine/postgres.py sets it, and why: docs/recovery.md.
LOG_ROOM = ("max_wal_size", "wal_compression")
PROMETHEUS = "prom/prometheus:v3.5.0"
GRAFANA = "grafana/grafana:12.3.0"
DATABASE = "postgresql://hub:${HUB_DATABASE_PASSWORD:?hub deploy secrets writes deploy/.env}@postgres:5432/hub"
SECRET_FILES = {
    **{"seal_key": "seal.key", "kek": "kek.key", "api_keys": "api_keys.yaml", "steward_key": "steward.key"},
    "ledger_key": "ledger.key",
}
VOLUMES = ("kafka", "postgres", "files", "archive", "builds", "reports", "backups", "prometheus", "grafana")
#: On Kubernetes Strimzi keeps the topics.
TOPICS = Process("topics", "hub", ("topics", "apply"), settings={"HUB_HOME": "/tmp"}, image="command")
BUILD = {"context": "..", "dockerfile": "deploy/Dockerfile"}


def compose() -> Document:
    services: dict[str, Any] = {"kafka": _kafka(), "postgres": _postgres()}
    services["topics"] = _once(TOPICS, {"kafka": "service_healthy"}, HUB_KAFKA="kafka:9092")
    services["migrate"] = _once(MIGRATE, {"postgres": "service_healthy"})
    services |= {process.name: _process(process) for process in PROCESSES}
    # To be run again after every change of the agreements.
    services["release"] = _once(RELEASE, {"ingest": "service_healthy", "registry": "service_healthy"})
    services |= {tool.name: _tool(tool) for tool in TOOLS}
    services |= {"prometheus": _prometheus(), "grafana": _grafana()}
    return {
        "name": "eet-hub",
        "services": services,
        # Whoever has to reach out (mail, issuers of tokens) stands on both networks.
        "networks": {"inside": {"internal": True}, "outside": {}},
        "volumes": {name: {} for name in VOLUMES},
        "configs": {"ledger_verifiers": {"file": "secrets/ledger.verifiers"}},
        "secrets": {name: {"file": f"secrets/{file}"} for name, file in SECRET_FILES.items()},
    }


def _kafka() -> Document:
    controller = "PLAINTEXT://:9092,CONTROLLER://:9093"
    settings = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": controller,
        "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://kafka:9092",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@kafka:9093",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_LOG_DIRS": "/var/lib/kafka/data",
    }
    asked = "/opt/kafka/bin/kafka-broker-api-versions.sh --bootstrap-server 127.0.0.1:9092 > /dev/null"
    return {
        "image": f"apache/kafka:{VERSION}",
        "restart": "on-failure",
        "environment": settings,
        "healthcheck": _health(["CMD-SHELL", asked]),
        "networks": ["inside"],
        "volumes": ["kafka:/var/lib/kafka/data"],
    }


def _postgres() -> Document:
    password = "${HUB_DATABASE_PASSWORD:?hub deploy secrets writes deploy/.env}"
    return {
        "image": POSTGRES,
        "command": ["postgres", *(word for name in LOG_ROOM for word in ("-c", f"{name}={SETTINGS[name]}"))],
        "restart": "on-failure",
        "environment": {"POSTGRES_USER": "hub", "POSTGRES_PASSWORD": password, "POSTGRES_DB": "hub"},
        "healthcheck": _health(["CMD", "pg_isready", "-U", "hub"]),
        "networks": ["inside"],
        "volumes": ["postgres:/var/lib/postgresql"],
    }


def _health(test: list[str]) -> Document:
    return {"test": test, "interval": "5s", "timeout": "10s", "retries": 30, "start_period": "20s"}


def _image(target: str) -> dict[str, Any]:
    return {"build": {**BUILD, "target": target}, "image": f"{IMAGE}-{target}:{TAG}"}


def _closed() -> dict[str, Any]:
    return {
        "read_only": True,
        "tmpfs": ["/tmp"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    }


def _once(process: Process, after: dict[str, str], **more: str) -> Document:
    """A command that ends, and is tried again while a server does not answer."""
    return {
        **_image(process.runs_in),
        **_closed(),
        "command": process.command,
        "restart": "on-failure",
        "depends_on": _after(after),
        "environment": {**_reached(process), **more},
        "networks": ["inside"],
    }


def _after(conditions: Mapping[str, str]) -> Document:
    return {name: {"condition": condition} for name, condition in conditions.items()}


def _tool(process: Process) -> Document:
    """A command at hand: `docker compose run --rm NAME` and its words."""
    held: dict[str, Any] = {
        **_image(process.runs_in),
        **_closed(),
        "profiles": ["tools"],
        "entrypoint": process.command,
        "command": ["--help"],
        "environment": _reached(process),
        "networks": ["inside"],
        "secrets": list(process.secrets),
        "configs": [{"source": "ledger_verifiers", "target": VERIFIERS}] if process.checks else [],
        "volumes": [_volume(disk) for disk in process.disks],
    }
    return {name: value for name, value in held.items() if value}


def _process(process: Process) -> Document:
    after = {"migrate": "service_completed_successfully"} if process.database else {}
    if process.speaks_as:
        after["topics"] = "service_completed_successfully"
    after |= dict.fromkeys(process.calls, "service_healthy")
    held: dict[str, Any] = {
        **_image(process.name),
        **_closed(),
        "restart": "on-failure",
        "depends_on": _after(after),
        "environment": _settings(process),
        "healthcheck": _health(probe(process)),
        "networks": ["inside", *(["outside"] if process.outside or process.front else [])],
    }
    if process.secrets:
        held["secrets"] = list(process.secrets)
    keys = ["./secrets/sftp_keys:/var/hub/sftp_keys:ro"] if process.files and process.port else []
    held["volumes"] = [*(_volume(disk) for disk in process.disks), *keys]
    if process.front:
        held["ports"] = [f"127.0.0.1:{process.port}:{process.port}"]
    return {name: value for name, value in held.items() if value}


def _volume(disk: Disk) -> str:
    return f"{disk.name}:{disk.path}" + (":ro" if disk.read_only else "")


def probe(process: Process) -> list[str]:
    """Asks the process itself whether it makes progress, without a tool that the image would have to bring."""
    address = f"http://127.0.0.1:{process.health.port}{process.health.ready}"
    return ["CMD", "python", "-c", f"import urllib.request as u; u.urlopen('{address}', timeout=4)"]


def _settings(process: Process) -> dict[str, str]:
    return {"HUB_HEALTH_PORT": str(HEALTH_PORT), "HUB_HEALTH_HOST": "0.0.0.0", **_reached(process)}


def _reached(process: Process) -> dict[str, str]:
    """Servers, folders and keys as the process finds them."""
    held: dict[str, str] = {}
    if process.speaks_as:
        held["HUB_KAFKA"] = "kafka:9092"
    if process.database:
        held["HUB_POSTGRES"] = DATABASE
    if "registry" in process.calls:
        held["HUB_REGISTRY"] = "http://registry:8081"
    held |= process.folders
    held |= {SECRET_SETTINGS[name]: f"{SECRETS}/{name}" for name in process.secrets}
    return held | dict(process.settings)


def _prometheus() -> Document:
    return {
        "image": PROMETHEUS,
        "restart": "on-failure",
        "networks": ["inside", "outside"],
        "ports": ["127.0.0.1:9090:9090"],
        "volumes": [
            "./prometheus/prometheus.yml:/etc/prometheus/prometheus.yml:ro",
            "./prometheus/rules.yaml:/etc/prometheus/rules.yaml:ro",
            "prometheus:/prometheus",
        ],
    }


def _grafana() -> Document:
    password = "${HUB_GRAFANA_PASSWORD:?hub deploy secrets writes deploy/.env}"
    return {
        "image": GRAFANA,
        "restart": "on-failure",
        "environment": {"GF_SECURITY_ADMIN_PASSWORD": password, "GF_ANALYTICS_REPORTING_ENABLED": "false"},
        "networks": ["inside", "outside"],
        "ports": ["127.0.0.1:3000:3000"],
        "volumes": [
            "./grafana/provisioning:/etc/grafana/provisioning:ro",
            "./grafana/dashboards:/var/lib/grafana/dashboards:ro",
            "grafana:/var/lib/grafana",
        ],
    }
