"""The hub's processes, described once: compose.yaml, Kubernetes, image targets and database roles are made from this.

Whoever adds a process adds it here; tests hold the list against ``hub.up.plan`` and the Dockerfile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

#: Where every process answers for its health and metrics, inside its own container.
HEALTH_PORT = 9464
#: The container's user: a number, so that Kubernetes can see that it is not root.
USER_ID = 10_001
SECRETS = "/run/secrets"
#: Where the drop folders and the archive are in every container that has them.
FILES, ARCHIVE = "/var/hub/files", "/var/hub/archive"
#: Where the ledger's public keys are in the container that checks it.
VERIFIERS = "/etc/hub/ledger/ledger.verifiers"

#: Files that hold a secret, and the setting that names each.
SECRET_SETTINGS = {
    "seal_key": "HUB_SEAL_KEY_FILE",
    "kek": "HUB_KEK_FILE",
    "api_keys": "HUB_API_KEYS",
    "steward_key": "HUB_STEWARD_KEY_FILE",
    "ledger_key": "HUB_LEDGER_KEY_FILE",
}


@dataclass(frozen=True, slots=True)
class Health:
    """How to see that a process makes progress. An empty path means that it answers connections, no more."""

    port: int = HEALTH_PORT
    live: str = "/health/live"
    ready: str = "/health/ready"


@dataclass(frozen=True, slots=True)
class Disk:
    """A lasting volume in a container, and the settings that name it to the process."""

    name: str
    path: str
    settings: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False

    @property
    def looked_at(self) -> Disk:
        """The same for one that may read it and no more."""
        return replace(self, read_only=True)


FILES_DISK = Disk("files", FILES, {"HUB_FILES": FILES})
ARCHIVE_DISK = Disk("archive", ARCHIVE, {"HUB_ARCHIVE": ARCHIVE})
#: Who keeps builds sees nothing else of the archive.
BUILDS_DISK = Disk("builds", f"{ARCHIVE}/builds", {"HUB_ARCHIVE": ARCHIVE})
#: What ``hub replay`` and ``hub verify`` write for the console to list.
REPORTS_DISK = Disk("reports", "/var/hub/reports", {"HUB_REPORTS": "/var/hub/reports"})
BACKUPS_DISK = Disk("backups", "/var/hub/backups")


@dataclass(frozen=True, slots=True)
class Process:
    """One process: what it runs, as whom it speaks, what it is given and whom it may reach."""

    name: str
    package: str
    arguments: tuple[str, ...]
    #: Its name in contracts/topics.yaml, empty if it does not speak to Kafka.
    speaks_as: str = ""
    #: The database schema whose role it has, empty without a database.
    schema: str = ""
    #: Schemas of others that it may look into. Doors look whether the ledger has its checkpoints.
    looks_into: tuple[str, ...] = ()
    #: The database role, where it has no schema of its own.
    role: str = ""
    secrets: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    #: The topic whose partitions it shares with its like; empty if it follows none.
    reads: str = ""
    #: One at a time: a second would wait for the first, or read a file twice.
    alone: bool = False
    calls: tuple[str, ...] = ()
    #: Who reaches ``port``: people and partners through the cluster's front, or only the hub's own processes.
    front: bool = False
    #: TCP ports outside the cluster that it may reach.
    outside: tuple[int, ...] = ()
    #: Lasting volumes. Who keeps builds for a later replay has those, who archives the whole archive.
    disks: tuple[Disk, ...] = ()
    #: It is given the ledger's public keys.
    checks: bool = False
    #: Its target in deploy/Dockerfile, where that is not its own.
    image: str = ""
    health: Health = Health()
    #: Asked for and allowed, MiB: docs/scale.md has what was measured, and a test holds these to it.
    memory_mib: tuple[int, int] = (256, 1024)

    @property
    def opens(self) -> bool:
        """Whether it opens or seals personal fields: it has the key-encryption key and the key store's rights."""
        return "kek" in self.secrets

    @property
    def database(self) -> str:
        """Whose database role it has: its schema's, or one that reads; empty without a database."""
        return self.schema or self.role

    @property
    def folders(self) -> dict[str, str]:
        """The settings that name its lasting folders."""
        return {name: value for disk in self.disks for name, value in disk.settings.items()}

    @property
    def files(self) -> bool:
        """Whether it has the partners' drop folders."""
        return FILES_DISK in self.disks

    @property
    def command(self) -> list[str]:
        return ["python", "-m", self.package, *self.arguments]

    @property
    def runs_in(self) -> str:
        """The target of deploy/Dockerfile."""
        return self.image or self.name


#: Whose decisions the ledger and the archive hold.
DECIDERS = ("ingest", "matching", "status", "alerts", "delivery", "console", "answers", "ticker")


def _service(name: str, package: str, topic: str, secrets: tuple[str, ...] = ("kek",)) -> Process:
    return Process(
        name, package, ("run",), name, name, secrets=secrets, reads=topic, calls=("registry",), disks=(BUILDS_DISK,)
    )


def _door(name: str, *arguments: str, schema: str, **more: object) -> Process:
    given = {"secrets": ("seal_key",), "calls": ("registry",), "looks_into": ("audit",), **more}
    return Process(name, "services.ingest", arguments, "ingest-door", schema, **given)  # type: ignore[arg-type]


