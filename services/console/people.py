"""Who signs in, and how teams, workers and roles are called: ``contracts/teams.yaml``, parsed once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

#: Roles whose id does not read well.
_ROLES = {
    "sena-caseworker": "SEND caseworker",
    "sena-manager": "SEND manager",
    "est": "Employment support",
    "eet-panel": "EET panel",
    "yjt-case-manager": "Youth justice case manager",
    "yjt-education-coordinator": "Youth justice education coordinator",
    "yjt-manager": "Youth justice manager",
    "tbag-coordinator": "Teenage parent support coordinator",
    "dhp-officer": "Housing payments officer",
    "dwp-spoc": "Jobcentre Plus contact",
    "agency-spoc": "Partner data contact",
    "dpo": "Data protection officer",
    "csc-front-door": "Social care front door",
    "data-steward": "Data steward",
}
STEWARD = "data-steward"
#: Who watches over the watching.
GOVERNANCE = frozenset({"dpo", "auditor"})


#: Who keeps the hub going and its records right.
KEEPERS = frozenset({STEWARD, "data-manager", "operator"})


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who is signed in. ``worker`` is empty for one who holds no cases."""

    id: str
    name: str
    roles: tuple[str, ...]
    teams: tuple[str, ...]
    worker: str
    #: Their id at the organisation's sign-in; empty for one who cannot sign in there.
    oid: str = ""

    @property
    def manages(self) -> bool:
        """Whether measures are their business."""
        return any(role.endswith("-manager") or role in GOVERNANCE | KEEPERS for role in self.roles)

    @property
    def keeps(self) -> bool:
        return bool(KEEPERS & set(self.roles))

    @property
    def key(self) -> str:
        """How actions and records name them."""
        return self.worker or self.id


@dataclass(frozen=True, slots=True)
class People:
    users: Mapping[str, User]
    teams: Mapping[str, str]
    workers: Mapping[str, str]
    #: Worker -> team and role.
    posts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    #: Team -> party, for teams outside the council.
    parties: Mapping[str, str] = field(default_factory=dict)

    def colleagues(self, role: str, team: str) -> list[str]:
        """Workers who may hold what this role and team hold, by name; without a team, all of the role."""
        found = [who for who, (theirs, held) in self.posts.items() if held == role and team in ("", theirs)]
        return sorted(found, key=lambda who: (self.worker(who), who))

    def by_oid(self, oid: str) -> User | None:
        return next((user for user in self.users.values() if oid and user.oid == oid), None)

    def parties_of(self, user: User) -> frozenset[str]:
        """Parties for which the user speaks: those of their teams outside the council."""
        return frozenset(self.parties[team] for team in user.teams if team in self.parties)

    def worker(self, key: str) -> str:
        """Name of a worker or user; an unknown one is called by id."""
        if key in self.workers:
            return self.workers[key]
        return self.users[key].name if key in self.users else key

    def team(self, key: str) -> str:
        return self.teams.get(key, key)

    def owner(self, team: str, worker: str) -> str:
        if worker:
            return self.worker(worker)
        return f"{self.team(team)} (nobody assigned)" if team else "Nobody assigned"


def role_name(role: str) -> str:
    return _ROLES.get(role, role.replace("-", " ").capitalize())


def parse(read: Mapping[str, Any], parties: Collection[str] = ()) -> People:
    users = {
        str(name): User(
            id=str(name),
            name=str(user["name"]),
            roles=tuple(map(str, user["roles"])),
            teams=tuple(map(str, user["teams"])),
            worker=str(user.get("worker") or ""),
            oid=str(user.get("oid") or ""),
        )
        for name, user in read["users"].items()
    }
    teams = {str(name): str(team["name"]) for name, team in read["teams"].items()}
    workers = {str(name): str(worker["name"]) for name, worker in read.get("workers", {}).items()}
    posts = {str(name): (str(one["team"]), str(one["role"])) for name, one in read.get("workers", {}).items()}
    named = {str(name): str(team.get("party") or name) for name, team in read["teams"].items()}
    outside = {team: party for team, party in named.items() if party in parties}
    return People(users, teams, workers, posts, outside)


def load(contracts: Path) -> People:
    yaml = YAML(typ="safe", pure=False)
    return parse(yaml.load(contracts / "teams.yaml"), list(yaml.load(contracts / "parties.yaml")["parties"]))
