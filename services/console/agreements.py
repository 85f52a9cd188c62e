"""Agreements as merged in ``contracts/agreements``: which are in force, and which end soon. Pure but for ``load``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

SOON = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Agreement:
    id: str
    title: str
    status: str
    first: date
    last: date
    review_by: date
    events: int
    #: Parties that tell something under it, and how often they do.
    providers: tuple[str, ...] = ()
    frequency: str = ""
    shape: str = ""
    kinds: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    #: Roles that read something of it.
    roles: tuple[str, ...] = ()

    def state(self, today: date) -> str:
        """in_force, ends_soon, review_due, not_begun, ended, or what the file says where it is not active."""
        if self.status != "active":
            return self.status
        if today < self.first:
            return "not_begun"
        if today > self.last:
            return "ended"
        if self.last <= today + SOON:
            return "ends_soon"
        return "review_due" if self.review_by <= today + SOON else "in_force"


def parse(read: Mapping[str, Any]) -> Agreement:
    """Raises KeyError or ValueError for what ``hub contracts check`` would refuse."""
    dates = {
        name: date.fromisoformat(str(read["dates"][name])) for name in ("effectiveFrom", "effectiveTo", "reviewBy")
    }
    return Agreement(
        id=f"{read['id']}@{read['version']}",
        title=str(read["title"]),
        status=str(read["status"]),
        first=dates["effectiveFrom"],
        last=dates["effectiveTo"],
        review_by=dates["reviewBy"],
        events=len(read["sharing"]),
        providers=tuple(str(party["id"]) for party in read["parties"] if "provider" in party["role"]),
        frequency=str(read["direction"]["frequency"]),
        shape=str(read["direction"]["shape"]),
        kinds=tuple(str(item["event"]) for item in read["sharing"]),
        purposes=tuple(str(purpose["description"]) for purpose in read["purposes"]),
        roles=tuple(dict.fromkeys(str(one["role"]) for one in read["recipients"])),
    )


@lru_cache(maxsize=4)
def load(contracts: Path) -> Sequence[Agreement]:
    """By the day on which they end. Read once: the console starts anew with each release of the contracts."""
    yaml = YAML(typ="safe", pure=False)
    found = [parse(yaml.load(path)) for path in sorted((contracts / "agreements").glob("*.isa.yaml"))]
    return tuple(sorted(found, key=lambda one: (one.last, one.id)))
