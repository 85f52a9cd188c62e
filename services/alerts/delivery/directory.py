"""Who has which e-mail address and belongs to which service: ``contracts/teams.yaml``, parsed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML


@dataclass(frozen=True, slots=True)
class Directory:
    workers: Mapping[str, str]
    teams: Mapping[str, str]
    desks: Mapping[str, str]
    services: Mapping[str, str] = field(default_factory=dict)
    team_of_worker: Mapping[str, str] = field(default_factory=dict)
    team_of_party: Mapping[str, str] = field(default_factory=dict)

    def team_of(self, worker: str | None, team: str | None, role: str) -> str:
        """The team that is told: the named one, else the worker's, else the duty desk; empty if nobody knows."""
        return team or self.team_of_worker.get(worker or "", "") or self.desks.get(role, "")

    def team_label(self, recipient: str) -> str:
        """Team of ``worker:…``, ``team:…`` or ``role:…``, as a label: one that the contract names, else ``other``. A
        partner's words can stand as a team's name in an allocation."""
        kind, _, name = recipient.partition(":")
        team = name if kind == "team" else self.team_of(name if kind == "worker" else None, None, name)
        return team if team in self.services else "other"

    def address(self, recipient: str) -> str | None:
        """Address of ``worker:…``, ``team:…`` or ``role:…``; an unknown worker's mail goes nowhere else."""
        kind, _, name = recipient.partition(":")
        if kind == "worker":
            return self.workers.get(name)
        if kind == "team":
            return self.teams.get(name)
        return self.teams.get(self.desks.get(name, ""))


def load(contracts: Path) -> Directory:
    read = YAML(typ="safe", pure=False).load(contracts / "teams.yaml")
    return Directory(
        workers={str(name): str(w["email"]) for name, w in read["workers"].items() if w.get("email")},
        teams={str(name): str(t["email"]) for name, t in read["teams"].items() if t.get("email")},
        desks={str(role): str(team) for role, team in read.get("desks", {}).items()},
        services={str(name): str(t["service"]) for name, t in read["teams"].items()},
        team_of_worker={str(name): str(w["team"]) for name, w in read["workers"].items()},
        # A provider's team is named as its party; other parties' teams say whose they are.
        team_of_party={str(t.get("party", name)): str(name) for name, t in read["teams"].items()},
    )
