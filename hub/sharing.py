"""The sharing policy: agreements compiled into one content-addressed artefact (its shape: docs/contracts.md).

Pure after load: the same files give the same bytes on every machine, and the hash of the bytes is the policy's name.
A service reads the artefact and nothing else; without one it refuses everything.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from spine.canonical import canonical
from spine.headed import policy_file

FORMAT = 1
#: A snapshot that loses more of its rows than this waits for a person, where the agreement says nothing.
SHRINK_HOLD_PERCENT = 10
ENVELOPE = ("effective_on", "observed_at", "sequence", "withheld")
Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that the compiled policy depends on, as read."""

    agreements: Mapping[str, Entry]
    catalogue: Entry
    parties: Entry
    policy: Entry


@dataclass(frozen=True, slots=True)
class SharingPolicy:
    """The compiled artefact: canonical JSON and its sha256 in hex."""

    body: bytes
    policy_hash: str

    @property
    def content(self) -> dict[str, Any]:
        read = json.loads(self.body)
        assert isinstance(read, dict)
        return read


def read_yaml(path: Path) -> Any:
    """One YAML 1.2 file."""
    return YAML(typ="safe").load(path)


def read_sources(contracts: Path) -> Sources:
    """The files of the contracts folder."""
    files = sorted((contracts / "agreements").glob("*.isa.yaml"))
    return Sources(
        agreements={path.name: read_yaml(path) for path in files},
        catalogue=read_yaml(contracts / "catalogue.yaml"),
        parties=read_yaml(contracts / "parties.yaml"),
        policy=read_yaml(contracts / "policy" / "policy.yaml") | read_yaml(contracts / "policy" / "alerts.yaml"),
    )


def compile_policy(contracts: Path) -> SharingPolicy:
    """Compile the agreements of a contracts folder. Pure after load; does not check them (``hub contracts check``)."""
    return compile_sources(read_sources(contracts))


def compile_sources(sources: Sources) -> SharingPolicy:
    """Drafts and ended agreements stay out; suspended ones stay in, so that the gate can say so."""
    live = [a for _, a in sorted(sources.agreements.items()) if a["status"] in ("active", "suspended")]
    body = canonical(
        {
            "format": FORMAT,
            "authority": sources.policy["home_authority"],
            "parties": {
                name: {"kind": party["kind"], "name": party["name"]}
                for name, party in sources.parties["parties"].items()
            },
            "types": {
                name: {"class": entry["class"], "publishers": publisher_kinds(entry, sources.catalogue)}
                for name, entry in sources.catalogue["types"].items()
            },
            "agreements": {name_of(a): _agreement(a) for a in live},
            "grants": [grant for a in live for grant in _grants(a)],
        }
    )
    return SharingPolicy(body, hashlib.sha256(body).hexdigest())


def name_of(agreement: Entry) -> str:
    """``isa-2024-001@1.0.0``."""
    return f"{agreement['id']}@{agreement['version']}"


def provider_of(agreement: Entry) -> str:
    """The party that tells the hub."""
    return next((str(p["id"]) for p in agreement["parties"] if "provider" in p["role"]), "")


def publisher_kinds(entry: Entry, catalogue: Entry) -> list[str]:
    """Party kinds that may publish a type, groups spelt out."""
    kinds: set[str] = set()
    for name in entry["publishers"]:
        kinds |= set(catalogue["kind_groups"].get(name, [name]))
    return sorted(kinds)


def _agreement(agreement: Entry) -> dict[str, Any]:
    dates = agreement["dates"]
    return {
        "title": agreement["title"],
        "status": agreement["status"],
        "provider": provider_of(agreement),
        "over_sharing": agreement["overSharing"],
        "shrink_hold_percent": agreement["direction"].get("shrinkHoldPercent", SHRINK_HOLD_PERCENT),
        "effective_from": str(dates["effectiveFrom"]),
        "effective_to": str(dates["effectiveTo"]),
        "review_by": str(dates["reviewBy"]),
        "quarantine": agreement["retention"]["quarantine"],
        "purposes": {p["id"]: p["description"] for p in agreement["purposes"]},
        "recipients": [_recipient(row) for row in agreement["recipients"]],
    }


def _recipient(row: Entry) -> dict[str, Any]:
    return {
        "role": row["role"],
        "purpose": row["purpose"],
        "shows": sorted(row["shows"]),
        "rules": sorted(row["rules"]) if "rules" in row else None,
        "consent": row.get("consent"),
        "only_if": row.get("onlyIf"),
    }


def _grants(agreement: Entry) -> Iterator[dict[str, Any]]:
    for entry in agreement["sharing"]:
        items = [*agreement["commonItems"], *entry["items"]]
        ages = entry.get("ages", agreement["ages"])
        yield {
            "type": entry["event"],
            "provider": provider_of(agreement),
            "agreement": name_of(agreement),
            "min_age": ages["min"],
            "max_age": ages["max"],
            "items": {item["field"]: item["shows"] for item in items},
            "only_roles": {item["field"]: sorted(item["recipients"]) for item in items if "recipients" in item},
            "choices": sorted(item["field"] for item in items if item.get("subjectChoice") == "opt-out"),
            "hub_only": sorted({*agreement["hubOnly"], *entry.get("hubOnly", [])}),
            "must_not_send": sorted({*agreement.get("mustNotSend", []), *entry.get("mustNotSend", [])}),
        }


def sources_digest(contracts: Path) -> str:
    """Names and bytes of every file that the policy depends on; tells whether a build is stale without parsing."""
    found = hashlib.sha256(str(FORMAT).encode())
    for path in _source_files(contracts):
        found.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _source_files(contracts: Path) -> Iterable[Path]:
    yield contracts / "catalogue.yaml"
    yield contracts / "parties.yaml"
    yield contracts / "policy" / "policy.yaml"
    yield contracts / "policy" / "alerts.yaml"
    yield from sorted((contracts / "agreements").glob("*.isa.yaml"))


def build(contracts: Path) -> SharingPolicy:
    """Compile, write ``compiled/policy-<hash>.json`` (never changed after), point ``compiled/head.json`` at it."""
    compiled, digest = compile_policy(contracts), sources_digest(contracts)
    folder = contracts / "compiled"
    folder.mkdir(exist_ok=True)
    name = policy_file(compiled.policy_hash)
    if not (folder / name).exists():
        _replace(folder / name, compiled.body)
    head = {"policy": compiled.policy_hash, "file": name, "sources": digest}
    _replace(folder / "head.json", json.dumps(head, indent=1, sort_keys=True).encode() + b"\n")
    return compiled


def ensure_built(contracts: Path) -> str:
    """Build if there is no head or the files have changed since. Returns the policy's hash. Cheap when fresh."""
    head = contracts / "compiled" / "head.json"
    if head.exists():
        held = json.loads(head.read_bytes())
        fresh = held.get("sources") == sources_digest(contracts)
        if fresh and (head.parent / str(held["file"])).exists():
            return str(held["policy"])
    return build(contracts).policy_hash


def _replace(path: Path, body: bytes) -> None:
    """Whole or not at all: another process may be reading or building the same."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as out:
        out.write(body)
    os.chmod(name, 0o644)
    os.replace(name, path)
