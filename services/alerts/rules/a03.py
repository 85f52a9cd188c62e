"""A03 NEET start, outside the priority groups, 16 to 18. Leicestershire 2021-23."""

from __future__ import annotations

from services.alerts.case import Case
from services.alerts.rules.episodes import episode_ended, new_episode
from services.alerts.rules.shape import SUPERSEDED, Closing, Ground, Rule
from services.alerts.state import Alert


def ground(case: Case) -> Ground | None:
    """As A01, for those outside the groups; not where A01 was raised for the same episode."""
    if case.priority or case.age is None:
        return None
    if not case.policy.number("A03", "min_age") <= case.age <= case.policy.number("A03", "max_age"):
        return None
    return new_episode(case, "A01", "A03")


def replaced(case: Case, alert: Alert) -> Closing | None:
    del alert
    return Closing(SUPERSEDED, "now in a priority group") if case.open("A01") else None


RULE = Rule(
    "A03",
    ground,
    episode_ended,
    replaced=replaced,
    custody_stands_down=True,
    silent_in_custody=True,
    rests_on=frozenset({"episode"}),
)
