"""The numbers of the two-person rule, from contracts/policy/governance.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from hub.sharing import read_yaml


@dataclass(frozen=True, slots=True)
class RulesOfTwo:
    """``redrive_alone_max``: refusals that one person may redrive at once."""

    redrive_alone_max: int
    valid: timedelta


def rules_of_two(contracts: Path) -> RulesOfTwo:
    """Raises ValueError, naming what is wrong with the file; OSError where there is none."""
    read = read_yaml(contracts / "policy" / "governance.yaml")
    alone, days = read.get("redrive_alone_max"), read.get("request_valid_days")
    if not isinstance(alone, int) or not isinstance(days, int) or alone < 1 or days < 1:
        raise ValueError("policy/governance.yaml: redrive_alone_max and request_valid_days are whole numbers above 0")
    return RulesOfTwo(alone, timedelta(days=days))