#: In order of start: what others call comes first.
PROCESSES = (
    Process(
        "registry",
        "spine.registry_service",
        (),
        schema="registry",
        settings={"HUB_REGISTRY_HOST": "0.0.0.0", "HUB_REGISTRY_PORT": "8081"},
        port=8081,
        # Asked for its subjects it asks the database: an answer is progress.
        health=Health(8081, "", "/subjects"),
    ),
    _service("ingest", "services.ingest", "submissions", ("kek", "seal_key")),
    # Its index holds a whole council's people: 100,000 take 515 MiB.
    replace(_service("matching", "services.matching", "observations"), memory_mib=(1024, 2048)),
    _service("status", "services.status", "attributions"),
    _service("alerts", "services.alerts", "statuses"),
    Process(
        "delivery",
        "services.alerts.delivery",
        ("run",),
        "delivery",
        "delivery",
        reads="deliveries",
        calls=("registry",),
        outside=(443, 587),
    ),
    _door(
        "door",
        "http",
        schema="ingest",
        secrets=("seal_key", "api_keys"),
        settings={"HUB_HTTP_HOST": "0.0.0.0", "HUB_HTTP_PORT": "8080"},
        port=8080,
        front=True,
        outside=(443,),
    ),
    _door("kafka-door", "kafka", schema="ingest-door"),
    _door("files", "files", schema="ingest", alone=True, disks=(FILES_DISK,)),
    Process(
        "sftp",
        "services.ingest",
        ("sftp",),
        settings={
            "HUB_SFTP_HOST": "0.0.0.0",
            "HUB_SFTP_PORT": "2222",
            "HUB_SFTP_KEYS": "/var/hub/sftp_keys",
        },
        port=2222,
        alone=True,
        front=True,
        disks=(FILES_DISK,),
    ),
    Process(
        "console",
        "services.console",
        ("run",),
        "console",
        "console",
        # What was ordered and what was recorded of it: no person's content.
        looks_into=("governance", "policy", "audit"),
        secrets=("kek", "steward_key", "api_keys"),
        settings={
            "HUB_CONSOLE_HOST": "0.0.0.0",
            "HUB_CONSOLE_PORT": "8090",
            "HUB_INGEST": "http://door:8080",
        },
        port=8090,
        calls=("registry", "door"),
        front=True,
        disks=(REPORTS_DISK.looked_at,),
    ),
    Process(
        "answers",
        "services.alerts.answers",
        ("run",),
        "answers",
        "answers",
        ("alerts", "delivery"),
        secrets=("kek", "api_keys"),
        settings={"HUB_ANSWERS_HOST": "0.0.0.0", "HUB_ANSWERS_PORT": "8083"},
        port=8083,
        reads="statuses",
        calls=("registry",),
        front=True,
        outside=(443,),
    ),
    Process(
        "ledger",
        "spine.ledger",
        ("run",),
        schema="audit",
        looks_into=DECIDERS,
        secrets=("ledger_key",),
        alone=True,
    ),
    Process(
        "archive",
        "hub",
        ("archive", "run", "--every", "3600"),
        "archive",
        "audit",
        DECIDERS,
        secrets=("ledger_key",),
        settings={"HUB_HOME": "/tmp"},
        alone=True,
        calls=("registry",),
        disks=(ARCHIVE_DISK, BUILDS_DISK),
    ),
    Process("ticker", "spine.ticker", (), "ticker", "ticker", alone=True, calls=("registry",)),
    # Looks at all the others every few minutes, so that what `hub doctor` would find wakes somebody.
    Process(
        "doctor",
        "hub",
        ("doctor", "--serve"),
        "operator",
        role="operator",
        settings={"HUB_HOME": "/tmp"},
        alone=True,
        calls=("registry",),
    ),
)
BY_NAME = {process.name: process for process in PROCESSES}


def _command(name: str, *words: str, role: str, **more: object) -> Process:
    """A command of ``hub`` that ends."""
    given = {"settings": {"HUB_HOME": "/tmp"}, "image": "command", **more}
    return Process(name, "hub", words, role=role, **given)  # type: ignore[arg-type]


_BROKER: Mapping[str, Any] = {"speaks_as": "operator", "calls": ("registry",)}
_KEPT = (ARCHIVE_DISK.looked_at, BUILDS_DISK.looked_at)

#: What is run once at each version: tables grow, then the agreements that the image carries are put in force.
MIGRATE = _command("migrate", "deploy", "migrate", role="owner")
RELEASE = _command("release", "contracts", "release", "--by", "deployment", role="operator", **_BROKER)

#: What people run, each in a container with what it needs and no more; they add the words that it takes besides.
TOOLS = (
    # Signs the certificate, opens what is held of a person, and names references as the gate does.
    _command("erase", "erase", role="officer", secrets=("kek", "seal_key", "ledger_key"), **_BROKER),
    _command("backup", "backup", role="reader", image="backup", disks=(BACKUPS_DISK,)),
    # Drops what stood and puts schemas back, as their owner; says to the broker where each service reads on.
    _command("restore", "restore", role="owner", image="backup", disks=(BACKUPS_DISK.looked_at,), **_BROKER),
    # The gate's replay opens what partners sent, as far as the keys of its days stand.
    _command("replay", "replay", role="reader", secrets=("kek", "seal_key"), disks=(*_KEPT, REPORTS_DISK), **_BROKER),
    _command("verify", "verify", "--keys", VERIFIERS, role="reader", checks=True, disks=(*_KEPT, REPORTS_DISK)),
)
JOBS = (MIGRATE, RELEASE, *TOOLS)
