"""What the ledger is told: its key, its name, how often it makes checkpoints."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from spine.errors import Halt
from spine.ledger.checkpoint import NoteBroken, Signer, Verifier


class LedgerSettings(BaseSettings):
    """Names are ``HUB_LEDGER_`` and the field's name in capitals."""

    model_config = SettingsConfigDict(env_prefix="HUB_LEDGER_", extra="ignore", frozen=True)

    key_file: Path = Path(".hub/ledger.key")
    #: A hub's own name: its trees are ``<origin>/<service>``. Choose it once, such as ``hub.council.gov.uk``.
    origin: str = "eet-hub"
    #: Time between two rounds of the sequencer.
    seconds: float = Field(default=60, gt=0)

    def signer(self) -> Signer:
        """Raises Halt, and says how to mend it, where there is no key."""
        try:
            return Signer.parse(self.key_file.read_text())
        except OSError as error:
            raise Halt(f"no key for checkpoints: HUB_LEDGER_KEY_FILE {self.key_file}: {error.strerror}") from error
        except NoteBroken as error:
            raise Halt(f"HUB_LEDGER_KEY_FILE {self.key_file}: {error}") from error


def make_key(path: Path) -> Signer:
    """The key in the file, made with mode 0600 if there is none."""
    try:
        return Signer.parse(path.read_text())
    except FileNotFoundError:
        signer = Signer.generate()
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(signer.to_text() + "\n")
            out.flush()
            os.fsync(out.fileno())
        return signer


def read_verifiers(path: Path) -> list[Verifier]:
    """Of a file with one verifier key a line. Raises NoteBroken or OSError."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return [Verifier.parse(line) for line in lines if line and not line.startswith("#")]
