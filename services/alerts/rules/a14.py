"""A14 Year 11 without destination or guidance. Leicestershire 2021-23; Lancashire 1.10, 1.14."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from services.alerts.calendar import year_group
from services.alerts.case import Case
from services.alerts.policy import month_day
from services.alerts.routing import current_provider
from services.alerts.rules.shape import RESOLVED, Closing, Ground, Rule
from services.alerts.state import Alert


def dates(case: Case, year: int) -> tuple[date, date, date]:
    """Deadlines: destination of looked-after pupils, of other priority pupils, interview."""
    words = case.policy.rules["A14"].words
    a, b, c = (words[name][0] for name in ("looked_after_by", "priority_by", "interview_by"))
    return date(year, *month_day(a)), date(year, *month_day(b)), date(year, *month_day(c))


def ground(case: Case) -> Ground | None:
    """Runs only for pupils of schools in ``feeds``: silence of an unknown feed is no evidence."""
    year = case.today.year
    if case.born is None or case.today.month >= 9 or year_group(case.born, year) != 11:
        return None
    if not case.priority or current_provider(case) not in case.policy.feeds:
        return None
    looked_after_by, priority_by, interview_by = dates(case, year)
    due = looked_after_by if case.looked_after else priority_by
    began = date(year - 1, 9, 1)
    if case.today >= due and not applied(case, began):
        return wanted(case, f"destination:{due}", due)
    if case.today >= interview_by and not interviewed(case, began):
        return wanted(case, f"interview:{interview_by}", interview_by)
    return None


def wanted(case: Case, matter: str, due: date) -> Ground | None:
    return None if case.had("A14", matter) else Ground(matter, "no_destination", anchor=due, tag=matter.split(":")[0])


def applied(case: Case, began: date) -> bool:
    return any(fact.flag("application_made") for fact in case.since(began, "education.destination.intended"))


def interviewed(case: Case, began: date) -> bool:
    return any(True for _ in case.since(began, "education.careers_interview.held"))


def closing(case: Case, alert: Alert) -> Closing | None:
    began = date(alert.raised_on.year - 1, 9, 1)
    done = applied(case, began) if alert.tag == "destination" else interviewed(case, began)
    return Closing(RESOLVED, "recorded") if done else None


def timers(case: Case) -> Iterable[date]:
    if not case.policy.feeds:
        return ()
    return [*dates(case, case.today.year), *dates(case, case.today.year + 1)]


RULE = Rule("A14", ground, closing, timers)
