"""The processing policy (POLICY.md section 8) as frozen values. Numbers come from the file and from nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.alerts.calendar import Calendar


@dataclass(frozen=True, slots=True)
class To:
    """One recipient word of a rule, perhaps under a condition."""

    role: str
    when: str | None = None


@dataclass(frozen=True, slots=True)
class RuleNumbers:
    """What the policy says of one rule."""

    severity: str
    sla: int
    to: tuple[To, ...]
    numbers: Mapping[str, int]
    words: Mapping[str, tuple[str, ...]]
    lists: Mapping[str, tuple[To, ...]]


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """One row of ``owner_order``."""

    group: str
    roles: tuple[str, ...]
    consent: str | None


@dataclass(frozen=True, slots=True)
class Masks:
    """Data categories a role may see at most."""

    categories: tuple[str, ...]
    roles: Mapping[str, frozenset[str]]
    extra_by_rule: Mapping[tuple[str, str], frozenset[str]]
    group_only: frozenset[str]


@dataclass(frozen=True, slots=True)
class Directory:
    """Names of the catalogue: roles, codes, parties."""

    service_of: Mapping[str, str]
    external: frozenset[str]
    code_means: Mapping[str, str]
    party_name: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is agreed of a feed: days from one extract to the next, and how many working days it may be late."""

    every_days: int
    tolerance_working_days: int


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole of it."""

    version: str
    hash: str
    home_authority: str
    calendar: Calendar
    term_ends: tuple[tuple[int, int], ...]
    late_event_days: int
    safeguarding_types: frozenset[str]
    priority_groups: tuple[str, ...]
    owner_order: tuple[OwnerRow, ...]
    manager_of: Mapping[str, str]
    role_substitution: Mapping[str, str]
    cool_down_days: int
    cool_down_rules: frozenset[str]
    attendance_ground_days: int
    escalate_after: int
    snooze_days_max: int
    snooze_never: frozenset[str]
    reopen_days_max: int
    soon_start_days: int
    long_neet_days: tuple[int, ...]
    identity_authority: tuple[str, ...]
    rules: Mapping[str, RuleNumbers]
    feeds: Mapping[str, Schedule]
    masks: Masks
    directory: Directory

    def number(self, rule: str, name: str) -> int:
        """A number of a rule; KeyError if the policy does not give it."""
        return self.rules[rule].numbers[name]


def parse(policy: Mapping[str, Any], catalogue: Mapping[str, Any], digest: str) -> Policy:
    """Policy from the two read files. Raises KeyError where a key is missing: no number has a silent default."""
    alerts, status = policy["alerts"], policy["status"]
    return Policy(
        version=str(policy["policy_version"]),
        hash=digest,
        home_authority=str(policy["home_authority"]),
        calendar=_calendar(policy["calendar"]),
        term_ends=tuple(month_day(text) for text in policy["calendar"]["term_ends"]),
        late_event_days=int(policy["bitemporal"]["late_event_days"]),
        safeguarding_types=frozenset(policy["identity"]["safeguarding_types"]),
        priority_groups=tuple(policy["priority_groups"]),
        owner_order=tuple(
            OwnerRow(row["group"], tuple(row["roles"]), row.get("consent")) for row in policy["owner_order"]
        ),
        manager_of=dict(policy["manager_of"]),
        role_substitution=dict(policy["role_substitution"]),
        cool_down_days=int(alerts["cool_down_days"]),
        cool_down_rules=frozenset(alerts["cool_down_rules"]),
        attendance_ground_days=int(alerts["attendance_ground_days"]),
        escalate_after=int(alerts["escalate_after_due_working_days"]),
        snooze_days_max=int(alerts["snooze_days_max"]),
        snooze_never=frozenset(map(str, alerts["snooze_never"])),
        reopen_days_max=int(alerts["reopen_days_max"]),
        soon_start_days=int(status["awaiting_start_quiet_days"]),
        long_neet_days=tuple(int(n) for n in status["long_neet_days"]),
        identity_authority=tuple(policy["identity"]["date_of_birth_authority"]),
        rules={name: _rule(row) for name, row in policy["rules"].items()},
        feeds={str(party): _schedule(row) for party, row in policy["feeds"].items()},
        masks=_masks(policy["masks"]),
        directory=_directory(catalogue),
    )


def _schedule(row: Mapping[str, Any]) -> Schedule:
    return Schedule(int(row["every_days"]), int(row["tolerance_working_days"]))


def month_day(text: str) -> tuple[int, int]:
    """(month, day) of a text such as 06-01."""
    month, _, day = str(text).partition("-")
    return int(month), int(day)


def _calendar(row: Mapping[str, Any]) -> Calendar:
    closed = frozenset(date.fromisoformat(str(day)) for day in row["extra_non_working_days"])
    return Calendar(str(row["holidays"]["country"]), str(row["holidays"]["subdivision"]), closed)


def _rule(row: Mapping[str, Any]) -> RuleNumbers:
    numbers, words, lists = {}, {}, {}
    for name, value in row.items():
        if isinstance(value, int):
            numbers[name] = value
        elif name.startswith("to_"):
            lists[name] = _to(value)
        elif isinstance(value, list) and name != "to":
            words[name] = tuple(map(str, value))
        elif isinstance(value, str):
            words[name] = (value,)
        elif name == "consent_to":
            words["consent_purpose"] = (str(value["purpose"]),)
            lists[name] = _to(value["roles"])
    to = _to(row.get("to", []))
    return RuleNumbers(str(row["severity"]), int(row["sla"]), to, numbers, words, lists)


def _to(rows: list[Any]) -> tuple[To, ...]:
    return tuple(To(row) if isinstance(row, str) else To(row["role"], row["when"]) for row in rows)


def _masks(row: Mapping[str, Any]) -> Masks:
    extra = {
        (rule, role): frozenset(categories)
        for rule, roles in row["extra_by_rule"].items()
        for role, categories in roles.items()
    }
    return Masks(
        categories=tuple(row["categories"]),
        roles={role: frozenset(categories) for role, categories in row["roles"].items()},
        extra_by_rule=extra,
        group_only=frozenset(row["reduce"]["neet_reason"]),
    )


def _directory(catalogue: Mapping[str, Any]) -> Directory:
    roles = catalogue["roles"]
    return Directory(
        service_of={role: str(row["service"]) for role, row in roles.items()},
        external=frozenset(role for role, row in roles.items() if row["external"]),
        code_means={str(code): str(row["means"]) for code, row in catalogue["codes"].items()},
        party_name={party: str(row["name"]) for party, row in catalogue["parties"].items()},
    )
