"""The edge: reads the policy, the catalogue and the compiled agreements, once, into frozen values."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ruamel.yaml import YAML

from services.alerts.decide import Settings
from services.alerts.policy import parse
from services.alerts.sharing import Closed, Compiled, Sharing
from spine.headed import Head, read_policy

#: The files that the processing policy is split into; its hash covers every one.
FILES = ("policy.yaml", "alerts.yaml")


def load(contracts: Path, sharing: Sharing | None = None) -> Settings:
    """Settings from the contracts folder; ``sharing`` replaces the compiled agreements."""
    yaml = YAML(typ="safe", pure=False)
    texts = [(contracts / "policy" / name).read_bytes() for name in FILES]
    catalogue = yaml.load(contracts / "catalogue.yaml")
    digest = hashlib.sha256(b"\0".join(texts)).hexdigest()
    policy = {key: value for text in texts for key, value in yaml.load(text).items()}
    return Settings(parse(policy, catalogue, digest), sharing or head(contracts))


def under(contracts: Path, moved: Head) -> Sharing:
    """The sharing policy of a head on the log. Raises Retry while its file is not here."""
    if not moved.policy:
        return Closed()
    body = json.loads(read_policy(contracts, moved.policy))
    return Compiled.parse(body, moved.policy).less(moved.agreements, moved.parties)


def head(contracts: Path) -> Sharing:
    """The sharing policy that the head names. Without a head nothing is disclosed."""
    pointer = contracts / "compiled" / "head.json"
    if not pointer.exists():
        return Closed()
    named = json.loads(pointer.read_bytes())
    body = (contracts / "compiled" / named["file"]).read_bytes()
    if hashlib.sha256(body).hexdigest() != named["policy"]:
        raise ValueError("the compiled sharing policy is not the one its head names; build it again")
    return Compiled.parse(json.loads(body), named["policy"])
