"""A19 taster due. Lancashire 3.1.2.1, 3.4.5."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from services.alerts.belief import Episode
from services.alerts.calendar import months_after
from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, STOOD_DOWN, Closing, Ground, Rule
from services.alerts.state import Alert


def mark(case: Case, episode: Episode) -> tuple[date, date]:
    """(clock's start, day due): the clock starts with the last taster, the first day, or the last quiet day."""
    base = episode.start
    for fact in case.since(episode.start, "taster.attended"):
        if fact.effective_on <= case.today:
            base = max(base, fact.effective_on)
    due = months_after(base, case.policy.number("A19", "months"))
    for stretch in case.belief.marks:
        if stretch.name == "quiet" and stretch.end is not None and stretch.start <= due <= stretch.end:
            base = stretch.end
            due = months_after(base, case.policy.number("A19", "months"))
    return base, due


def ground(case: Case) -> Ground | None:
    """Three months without a taster. A mark inside the quiet period re-bases the clock; a start soon skips it."""
    episode = case.episode
    if episode is None or not case.care_experienced or not (case.in_neet or case.awaiting):
        return None
    base, due = mark(case, episode)
    if case.today < due or case.had("A19", base.isoformat()):
        return None
    if any((skip.rule, skip.anchor) == ("A19", base) for skip in case.skips):
        return None
    skip = case.starts_soon or case.quiet
    return Ground(base.isoformat(), "taster_due", anchor=base, skip=skip)


def closing(case: Case, alert: Alert) -> Closing | None:
    """Taster attended: resolved. EET: stood down."""
    after = alert.anchor or alert.raised_on
    if any(after < f.effective_on <= case.today for f in case.facts("taster.attended")):
        return Closing(RESOLVED, "taster attended")
    return Closing(STOOD_DOWN, "in education, employment or training") if case.in_eet else None


def timers(case: Case) -> Iterable[date]:
    return [mark(case, episode)[1] for episode in case.belief.episodes]


RULE = Rule(
    "A19",
    ground,
    closing,
    timers,
    custody_stands_down=True,
    silent_in_custody=True,
    for_care=True,
    rests_on=frozenset({"episode"}),
)
