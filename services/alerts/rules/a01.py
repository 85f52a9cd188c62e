"""A01 NEET start, priority group. Lancashire 3.1.1.1; Leicestershire 2021-23."""

from __future__ import annotations

from services.alerts.case import Case
from services.alerts.rules.episodes import episode_ended, new_episode
from services.alerts.rules.shape import Ground, Rule


def ground(case: Case) -> Ground | None:
    """A NEET episode of a priority person, once for each episode. Agreed starts (615, 616) are none."""
    return new_episode(case, "A01") if case.priority else None


RULE = Rule(
    "A01", ground, episode_ended, custody_stands_down=True, silent_in_custody=True, rests_on=frozenset({"episode"})
)
