"""What may be shown to whom, worked out from the agreements' own YAML and the policy file, apart from the product.

A role in an alert of a rule may read a field if a row of the source party's agreement for that role (and rule, and
consent that was ever given) shows the category that the agreement gives the field, and the council's mask for the role
has the category too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.adversary.canaries import Origin


@dataclass(slots=True)
class Licence:
    """Agreements by provider as their files say them, and masks by role."""

    contracts: Path
    agreements: Mapping[str, Any]
    masks: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.masks = YAML(typ="safe", pure=False).load(self.contracts / "policy" / "policy.yaml")["masks"]

    def mask(self, role: str, rule: str) -> Set[str]:
        extra = self.masks["extra_by_rule"].get(rule, {}).get(role, [])
        return {*self.masks["roles"].get(role, []), *extra}

    def shows(self, party: str, role: str, rule: str, consents: Set[str]) -> Set[str]:
        """Categories of the party's facts that the role may read."""
        rows = [r for r in self.agreements[party]["recipients"] if r["role"] == role]
        rows = [r for r in rows if rule in r.get("rules", [rule]) and r.get("consent") in (None, *consents)]
        return {c for r in rows for c in r["shows"]} & self.mask(role, rule)

    def category(self, origin: Origin) -> str:
        """Category of a field; empty for what is hub-only, must not be sent, or stands in no agreement."""
        agreement = self.agreements[origin.party]
        entry = next(e for e in agreement["sharing"] if e["event"] == origin.type)
        items = {i["field"]: i["shows"] for i in (*agreement["commonItems"], *entry["items"])}
        barred = {*agreement["hubOnly"], *entry.get("hubOnly", []), *agreement.get("mustNotSend", [])}
        return "" if origin.path in barred else str(items.get(origin.path, ""))

    def may_read(self, origins: Iterable[Origin], role: str, rule: str, consents: Set[str]) -> bool:
        return any(self.category(o) in self.shows(o.party, role, rule, consents) for o in origins)
