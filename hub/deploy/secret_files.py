"""The files that compose.yaml mounts as secrets, and the passwords in the environment file beside the folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from hub.deploy.processes import USER_ID
from hub.keys import ensure
from hub.layout import Home
from hub.private import write_private

PASSWORDS = ("HUB_DATABASE_PASSWORD", "HUB_GRAFANA_PASSWORD")
PASSWORD_BYTES = 24


def make_secrets(folder: Path, contracts: Path) -> list[str]:
    """Make what is missing; returns the names. Raises OSError."""
    home = Home(folder)
    ensure(home, contracts)
    environment = folder.parent / ".env"
    if not environment.exists():
        # Hexadecimal: they stand in an address, where other characters would need escaping.
        lines = (f"{name}={secrets.token_hex(PASSWORD_BYTES)}\n" for name in PASSWORDS)
        write_private(environment, "".join(lines))
    mounted = (home.seal_key, home.kek, home.api_keys, home.steward_key, home.sftp_keys, home.ledger_key)
    if os.geteuid() == 0:
        # The containers' user reads them, and nobody else.
        for path in mounted:
            os.chown(path, USER_ID, USER_ID)
    return [*(path.name for path in mounted), f"../{environment.name}"]
