"""Keys made on the first start: for sealing, for wrapping keys, and one API key for each party of the catalogue.

The door's file holds hashes only. The keys in clear are for the demo's own feeding; a real partner's key is shown
once and kept by the partner.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML

from hub.layout import Home
from hub.private import write_private

KEY_BYTES = 32
#: Speaks for the humans who decide match reviews, and for those who redrive what was refused; the console sends what
#: they decide through the door like anybody's.
STEWARD = "northshire-data-steward"
MAY = ', scopes: ["events:write", "receipts:read", "refusals:redrive"]'


def ensure(home: Home, contracts: Path) -> Mapping[str, str]:
    """Make what is missing; returns the API keys by party."""
    home.folder.mkdir(parents=True, exist_ok=True)
    for folder in (home.files, home.sftp_keys):
        folder.mkdir(exist_ok=True, mode=0o700)
    for secret in (home.seal_key, home.kek, home.ledger_key):
        if not secret.exists():
            write_private(secret, base64.b64encode(os.urandom(KEY_BYTES)).decode() + "\n")
    if not home.keys.exists():
        parties = YAML(typ="safe").load(contracts / "catalogue.yaml")["parties"]
        keys = {party: f"hublive_{secrets.token_urlsafe(24)}" for party in sorted(parties)}
        write_private(home.api_keys, _hashed(keys))
        write_private(home.steward_key, keys[STEWARD] + "\n")
        write_private(home.keys, json.dumps(keys, indent=1) + "\n")
    held: dict[str, str] = json.loads(home.keys.read_text())
    return held


def _hashed(keys: Mapping[str, str]) -> str:
    lines = ["# API keys of this machine's demo: sha256 of the key, never the key.", "keys:"]
    for party, key in keys.items():
        digest = hashlib.sha256(key.encode()).hexdigest()
        more = MAY if party == STEWARD else ""
        lines.append(f"  - {{party: {party}, key_id: {party}-1, sha256: {digest}, mode: live{more}}}")
    return "\n".join(lines) + "\n"
