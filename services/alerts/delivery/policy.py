"""Numbers of delivery, parsed once from ``contracts/policy/delivery.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from services.alerts.delivery import hours, routes, telling
from services.alerts.delivery.hours import WorkingHours
from services.alerts.delivery.routes import Routes
from services.alerts.delivery.telling import Choices
from spine.clock import WorkingDays

WEEKDAYS = WorkingDays()


@dataclass(frozen=True, slots=True)
class Retry:
    attempts_max: int
    first_s: int
    longest_s: int
    jitter_percent: int
    lease_s: int


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    sender: str
    group_window_s: int
    mails_per_hour_max: int
    deliveries_per_mail_max: int
    urgent: frozenset[str]
    retry: Retry
    breaker_failures_max: int
    breaker_open_s: int
    routes: Routes = field(default_factory=Routes)
    webhooks_private: frozenset[str] = frozenset()
    feed_services: frozenset[str] = frozenset()
    working: WorkingHours = field(default_factory=WorkingHours)
    urgent_rules: frozenset[str] = frozenset()
    choices: Choices = field(default_factory=Choices)
    #: From when on, London time, a recipient hears each working day that the hub is alive.
    heartbeats: Mapping[str, time] = field(default_factory=dict)

    def is_urgent(self, severity: str, rule: str) -> bool:
        return severity in self.urgent or rule in self.urgent_rules


def parse(read: Mapping[str, Any], days: WorkingDays = WEEKDAYS) -> DeliveryPolicy:
    """The policy of a parsed file. KeyError names what is missing."""
    email, retry, breaker = read["email"], read["retry"], read["breaker"]
    return DeliveryPolicy(
        sender=str(email["from"]),
        group_window_s=int(email["group_window_s"]),
        mails_per_hour_max=int(email["mails_per_hour_max"]),
        deliveries_per_mail_max=int(email["deliveries_per_mail_max"]),
        urgent=frozenset(map(str, email["urgent"])),
        retry=Retry(**{name: int(retry[name]) for name in Retry.__slots__}),
        breaker_failures_max=int(breaker["failures_max"]),
        breaker_open_s=int(breaker["open_s"]),
        routes=routes.parse(read.get("told_by") or {}),
        webhooks_private=frozenset(map(str, read.get("webhooks_private") or [])),
        feed_services=frozenset(map(str, read.get("feed_services") or [])),
        working=hours.parse(read.get("hours") or {}, days),
        urgent_rules=frozenset(map(str, email.get("urgent_rules") or [])),
        choices=telling.parse(read, frozenset(map(str, email["urgent"]))),
        heartbeats={str(who): time.fromisoformat(str(at)) for who, at in (read.get("heartbeats") or {}).items()},
    )


def load(contracts: Path) -> DeliveryPolicy:
    yaml = YAML(typ="safe", pure=False)
    calendar = yaml.load(contracts / "policy" / "policy.yaml")["calendar"]
    closed = [date.fromisoformat(str(day)) for day in calendar.get("extra_non_working_days") or []]
    held = calendar["holidays"]
    days = WorkingDays.with_closures(held["country"], held["subdivision"], closed)
    return parse(yaml.load(contracts / "policy" / "delivery.yaml"), days)
