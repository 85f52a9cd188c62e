"""One sheet for each rule: its own docstrings, today's numbers of the policy, its examples. Nothing is said twice."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from services.alerts.policy import Policy, To
from services.alerts.rules import RULES
from services.alerts.rules.shape import Rule, never, no_days

#: Words of the rule sheet that are no role of their own.
_WORDS = {
    "owner": "the owner of the case",
    "owner_manager": "the owner's manager",
    "social_care_contact": "the social worker, else the front door",
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a reader is told of one rule. ``sla`` in working days; ``timer``: days alone can raise or close it."""

    id: str
    name: str
    source: str
    severity: str
    sla: int
    to: tuple[str, ...]
    timer: bool
    numbers: Mapping[str, Any]
    raised: str
    closes: str
    silent: tuple[str, ...]


def sheets(policy: Policy) -> list[Sheet]:
    """Every rule that the policy has numbers for, in the policy's order."""
    return [sheet(policy, name) for name in policy.rules]


def sheet(policy: Policy, name: str) -> Sheet:
    """The sheet of one rule. Raises KeyError for a rule that the policy does not know."""
    row = policy.rules[name]
    rule = RULES[name]
    module = importlib.import_module(f"services.alerts.rules.{name.lower()}")
    title, _, source = (inspect.getdoc(module) or name).partition(". ")
    lists = [f"{key.removeprefix('to_').replace('_', ' ')}: {words(to)}" for key, to in row.lists.items()]
    return Sheet(
        id=name,
        name=title.removeprefix(name).strip(),
        source=" ".join(source.split()),
        severity=row.severity,
        sla=row.sla,
        to=tuple([word(to) for to in row.to] + lists),
        timer=rule.timers is not no_days,
        numbers={**row.numbers, **{key: list(value) for key, value in row.words.items() if key != "severity"}},
        raised=_said(rule.ground),
        closes=_closes(rule),
        silent=_silent(policy, name, rule),
    )


def word(to: To) -> str:
    """A recipient in words: ``the owner of the case``, ``est (when care leaver 18)``."""
    who = _WORDS.get(to.role, to.role)
    return who if to.when is None else f"{who} (when {to.when.replace('_', ' ')})"


def words(to: tuple[To, ...]) -> str:
    return ", ".join(word(one) for one in to)


def examples(folder: Path, name: str) -> list[tuple[str, tuple[str, ...]]]:
    """(name of the example, days on which it is raised) of one rule; none where the examples are not installed."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
        for row in YAML(typ="safe", pure=False).load(path).get(name, ()):
            found.append((str(row["name"]), tuple(map(str, row["raised"]))))
    return found


def document(policy: Policy) -> str:
    """docs/rules.md: every sheet, as Markdown."""
    parts = [
        "# The alert rules",
        "Written by `hub rules document` from the rules' docstrings and `contracts/policy/alerts.yaml`; do not edit.",
    ]
    for one in sheets(policy):
        lines = [f"## {one.id} {one.name}", ""]
        if one.source:
            lines.append(f"* Source: {one.source}")
        lines.append(f"* Severity {one.severity}, due in {one.sla} working days; to {'; '.join(one.to)}")
        lines += [f"* Raised: {one.raised}"] if one.raised else []
        lines += [f"* Closes: {one.closes}"] if one.closes else []
        lines += [f"* Silent: {text}" for text in one.silent]
        numbers = ", ".join(f"`{key}` {value}" for key, value in one.numbers.items() if key != "sla")
        lines += [f"* Numbers: {numbers}"] if numbers else []
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _said(function: Any) -> str:
    return " ".join((inspect.getdoc(function) or "").split())


def _closes(rule: Rule) -> str:
    return "by its outcome, or when the fact is taken back" if rule.closing is never else _said(rule.closing)


def _silent(policy: Policy, name: str, rule: Rule) -> tuple[str, ...]:
    found = []
    if rule.silent_in_custody:
        found.append("in custody")
    if rule.custody_stands_down:
        found.append("custody stands a standing alert down")
    if rule.for_care:
        found.append("care that ended before 18 stands a standing alert down")
    if name in policy.cool_down_rules:
        found.append(f"for {policy.cool_down_days} days after one was closed")
    return tuple(found)
