"""A17 pathway plan gap. Cambridgeshire 2.1."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from services.alerts.calendar import DAY, months_after
from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, Closing, Ground, Rule
from services.alerts.state import Alert


def ground(case: Case) -> Ground | None:
    """Review too old, EET section not complete, or NEET for a month without a review. Needs a plan on file."""
    plan = case.latest("pathway_plan.reviewed")
    if plan is None or not case.care_leaver:
        return None
    day = plan.effective_on
    if not plan.flag("eet_section_complete"):
        return _wanted(case, f"section:{plan.event_id}", plan.event_id, day + DAY)
    old = months_after(day, case.policy.number("A17", "review_months")) + DAY
    if case.today >= old:
        return _wanted(case, f"old:{day}", plan.event_id, old)
    episode = case.episode
    if episode is not None and case.in_neet and day < episode.start:
        due = case.policy.calendar.after(episode.start, case.policy.number("A17", "neet_update_working_days"))
        if case.today >= due:
            return _wanted(case, f"neet:{episode.start}", plan.event_id, episode.start)
    return None


def _wanted(case: Case, matter: str, event_id: str, anchor: date) -> Ground | None:
    return None if case.had("A17", matter) else Ground(matter, "plan_gap", (event_id,), anchor=anchor)


def closing(case: Case, alert: Alert) -> Closing | None:
    for fact in case.since(alert.anchor or alert.raised_on, "pathway_plan.reviewed"):
        if fact.flag("eet_section_complete") and fact.effective_on <= case.today:
            return Closing(RESOLVED, "plan reviewed")
    return None


def timers(case: Case) -> Iterable[date]:
    plan = case.latest("pathway_plan.reviewed")
    if plan is None:
        return ()
    months, days = case.policy.number("A17", "review_months"), case.policy.number("A17", "neet_update_working_days")
    after = [case.policy.calendar.after(episode.start, days) for episode in case.belief.episodes]
    return [months_after(plan.effective_on, months) + DAY, *after]


RULE = Rule("A17", ground, closing, timers, wants=frozenset({"pathway_plan.reviewed"}))
