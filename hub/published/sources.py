"""Everything that published documents are made of, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from hub import sharing
from services.ingest.fields import FieldSpec, TypeSpec, type_specs
from services.ingest.policy import parse_policy
from spine.schema import Catalogue

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Published:
    """``policy`` is the compiled sharing policy; ``avro`` the source of each event type's schema, by type."""

    catalogue: Entry
    policy: Entry
    topics: Entry
    types: Mapping[str, TypeSpec]
    avro: Mapping[str, Entry]

    def grants_of(self, agreement: str) -> list[Entry]:
        return sorted((g for g in self.policy["grants"] if g["agreement"] == agreement), key=lambda g: str(g["type"]))

    def grants_for(self, event_type: str) -> list[Entry]:
        return sorted((g for g in self.policy["grants"] if g["type"] == event_type), key=lambda g: str(g["agreement"]))

    def live_grants(self, day: date) -> dict[str, list[Entry]]:
        """Party -> the grants by which the gate lets its events pass on that day, by event type."""
        gate = parse_policy(self.policy, "")
        entries = {(g["provider"], g["type"], g["agreement"]): g for g in self.policy["grants"]}
        found: dict[str, list[Entry]] = {}
        for party in sorted(gate.kinds):
            for kind, grant in gate.grants_of(party, day).items():
                if not grant.agreement.suspended:
                    found.setdefault(party, []).append(entries[(party, kind, grant.agreement.name)])
        return found

    def entry(self, event_type: str, path: str) -> Entry:
        """What the catalogue says of a field, by its path in agreements."""
        part, _, name = path.partition(".")
        fields = self.catalogue["subject"] if part == "subject" else self.catalogue["types"][event_type]["data"]
        found: Entry = self.catalogue["envelope"][part] if not name else fields[name]
        return found


def read_published(contracts: Path, schemas: Path) -> Published:
    """From the contracts and the Avro schemas. Reads no built artefact: it compiles, so it is never stale."""
    sources = sharing.read_sources(contracts)
    avro = Catalogue([schemas]).sources
    types = type_specs(avro)
    return Published(
        catalogue=sources.catalogue,
        policy=sharing.compile_sources(sources).content,
        topics=sharing.read_yaml(contracts / "topics.yaml"),
        types=types,
        avro={name: avro[f"{name}.v1"] for name in types},
    )


def covered(grant: Entry) -> frozenset[str]:
    """Paths that one grant lets a party send."""
    return frozenset(grant["items"]) | frozenset(grant["hub_only"])


def fields_of(spec: TypeSpec) -> list[FieldSpec]:
    """Subject fields, then data fields, in the schema's order."""
    return [*spec.subject.values(), *spec.data.values()]
