"""The SSDA903 extract of care leavers (OC3) around their 17th to 21st birthdays (DOMAIN 2). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from hub.persons import Person
from services.alerts.state import Seen as Told
from services.status import days
from services.status.belief import belief
from services.status.bitemporal import live
from services.status.facts import Seen
from services.status.policy import Policy
from services.status.story import ssda903

FIELDS = ("PersonID", "DOB", "Birthday", "Age", "InTouch", "Activity", "Accommodation", "Suitable")
_ACCOMMODATION = "care.accommodation.recorded"


@dataclass(frozen=True, slots=True)
class Window:
    """Of contracts/policy/measures.yaml: which birthdays, and how far from one a fact still counts."""

    ages: tuple[int, ...]
    days_before: int
    days_after: int


def rows(
    person: Person, first: date, last: date, known: int, policy: Policy, window: Window, covered: frozenset[str]
) -> Iterator[Mapping[str, str]]:
    """A row for each such birthday from ``first`` to ``last`` on which the person is a care leaver, as known then."""
    facts = live(person.status.seen, policy, known)
    told = belief(facts, policy)
    if told.born is None:
        return
    for age in window.ages:
        day = days.birthday(told.born, age)
        if not first.toordinal() <= day <= last.toordinal() or not told.marked("care_leaver", day):
            continue
        within = range(day - window.days_before, day + window.days_after + 1)
        home = _home(person.alerts.facts, {one.id for one in facts}, within)
        touch = _in_touch(facts, within, day, policy)
        span = told.span(day)
        activity = ssda903(told.code(day), span, policy)
        values = {
            "PersonID": person.person_id,
            "DOB": days.to_date(told.born).isoformat(),
            "Birthday": days.to_date(day).isoformat(),
            "Age": str(age),
            "InTouch": touch,
            "Activity": (activity or "") if touch == "YES" else "0",
            "Accommodation": home.text("accommodation") if home else "",
            "Suitable": ("1" if home.flag("suitable") else "2") if home else "",
        }
        yield {name: value if name in covered else "" for name, value in values.items()}


def _home(facts: Sequence[Told], counted: set[str], within: range) -> Told | None:
    own = [one for one in facts if one.type == _ACCOMMODATION and one.event_id in counted]
    near = [one for one in own if one.effective_on.toordinal() in within]
    return max(near, key=lambda one: one.order, default=None)


def _in_touch(facts: Sequence[Seen], within: range, day: int, policy: Policy) -> str:
    """YES after a contact that verifies, DIED, else NO; the other answers of the return are not told to the hub."""
    if any(one.type == "circumstance.died" and one.data[0] and one.on <= day for one in facts):
        return "DIED"
    return "YES" if any(one.type in policy.verifying_types and one.on in within for one in facts) else "NO"
