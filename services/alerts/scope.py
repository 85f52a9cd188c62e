"""Whether somebody is still anybody's to follow (POLICY 5.2)."""

from __future__ import annotations

from datetime import date

from services.alerts.calendar import birthday
from services.alerts.case import Case

_LEAVING = ("circumstance.died", "circumstance.moved_abroad")


def scope_ended(case: Case) -> bool:
    """Died, moved abroad for good, or too old (POLICY 5.2)."""
    if not case.kinds.isdisjoint(_LEAVING) and _left(case):
        return True
    if case.born is None or case.today.year < case.born.year + 25:
        return False
    end = birthday(case.born, 25)
    if case.ehcp:
        end = date(end.year + 1 if end.month >= 9 else end.year, 9, 1)
    return case.today >= end


def _left(case: Case) -> bool:
    died, gone = map(case.latest, _LEAVING)
    if died is not None and died.flag("confirmed"):
        return True
    return gone is not None and not gone.flag("returning") and not back(case, gone.effective_on)


def care_ended(case: Case) -> bool:
    """Home again, adopted or the like before 18: who follows somebody in care has nobody to follow (POLICY 5.3).

    From 18 on the status of a care leaver takes over, and may be told days after the birthday.
    """
    return case.under_18 and not case.care_experienced


def back(case: Case, left: date) -> bool:
    """Whether the status, or a risk of homelessness, shows that somebody who left the country has come again."""
    here = any(left < span.start <= case.today and span.group != "NOT_KNOWN" for span in case.belief.timeline)
    return here or any(left < fact.effective_on <= case.today for fact in case.facts(*case.policy.safeguarding_types))
