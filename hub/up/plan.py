"""Which processes the hub is, in order of start, and the settings each is given."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hub.deploy.processes import BY_NAME
from hub.deploy.roles import as_role, role_of
from hub.layout import Home, contracts_folder, schemas_folder
from hub.private import write_private
from hub.up.supervisor import Child
from spine.keystore.kek import FILE


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything answers. Ports are chosen once per machine and kept in ``ports.json``."""

    kafka: str
    postgres: str
    registry: str
    ports: Mapping[str, int]
    #: As in ``RunRecord``: empty unless the broker's users have passwords.
    secure: Mapping[str, str] = field(default_factory=dict)
    #: Folder with the password of each database role; empty if everybody has the same.
    roles: str = ""

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    @property
    def sftp(self) -> str:
        return f"sftp://127.0.0.1:{self.ports['sftp-port']}"


ANSWERS = "services.alerts.answers"
#: Everything that listens; a process named here is given its number.
SERVICES = (
    *("door", "kafka-door", "files", "sftp", "ingest", "matching", "status", "alerts", "delivery", "console"),
    "answers",
)
#: The user of each process on the broker: the name that it bears in contracts/topics.yaml.
USERS = {
    **{name: f"hub-{name}" for name in ("ingest", "matching", "status", "alerts", "delivery", "console", "ticker")},
    "answers": "hub-answers",
    "archive": "hub-archive",
    **dict.fromkeys(("door", "kafka-door", "files"), "hub-ingest-door"),
}
PORT_NAMES = (
    *("registry", "door", "sftp-port", "console", "answers", "smtp", "sign-in"),
    *(f"metrics-{name}" for name in SERVICES),
)


def settings(home: Home, addresses: Addresses, *, demo: bool) -> dict[str, str]:
    """The environment that all services share."""
    shared = {
        "HUB_KAFKA": addresses.kafka,
        "HUB_POSTGRES": addresses.postgres,
        "HUB_REGISTRY": addresses.registry,
        "HUB_SEAL_KEY_FILE": str(home.seal_key),
        "HUB_API_KEYS": str(home.api_keys),
        "HUB_CONTRACTS": str(contracts_folder()),
        "HUB_SCHEMAS": str(schemas_folder()),
        "HUB_CONSOLE_URL": addresses.url("console"),
        "HUB_INGEST": addresses.url("door"),
        "HUB_STEWARD_KEY_FILE": str(home.steward_key),
        "HUB_FILES": str(home.files),
        "HUB_SFTP_KEYS": str(home.sftp_keys),
        "HUB_SFTP_HOST_KEY": str(home.sftp_host_key),
        "HUB_ARCHIVE": str(home.archive),
        "HUB_REPORTS": str(home.reports),
    }
    if addresses.secure:
        # What this process was given to administer the broker with is nothing for a service.
        given = ("USER", "PASSWORD", "PASSWORD_FILE", "CERTIFICATE_FILE", "KEY_FILE")
        shared |= {f"HUB_KAFKA_{name}": "" for name in given}
        shared |= {
            "HUB_KAFKA_PROTOCOL": addresses.secure["protocol"],
            "HUB_KAFKA_CA_FILE": addresses.secure["ca_file"],
        }
    if demo:
        shared |= {
            "HUB_SIMULATED_CLOCK": "1",
            "HUB_SMTP": f"127.0.0.1:{addresses.ports['smtp']}",
            # The demo renames whole files into place, and every second that one lies still would be waited for.
            "HUB_FILES_QUIET_SECONDS": "0",
            "HUB_FILES_ROUND_SECONDS": "0.1",
        }
    return shared


def write_sign_in(home: Home, addresses: Addresses) -> None:
    """How the demo's console and its sign-in find each other, and a secret that both know."""
    issuer = addresses.url("sign-in")
    places = {"authorize_url": f"{issuer}/authorize", "token_url": f"{issuer}/token", "jwks_url": f"{issuer}/keys"}
    # JSON is YAML.
    write_private(home.oidc, json.dumps({"issuer": issuer, "client": "demo-console", **places}) + "\n")
    write_private(home.oidc_secret, secrets.token_urlsafe(32) + "\n")


