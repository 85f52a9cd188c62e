"""A27 EHC plan and NEET: the plan must be reviewed. SEND Regulations 2014 regs 29, 30."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from services.alerts.belief import Episode
from services.alerts.case import Case, same_episode
from services.alerts.rules.episodes import neet_evidence
from services.alerts.rules.plans import happened
from services.alerts.rules.shape import RESOLVED, RETRACTED, STOOD_DOWN, Closing, Ground, Rule
from services.alerts.state import Alert

_REVIEW = ("ehcp.review_booked", "ehcp.review_meeting_held")


def ground(case: Case) -> Ground | None:
    """NEET established, or presumed for long enough; once for each episode."""
    if not case.ehcp or case.in_custody:
        return None
    episode = case.episode if case.in_neet else presumed(case)
    if episode is None or case.had_in_episode(episode, ("A27",)):
        return None
    if happened(case, episode.start, *_REVIEW) is not None:
        return None
    tag = "neet" if case.in_neet else "presumed"
    return Ground(f"episode:{episode.start}", "plan_and_neet", neet_evidence(case), anchor=episode.start, tag=tag)


def presumed(case: Case) -> Episode | None:
    """Days presumed NEET, once they are long enough to count."""
    mark = case.belief.marked("presumed_neet", case.today)
    if mark is None or not case.not_known:
        return None
    days = case.policy.number("A27", "presumed_after_working_days")
    long_enough = case.policy.calendar.after(mark.start, days) <= case.today
    return Episode(mark.start, mark.end) if long_enough else None


def closing(case: Case, alert: Alert) -> Closing | None:
    """Review booked or held: resolved. EET, or no plan any more: stood down."""
    if happened(case, alert.anchor or alert.raised_on, *_REVIEW) is not None:
        return Closing(RESOLVED, "review booked or held")
    if alert.tag == "neet" and not any(same_episode(alert, one) for one in case.belief.episodes):
        return Closing(RETRACTED, "the episode never was")
    if case.in_eet or not case.ehcp:
        return Closing(STOOD_DOWN, "in education, employment or training")
    return None


def timers(case: Case) -> Iterable[date]:
    days = case.policy.number("A27", "presumed_after_working_days")
    return [case.policy.calendar.after(m.start, days) for m in case.belief.marks if m.name == "presumed_neet"]


RULE = Rule("A27", ground, closing, timers, rests_on=frozenset({"ehcp"}))
