"""A08 September Guarantee: no offer. Leeds 2011; Cambridgeshire 1.2."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from services.alerts.belief import EET_GROUPS
from services.alerts.calendar import year_group
from services.alerts.case import Case
from services.alerts.policy import month_day
from services.alerts.rules.shape import RESOLVED, Closing, Ground, Rule
from services.alerts.state import Alert, Seen

_SETTLED = ("offer_made", "offer_not_appropriate")


def checkpoints(case: Case, year: int) -> list[date]:
    return [date(year, *month_day(text)) for text in case.policy.rules["A08"].words["checkpoints"]]


def cycle_began(year: int) -> date:
    """After the last checkpoint of the year before: an older status speaks of the older guarantee."""
    return date(year - 1, 10, 1)


def status_of(case: Case, year: int) -> Seen | None:
    latest = case.latest("september_guarantee.status")
    return latest if latest is not None and latest.effective_on >= cycle_began(year) else None


def ground(case: Case) -> Ground | None:
    """A checkpoint has come and the latest guarantee status has no offer. No status, no alert."""
    year = case.today.year
    marks = checkpoints(case, year)
    reached = [day for day in marks if day <= case.today]
    status = status_of(case, year)
    if not reached or status is None or case.today > case.policy.calendar.on_or_after(marks[-1]):
        return None
    in_year = year_group(case.born, year) if case.born else int(status.number("year_group") or 0)
    september = date(year, *month_day(case.policy.rules["A08"].words["not_recorded_counts_from"][0]))
    missing = status.text("status") == "no_offer" or (
        status.text("status") == "not_recorded" and case.today >= september
    )
    if in_year not in (11, 12) or not missing or has_place(case, year):
        return None
    late = reached[-1] >= september
    numbers = case.policy.rules["A08"]
    matter = reached[-1].isoformat()
    if answered(case, matter, status):
        return None
    return Ground(
        matter,
        "no_offer",
        (status.event_id,),
        anchor=reached[-1],
        source=status.source,
        sla=numbers.numbers["sla_september"] if late else None,
        severity=numbers.words["severity_september"][0] if late else None,
    )


def answered(case: Case, matter: str, status: Seen) -> bool:
    """A worker dealt with what this status says: it is asked again at the next checkpoint, or when it is said anew."""
    return any(
        alert.matter == matter and status.event_id in alert.evidence and alert.because.startswith("outcome ")
        for alert in case.of_rule("A08")
    )


def has_place(case: Case, year: int) -> bool:
    """A suitable offer was accepted, even if not taken up, or the present activity runs on to the last checkpoint."""
    if any(
        f.flag("suitable") and f.effective_on <= case.today for f in case.since(cycle_began(year), "offer.accepted")
    ):
        return True
    last = checkpoints(case, year)[-1]
    return (
        case.in_eet
        and all(
            span.group in EET_GROUPS
            for span in case.belief.timeline
            if (span.end is None or span.end >= case.today) and span.start <= last
        )
        and case.belief.group(last) in EET_GROUPS
    )


def closing(case: Case, alert: Alert) -> Closing | None:
    """Suitable offer accepted, or the status says settled: resolved. An offer made does not close it."""
    year = alert.raised_on.year
    status = status_of(case, year)
    if status is not None and status.text("status") in _SETTLED:
        return Closing(RESOLVED, "guarantee settled")
    return Closing(RESOLVED, "place accepted") if has_place(case, year) else None


def timers(case: Case) -> Iterable[date]:
    if not case.facts("september_guarantee.status"):
        return ()
    year = case.today.year
    return [*checkpoints(case, year), *checkpoints(case, year + 1)]


RULE = Rule("A08", ground, closing, timers, wants=frozenset({"september_guarantee.status"}))
