"""Keys are made once, kept privately, and the door's file holds hashes only."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ruamel.yaml import YAML

from hub.keys import STEWARD, ensure
from hub.layout import Home
from spine.seal import Sealer

CONTRACTS = Path(__file__).parents[2] / "contracts"


def test_keys_are_made_once_and_the_door_sees_hashes(tmp_path: Path) -> None:
    home = Home(tmp_path / "hub")
    keys = ensure(home, CONTRACTS)
    assert ensure(home, CONTRACTS) == keys
    held = YAML(typ="safe").load(home.api_keys)["keys"]
    by_party = {entry["party"]: entry for entry in held}
    assert by_party["jobcentre-plus"]["sha256"] == hashlib.sha256(keys["jobcentre-plus"].encode()).hexdigest()
    assert not any(key in home.api_keys.read_text() for key in keys.values())
    # Only the hub's own people may redrive from the first start on.
    assert {party for party, entry in by_party.items() if "scopes" in entry} == {STEWARD}
    assert "refusals:redrive" in by_party[STEWARD]["scopes"]


def test_the_sealing_key_seals_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    ensure(home, CONTRACTS)
    sealer = Sealer.from_text(home.seal_key.read_text())
    assert sealer.open(sealer.seal(b"body", b"id"), b"id") == b"body"
    for path in (home.seal_key, home.keys, home.api_keys):
        assert path.stat().st_mode & 0o077 == 0
