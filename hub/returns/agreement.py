"""The agreement that a return leaves under. Fails closed: no agreement in force, no return; no field, no value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ruamel.yaml import YAML


class NotCovered(Exception):
    """No agreement lets this return leave. The message says what is missing and how to mend it."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Who may get which fields of a return, and why."""

    name: str
    purpose: str
    recipient: str
    fields: frozenset[str]


def agreement_for(contracts: Path, what: str, on: date) -> Agreement:
    """The agreement of contracts/returns for a return that leaves on ``on``. Raises NotCovered with every fault."""
    path = contracts / "returns" / f"{what}.yaml"
    if not path.exists():
        raise NotCovered(f"no agreement covers the return {what}: write contracts/returns/{what}.yaml")
    read = YAML(typ="safe").load(path)
    faults = []
    if not isinstance(read, dict):
        raise NotCovered(f"contracts/returns/{what}.yaml is not an agreement: it must be a mapping")
    needed = ("id", "version", "return", "status", "to", "purpose", "lawful_basis", "effective_from", "effective_to")
    faults += [f"{name} is missing" for name in (*needed, "fields") if not read.get(name)]
    if not faults:
        if read["return"] != what:
            faults.append(f"it is for the return {read['return']}")
        if read["status"] != "active":
            faults.append("its status is not active")
        if not read["lawful_basis"].get("article6") or not read["lawful_basis"].get("powers"):
            faults.append("lawful_basis needs article6 and powers")
        if not str(read["effective_from"]) <= on.isoformat() <= str(read["effective_to"]):
            faults.append(f"it is not in force on {on}")
    if faults:
        raise NotCovered(f"contracts/returns/{what}.yaml: {'; '.join(faults)}")
    return Agreement(f"{read['id']}@{read['version']}", read["purpose"], read["to"], frozenset(read["fields"]))