def user(addresses: Addresses, name: str) -> dict[str, str]:
    """As whom the process speaks on the broker, where that has users."""
    if not addresses.secure or name not in USERS:
        return {}
    path = Path(addresses.secure["passwords"]) / f"{USERS[name]}.password"
    return {"HUB_KAFKA_USER": USERS[name], "HUB_KAFKA_PASSWORD_FILE": str(path)}


def database(addresses: Addresses, name: str) -> dict[str, str]:
    """As whom the process speaks to the database, where each has a role of its own."""
    if not addresses.roles:
        return {}
    schema = BY_NAME[name].schema if name in BY_NAME else ""
    if not schema:
        return {"HUB_POSTGRES": ""}
    role = role_of(schema)
    return {"HUB_POSTGRES": as_role(addresses.postgres, role, Path(addresses.roles, f"{role}.password").read_text())}


def children(home: Home, addresses: Addresses, *, demo: bool) -> list[Child]:
    """Every service's process. In the demo the date comes from the sample, so the ticker stays out."""
    shared, ports = settings(home, addresses, demo=demo), addresses.ports

    def child(name: str, *command: str, port: str = "", **more: str) -> Child:
        number = ports[port] if port else None
        metrics = {"HUB_METRICS_PORT": str(ports[f"metrics-{name}"])} if f"metrics-{name}" in ports else {}
        # One process holds each name here: restarted after a crash it takes its partitions again at once.
        mine = {"HUB_INSTANCE": name, **user(addresses, name), **database(addresses, name)}
        return Child(name, [sys.executable, "-m", *command], {**shared, **mine, **metrics, **more}, number)

    # The demo signs in as real use does, at a provider of its own.
    oidc = {"HUB_OIDC_FILE": str(home.oidc), "HUB_OIDC_SECRET_FILE": str(home.oidc_secret)} if demo else {}
    # Doors and senders get no key: they have nothing to open.
    opens = {FILE: os.environ.get(FILE) or str(home.kek)}
    registry = child("registry", "spine.registry_service", port="registry", HUB_REGISTRY_PORT=str(ports["registry"]))
    own_registry = [registry] if addresses.registry == addresses.url("registry") else []
    services = [
        *own_registry,
        child("ingest", "services.ingest", "run", **opens),
        child("matching", "services.matching", "run", **opens),
        child("status", "services.status", "run", **opens),
        child("alerts", "services.alerts", "run", **opens),
        child("delivery", "services.alerts.delivery", "run"),
        child("ledger", "spine.ledger", "run", HUB_LEDGER_KEY_FILE=str(home.ledger_key)),
        child(
            "archive",
            BY_NAME["archive"].package,
            *BY_NAME["archive"].arguments,
            HUB_LEDGER_KEY_FILE=str(home.ledger_key),
        ),
        child("door", "services.ingest", "http", port="door", HUB_HTTP_PORT=str(ports["door"])),
        child("kafka-door", "services.ingest", "kafka"),
        child("files", "services.ingest", "files"),
        child("sftp", "services.ingest", "sftp", port="sftp-port", HUB_SFTP_PORT=str(ports["sftp-port"])),
        child(
            "console",
            "services.console",
            "run",
            port="console",
            HUB_CONSOLE_PORT=str(ports["console"]),
            **opens,
            **oidc,
        ),
        child(
            "answers", "services.alerts.answers", "run", port="answers", **opens, HUB_ANSWERS_PORT=str(ports["answers"])
        ),
    ]
    if demo:
        sink = child("mailsink", "services.alerts.delivery", "sink", str(home.mail), str(ports["smtp"]), port="smtp")
        sign_in = child("sign-in", "hub.issuer", port="sign-in", HUB_SIGN_IN_PORT=str(ports["sign-in"]), **oidc)
        return [sink, sign_in, *services]
    return [*services, child("ticker", "spine.ticker")]
