"""A34 rising 18. Cambridgeshire 5; Leeds 2011."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from services.alerts.calendar import birthday
from services.alerts.case import JOB_CODES, Case
from services.alerts.rules.shape import RESOLVED, STOOD_DOWN, Closing, Ground, Rule
from services.alerts.state import Alert

_DONE = ("uc.preparation_recorded", "uc.claim_started")


def ground(case: Case) -> Ground | None:
    """(a) care-experienced and not in paid work; (b) others whose status is NEET or not known."""
    if case.born is None:
        return None
    adult = birthday(case.born, 18)
    before = timedelta(days=case.policy.number("A34", "days_before_18"))
    if not adult - before <= case.today < adult or case.had("A34", adult.isoformat()) or case.facts(*_DONE):
        return None
    if case.care_experienced:
        wanted = case.belief.code(case.today) not in JOB_CODES | {"310"}
    else:
        wanted = case.in_neet or case.not_known
    return Ground(adult.isoformat(), "rising_18", anchor=adult) if wanted else None


def closing(case: Case, alert: Alert) -> Closing | None:
    if case.facts(*_DONE):
        return Closing(RESOLVED, "claim prepared")
    limit = timedelta(days=case.policy.number("A34", "days_before_18"))
    adult = alert.anchor or alert.raised_on
    return Closing(STOOD_DOWN, "birthday passed") if case.today >= adult + limit else None


def timers(case: Case) -> Iterable[date]:
    if case.born is None:
        return ()
    adult, days = birthday(case.born, 18), timedelta(days=case.policy.number("A34", "days_before_18"))
    return [adult - days, adult, adult + days]


RULE = Rule("A34", ground, closing, timers)
