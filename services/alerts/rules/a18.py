"""A18 NEET without a multi-agency plan. Lancashire 3.1.1, 3.2.3."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from services.alerts.calendar import DAY
from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, STOOD_DOWN, Closing, Ground, Rule
from services.alerts.state import Alert


def due(case: Case, a01: Alert) -> date:
    """The first working day after the working days that the owner has."""
    days = case.policy.number("A18", "after_working_days")
    return case.policy.calendar.on_or_after(case.policy.calendar.after(a01.raised_on, days) + DAY)


def planned(case: Case, since: date) -> bool:
    return any(f.effective_on <= case.today for f in case.since(since, "plan.multi_agency_recorded"))


def ground(case: Case) -> Ground | None:
    a01 = case.open_alert("A01")
    if a01 is None or not case.care_experienced or case.awaiting or case.today < due(case, a01):
        return None
    start = case.episode.start if case.episode is not None else a01.anchor or a01.raised_on
    if planned(case, start) or case.had("A18", a01.alert_id):
        return None
    return Ground(a01.alert_id, "no_plan", a01.evidence, anchor=start)


def closing(case: Case, alert: Alert) -> Closing | None:
    """Plan recorded: resolved. EET, or A01 no longer open: stood down."""
    if planned(case, alert.anchor or alert.raised_on):
        return Closing(RESOLVED, "plan recorded")
    if case.in_eet:
        return Closing(STOOD_DOWN, "in education, employment or training")
    return None if case.open("A01") else Closing(STOOD_DOWN, "the NEET alert is closed")


def timers(case: Case) -> Iterable[date]:
    a01 = case.open_alert("A01")
    return () if a01 is None else [due(case, a01)]


RULE = Rule("A18", ground, closing, timers, custody_stands_down=True, silent_in_custody=True, for_care=True)
