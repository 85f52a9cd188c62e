"""Where the hub of this machine keeps its things: ``HUB_HOME``, default ``.hub`` in the working folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def contracts_folder() -> Path:
    return Path(os.environ.get("HUB_CONTRACTS", ROOT / "contracts"))


def schemas_folder() -> Path:
    return Path(os.environ.get("HUB_SCHEMAS", ROOT / "schemas" / "avro"))


@dataclass(frozen=True, slots=True)
class Home:
    """The folder and the names in it."""

    folder: Path

    @classmethod
    def of_environment(cls) -> Home:
        return cls(Path(os.environ.get("HUB_HOME", ".hub")).absolute())

    @property
    def run(self) -> Path:
        """What runs: processes, ports, addresses. Written by the supervisor, read by every other command."""
        return self.folder / "run.json"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def seal_key(self) -> Path:
        return self.folder / "seal.key"

    @property
    def kek(self) -> Path:
        """The key-encryption key of the key store: whoever loses it loses everything that is sealed."""
        return self.folder / "kek.key"

    @property
    def api_keys(self) -> Path:
        """Hashes of the partners' API keys, for the door."""
        return self.folder / "api_keys.yaml"

    @property
    def keys(self) -> Path:
        """The demo's API keys in clear, for the demo's own feeding."""
        return self.folder / "keys.json"

    @property
    def steward_key(self) -> Path:
        """The API key with which the console sends stewards' decisions to the door."""
        return self.folder / "steward.key"

    @property
    def oidc(self) -> Path:
        """How the demo's console finds the demo's sign-in."""
        return self.folder / "oidc.yaml"

    @property
    def oidc_secret(self) -> Path:
        """The secret that both know."""
        return self.folder / "oidc.secret"

    @property
    def mail(self) -> Path:
        """What the demo's mail sink took, one file a mail."""
        return self.folder / "mail"

    @property
    def files(self) -> Path:
        """Root of the partners' drop folders: ``<party>/in`` and ``<party>/out``."""
        return self.folder / "files"

    @property
    def sftp_keys(self) -> Path:
        """Public keys of the partners who may use the file server: ``<party>.pub``."""
        return self.folder / "sftp_keys"

    @property
    def sftp_host_key(self) -> Path:
        """Made on the first start and kept: partners know the server by it."""
        return self.folder / "sftp_host_key"

    @property
    def kafka_users(self) -> Path:
        """Passwords of the broker's users, one private file each: ``<user>.password``."""
        return self.folder / "kafka-users"

    @property
    def archive(self) -> Path:
        """Write-once: segments of the log, decisions, operations, checkpoints, builds and settings."""
        return Path(os.environ.get("HUB_ARCHIVE") or self.folder / "archive").absolute()

    @property
    def reports(self) -> Path:
        """Where the console finds reports of replays, comparisons and verifications, written there with --report."""
        return Path(os.environ.get("HUB_REPORTS") or self.folder / "reports").absolute()

    @property
    def ledger_key(self) -> Path:
        """The key that signs the ledger's checkpoints. Made at the first start."""
        return self.folder / "ledger.key"

    @property
    def ledger_verifiers(self) -> Path:
        """Public keys, one verifier key a line: the ledger's own, now and before, and the witnesses'."""
        return self.folder / "ledger.verifiers"

    @property
    def database_users(self) -> Path:
        """Passwords of the database's roles, one private file each: ``<role>.password``."""
        return self.folder / "database-users"

    @property
    def kafka(self) -> Path:
        return self.folder / "kafka"

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"
