"""The compiled sharing policy as the gate reads it. Its shape on disk: docs/contracts.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Agreement:
    """One agreement, as far as the gate asks. ``shrink_hold_percent``: loss of rows at which a snapshot is held."""

    name: str
    suspended: bool
    minimise: bool
    effective_from: date
    effective_to: date
    shrink_hold_percent: int = 10

    def in_force(self, day: date) -> bool:
        return self.effective_from <= day <= self.effective_to


@dataclass(frozen=True, slots=True)
class Grant:
    """What one agreement lets one party send in one event type. ``choices``: fields that a person may hold back."""

    agreement: Agreement
    covered: frozenset[str]
    min_age: int
    max_age: int
    choices: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SharingPolicy:
    """All agreements. ``grants`` by (event type, party), the one that began last first."""

    policy_hash: str
    authority: str
    kinds: Mapping[str, str]
    publishers: Mapping[str, frozenset[str]]
    grants: Mapping[tuple[str, str], tuple[Grant, ...]]

    def grant(self, event_type: str, party: str, day: date) -> Grant | None:
        """The grant in force on ``day``, suspended or not."""
        for grant in self.grants.get((event_type, party), ()):
            if grant.agreement.in_force(day):
                return grant
        return None

    def grants_of(self, party: str, day: date) -> Mapping[str, Grant]:
        """Event type -> the grant of ``party`` in force on ``day``, suspended or not."""
        held = {kind: self.grant(kind, party, day) for kind, provider in self.grants if provider == party}
        return {kind: grant for kind, grant in sorted(held.items()) if grant is not None}

    def speaks_under_some_agreement(self, party: str, day: date) -> bool:
        """Whether there is any basis to keep what ``party`` sent on ``day``."""
        return any(
            grant.agreement.in_force(day)
            for (_, provider), grants in self.grants.items()
            if provider == party
            for grant in grants
        )


def parse_policy(body: Mapping[str, Any], policy_hash: str) -> SharingPolicy:
    """From the artefact's JSON."""
    agreements = {name: _agreement(name, entry) for name, entry in body["agreements"].items()}
    grants: dict[tuple[str, str], list[Grant]] = {}
    for entry in body["grants"]:
        grant = Grant(
            agreement=agreements[entry["agreement"]],
            covered=frozenset(entry["items"]) | frozenset(entry["hub_only"]),
            min_age=entry["min_age"],
            max_age=entry["max_age"],
            choices=frozenset(entry.get("choices", ())),
        )
        grants.setdefault((entry["type"], entry["provider"]), []).append(grant)
    ordered = {
        key: tuple(sorted(held, key=lambda g: (g.agreement.effective_from, g.agreement.name), reverse=True))
        for key, held in grants.items()
    }
    return SharingPolicy(
        policy_hash=policy_hash,
        authority=body["authority"],
        kinds={name: party["kind"] for name, party in body["parties"].items()},
        publishers={name: frozenset(entry["publishers"]) for name, entry in body["types"].items()},
        grants=ordered,
    )


def _agreement(name: str, entry: Mapping[str, Any]) -> Agreement:
    return Agreement(
        name=name,
        suspended=entry["status"] == "suspended",
        minimise=entry["over_sharing"] == "minimise",
        effective_from=date.fromisoformat(entry["effective_from"]),
        effective_to=date.fromisoformat(entry["effective_to"]),
        shrink_hold_percent=entry.get("shrink_hold_percent", 10),
    )


def load_policy(contracts: Path) -> SharingPolicy | None:
    """The policy that the head names; None without a head: then everything is refused."""
    folder = contracts / "compiled"
    try:
        head = json.loads((folder / "head.json").read_bytes())
        body = json.loads((folder / str(head["file"])).read_bytes())
    except FileNotFoundError:
        return None
    return parse_policy(body, str(head["policy"]))
