"""A21 in-work contact missed. Lancashire 2.2.3.1, 2.2.3.3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from services.alerts.calendar import DAY, months_after
from services.alerts.case import Case
from services.alerts.rules.shape import RESOLVED, STOOD_DOWN, Closing, Ground, Rule
from services.alerts.rules.work import job
from services.alerts.state import Alert, Seen

WEEK = timedelta(days=7)


def periods(case: Case, started: Seen) -> Iterator[tuple[str, date, date]]:
    """(who, first, last day) of each week and month in which somebody should be in touch. Each job begins anew."""
    monday = started.effective_on + timedelta(days=(7 - started.effective_on.weekday()) % 7 or 7)
    for n in range(case.policy.number("A21", "est_weeks")):
        yield "week", monday + n * WEEK, monday + n * WEEK + timedelta(days=6)
    first = months_after(started.effective_on.replace(day=1), 1)
    for n in range(case.policy.number("A21", "pa_months")):
        yield "month", months_after(first, n), months_after(first, n + 1) - DAY


def kept(case: Case, who: str, first: date, last: date) -> bool:
    """Weekly by employment support; monthly by the personal adviser, in work or otherwise verified."""
    role = "est" if who == "week" else "personal-adviser"
    types = ("contact.in_work",) if who == "week" else ("contact.in_work", "contact.verified")
    return any(first <= f.effective_on <= last and f.text("contact_role") == role for f in case.facts(*types))


def declined(case: Case, started: Seen) -> bool:
    return any(f.flag("contact_declined") for f in case.since(started.effective_on, "contact.verified"))


def ground(case: Case) -> Ground | None:
    """The last full week or month of a supported job passed without contact."""
    started = job(case)
    if started is None or not case.care_leaver or not started.flag("supported_by_est") or declined(case, started):
        return None
    past = [p for p in periods(case, started) if p[2] < case.today]
    for kind in ("month", "week"):
        mine = [p for p in past if p[0] == kind]
        if not mine:
            continue
        _, first, last = mine[-1]
        matter = f"{started.event_id}:{kind}:{first}"
        if not kept(case, kind, first, case.today) and not case.had("A21", matter):
            evidence = (started.event_id,)
            return Ground(matter, "no_contact", evidence, first, last, kind, started.source)
    return None


def closing(case: Case, alert: Alert) -> Closing | None:
    """Contact: resolved. Job ended: stood down."""
    if kept(case, alert.tag, alert.anchor or alert.raised_on, case.today):
        return Closing(RESOLVED, "in touch")
    return Closing(STOOD_DOWN, "the job ended") if job(case) is None else None


def timers(case: Case) -> Iterable[date]:
    started = job(case)
    return () if started is None else [last + DAY for _, _, last in periods(case, started)]


RULE = Rule("A21", ground, closing, timers, wants=frozenset({"employment.started"}))
