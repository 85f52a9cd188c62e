"""A16 PEP gap. Cambridgeshire 2.4, 6.3."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from services.alerts.calendar import DAY, year_group
from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, Closing, Ground, Rule
from services.alerts.state import Alert, Seen


def entry(case: Case) -> Seen | None:
    """The care start that counts: latest, received in time. A remand has no care episode, so no entry."""
    fact = case.latest("care.episode.started")
    return fact if fact is not None and not case.late(fact) else None


def entry_due(case: Case, start: Seen) -> date:
    days = case.policy.number("A16", "entry_working_days")
    return case.policy.calendar.after(start.effective_on, days) + DAY


def term(case: Case) -> tuple[date, date]:
    """(first, last day) of the term that ended last."""
    year = case.today.year
    ends = sorted(date(y, m, d) for y in (year - 2, year - 1, year) for m, d in case.policy.term_ends)
    past = [day for day in ends if day < case.today]
    return past[-2] + DAY, past[-1]


def peps(case: Case, start: date, end: date) -> bool:
    return any(start <= fact.effective_on <= end for fact in case.facts("pep.completed"))


def ground(case: Case) -> Ground | None:
    """No PEP after entering care; a term without one (only where PEPs are reported); no social worker present."""
    if not case.looked_after and not _leaver_in_year_13(case):
        return None
    start = entry(case)
    if start is not None and case.looked_after and entry_due(case, start) <= case.today:
        matter = f"entry:{start.effective_on}"
        if not case.had("A16", matter) and not peps(case, start.effective_on, case.today):
            return Ground(matter, "no_pep", (start.event_id,), anchor=start.effective_on, tag="entry")
    latest = case.latest("pep.completed")
    alone = latest is not None and latest.data.get("social_worker_attended") is False
    if alone and latest is not None and not case.had("A16", latest.event_id):
        return Ground(latest.event_id, "pep_alone", (latest.event_id,), anchor=latest.effective_on + DAY)
    return _term_gap(case)


def _term_gap(case: Case) -> Ground | None:
    first, last = term(case)
    known_before = any(fact.effective_on < first for fact in case.facts("pep.completed"))
    matter = f"term:{last}"
    if not known_before or peps(case, first, case.today) or case.had("A16", matter):
        return None
    return Ground(matter, "no_pep", anchor=last + DAY, tag="term")


def _leaver_in_year_13(case: Case) -> bool:
    if not case.care_leaver or not case.in_eet or case.born is None:
        return False
    ends = case.today.year + 1 if case.today.month >= 9 else case.today.year
    return year_group(case.born, ends) == 13


def closing(case: Case, alert: Alert) -> Closing | None:
    done = peps(case, alert.anchor or alert.raised_on, case.today)
    return Closing(RESOLVED, "PEP completed") if done else None


def timers(case: Case) -> Iterable[date]:
    start = entry(case)
    ends = [date(y, m, d) + DAY for y in (case.today.year, case.today.year + 1) for m, d in case.policy.term_ends]
    wanted = ends if case.facts("pep.completed") else []
    return wanted if start is None else [*wanted, entry_due(case, start), start.effective_on + timedelta(days=1)]


RULE = Rule("A16", ground, closing, timers, wants=frozenset({"care.episode.started", "pep.completed"}), for_care=True)
