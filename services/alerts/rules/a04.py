"""A04 lapsing or not known. Leicestershire 2021-23; Leeds 2011."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from services.alerts.belief import AWAITING, EET_GROUPS, NEET_GROUPS
from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, SUPERSEDED, Closing, Ground, Rule
from services.alerts.state import Alert

_SAME_FACT_A = ("A01", "A02", "A03", "A06", "A07", "A30", "A31")
_SAME_FACT_B = ("A02", "A07", "A22", "A30", "A31")


def lapse_day(case: Case) -> date | None:
    """Last day of a status that runs out into NOT_KNOWN with nothing to follow; None if something follows."""
    if case.group not in EET_GROUPS | NEET_GROUPS:
        return None
    last: date | None = None
    for span in case.belief.timeline:
        if span.end is not None and span.end < case.today:
            continue
        if span.group == "NOT_KNOWN":
            break
        if span.group == AWAITING or span.group not in EET_GROUPS | NEET_GROUPS:
            return None
        last = span.end
    return None if any(case.waits()) else last


def ground(case: Case) -> Ground | None:
    """(b) a priority person's status is not known; (a) a status lapses within the warning days."""
    since = case.belief.unknown_since(case.today)
    if since is not None:
        if not case.priority or case.open(*_SAME_FACT_B):
            return None
        return Ground(f"not-known:{since}", "not_known", anchor=since, tag="b")
    lapses = lapse_day(case)
    if lapses is None or case.open(*_SAME_FACT_A):
        return None
    if lapses - timedelta(days=case.policy.number("A04", "warn_days")) > case.today:
        return None
    return Ground(f"lapse:{lapses}", "lapses", anchor=lapses, tag="a")


def closing(case: Case, alert: Alert) -> Closing | None:
    """(a) a follow-on, or the day moved away: resolved; once lapsed it is (b). (b) activity known: resolved."""
    if case.not_known:
        return None
    lapses = lapse_day(case)
    if alert.tag == "b" or (alert.anchor is not None and case.today > alert.anchor):
        return Closing(RESOLVED, "activity known")
    if lapses is None or lapses - timedelta(days=case.policy.number("A04", "warn_days")) > case.today:
        return Closing(RESOLVED, "something follows")
    return None


def timers(case: Case) -> Iterable[date]:
    warn = timedelta(days=case.policy.number("A04", "warn_days"))
    return [s.end - warn for s in case.belief.timeline if s.end is not None and s.group != "NOT_KNOWN"]


def replaced(case: Case, alert: Alert) -> Closing | None:
    """Left learning says the same and more; so does what would have kept this from being raised, had it come first."""
    if case.open("A02") and alert.tag == "a":
        return Closing(SUPERSEDED, "left learning")
    stronger = _SAME_FACT_A if alert.tag == "a" else _SAME_FACT_B
    if alert.raised_on == case.today and case.open(*stronger):
        # The order in which a day's facts arrive must not decide what stands (POLICY 5.2).
        return Closing(SUPERSEDED, "the same fact")
    return None


RULE = Rule("A04", ground, closing, timers, replaced, silent_in_custody=True)
