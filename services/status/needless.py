"""Which observations cannot change a belief, told without working it out: most of what feeds send is attendance.

Only a shortcut: ``says_nothing`` is true only where the whole fold would come to the belief that is there already. A
property test compares the two over random lives.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.status.belief import Belief
from services.status.facts import READ, Absent, Contact, Seen
from services.status.policy import Policy
from services.status.state import State

#: Types that say only that somebody was there: they settle a conflict, where there is one.
PRESENCE: Final = frozenset({"education.attendance.summary", "contact.in_work", "provision.hours.summary"})
_CONTACT, _ABSENCE = "contact.verified", "education.attendance.absence"


def says_nothing(news: Seen, before: State, told: Belief, policy: Policy) -> bool:
    """Whether the belief ``told`` of ``before`` is also the belief after ``news``."""
    if news.born is not None and news.born != told.born:
        return False
    kind = news.type
    # Of two copies the first known counts, and with it the birth date that it came with.
    if kind in policy.verifying_types or any(one.content == news.content for one in before.seen):
        return False
    if kind not in READ:
        return True
    if kind in PRESENCE:
        return not disputed(before.seen, policy)
    if kind == _ABSENCE:
        return not _is_long(news, policy) and not disputed(before.seen, policy)
    return False


def disputed(seen: Iterable[Seen], policy: Policy) -> bool:
    """Whether anything is held that somebody's presence could settle: a worker who found nothing, a long absence."""
    for one in seen:
        if one.type == _CONTACT and Contact._make(one.data).activity == "not_in_eet":
            return True
        if one.type == _ABSENCE and _is_long(one, policy):
            return True
    return False


def _is_long(one: Seen, policy: Policy) -> bool:
    told = Absent._make(one.data)
    return told.reason == "unexplained" and told.days >= policy.absence_conflict_days
