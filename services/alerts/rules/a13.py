"""A13 looked-after child of compulsory school age out of school. Lancashire 1.6, 1.7."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from services.alerts.calendar import compulsory_until
from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, Closing, Ground, Rule
from services.alerts.state import Alert, Seen


def counts_from(case: Case, gap: Seen) -> date:
    """No school place counts from the day after the days that are tolerated; anything else at once."""
    if gap.text("kind") != "no_school_place":
        return gap.effective_on
    tolerated = case.policy.number("A13", "no_school_days")
    if (gap.number("days") or 0) > tolerated:
        return gap.effective_on
    return gap.effective_on + timedelta(days=tolerated)


def ground(case: Case) -> Ground | None:
    if not case.looked_after or case.born is None or case.today > compulsory_until(case.born):
        return None
    gap = case.latest("education.provision_gap.recorded")
    if gap is None or counts_from(case, gap) > case.today or case.had("A13", gap.event_id) or ended(case, gap):
        return None
    return Ground(gap.event_id, "out_of_school", (gap.event_id,), anchor=gap.effective_on, source=gap.source)


def ended(case: Case, gap: Seen) -> bool:
    return any(f.effective_on <= case.today for f in case.since(gap.effective_on, "education.provision_gap.ended"))


def closing(case: Case, alert: Alert) -> Closing | None:
    back = case.since(alert.anchor or alert.raised_on, "education.provision_gap.ended")
    return Closing(RESOLVED, "back in school") if any(f.effective_on <= case.today for f in back) else None


def timers(case: Case) -> Iterable[date]:
    gaps = case.facts("education.provision_gap.recorded")
    return [counts_from(case, gap) for gap in gaps] + [
        f.effective_on for f in case.facts("education.provision_gap.ended")
    ]


RULE = Rule("A13", ground, closing, timers, wants=frozenset({"education.provision_gap.recorded"}), for_care=True)
