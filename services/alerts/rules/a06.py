"""A06 sustained NEET: 13 and 26 weeks. Leicestershire 2017-20 and 2021-23."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from services.alerts.belief import NEET_GROUPS
from services.alerts.case import Case, same_episode
from services.alerts.rules.shape import RESOLVED, RETRACTED, STOOD_DOWN, Closing, Ground, Rule
from services.alerts.state import Alert


def ground(case: Case) -> Ground | None:
    """The latest mark of the episode has been reached. A mark that falls where the rule is silent is skipped."""
    episode = case.episode
    if episode is None or not (case.in_neet or case.awaiting):
        return None
    reached = [n for n in case.policy.long_neet_days if episode.start + timedelta(days=n) <= case.today]
    if not reached:
        return None
    tag = str(reached[-1])
    mark = episode.start + timedelta(days=reached[-1])
    if case.had_in_episode(episode, ("A06",), tag) or passed(case, tag, episode.start):
        return None
    if any(fact.effective_on <= case.today for fact in case.since(mark, "panel.reviewed")):
        return None
    skip = case.quiet or case.marked("quiet", mark) or case.starts_soon or case.in_custody
    return Ground(f"{episode.start}:{tag}", "sustained_neet", anchor=episode.start, tag=tag, skip=skip)


def passed(case: Case, tag: str, start: date) -> bool:
    episode = case.belief.episode(start)
    return any(
        (skip.rule == "A06" and skip.tag == tag and episode is not None and start <= skip.on and skip.anchor >= start)
        or (skip.rule, skip.tag, skip.anchor) == ("A06", tag, start)
        for skip in case.skips
    )


def closing(case: Case, alert: Alert) -> Closing | None:
    """Panel reviewed, or EET: resolved."""
    reviewed = case.since(alert.raised_on, "panel.reviewed")
    if any(fact.effective_on <= case.today for fact in reviewed):
        return Closing(RESOLVED, "panel reviewed")
    if case.in_eet:
        return Closing(RESOLVED, "in education, employment or training")
    if alert.anchor is not None and case.marked("quiet", alert.anchor + timedelta(days=int(alert.tag))):
        return Closing(STOOD_DOWN, "the mark fell inside the quiet period")
    if not any(same_episode(alert, episode) for episode in case.belief.episodes):
        return Closing(RETRACTED, "the episode never was")
    if case.group in NEET_GROUPS and case.episode is not None and not same_episode(alert, case.episode):
        return Closing(RESOLVED, "that episode is over")
    return None


def timers(case: Case) -> Iterable[date]:
    return [e.start + timedelta(days=n) for e in case.belief.episodes for n in case.policy.long_neet_days]


RULE = Rule(
    "A06", ground, closing, timers, custody_stands_down=True, silent_in_custody=True, rests_on=frozenset({"episode"})
)
