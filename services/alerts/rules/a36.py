"""A36 homelessness. Leicestershire 2021-23; HRA 2017; Children Act s.20. Raised at once, also on an unlinked record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from services.alerts.calendar import age_on
from services.alerts.case import Case
from services.alerts.routing import expand, owner_roles
from services.alerts.rules.shape import RESOLVED, Closing, Ground, Rule
from services.alerts.state import Alert, Seen

_NO_FIXED_ABODE = "circumstance.address_changed"
_NOT_HOUSED = ("", "no_fixed_abode", "rough_sleeping", "not_known")
_HOUSED = ("care.episode.started", "housing.tenancy.started", "housing.homelessness.duty_ended")


def risks(case: Case) -> list[Seen]:
    """Safeguarding facts that count, in the policy's order."""
    types = case.policy.safeguarding_types
    if case.kinds.isdisjoint(types) and _NO_FIXED_ABODE not in case.kinds:
        return []
    held = case.facts(*sorted(types), _NO_FIXED_ABODE)
    return [fact for fact in held if fact.effective_on <= case.today and counts(fact)]


def counts(fact: Seen) -> bool:
    """A tenancy that ended counts only if evicted or abandoned; a new address only if there is none."""
    if fact.type == "housing.tenancy.ended":
        return fact.text("reason") in ("evicted", "abandoned")
    return fact.type != _NO_FIXED_ABODE or fact.flag("no_fixed_abode")


def age_for(case: Case, fact: Seen) -> int | None:
    """By the authority date of birth, else as stated."""
    stated = fact.number("stated_age")
    return case.age if case.age is not None else None if stated is None else int(stated)


def housed(case: Case, since: date, adult: bool) -> Closing | None:
    """Care, a tenancy or the duty's good end; for adults also what the owner saw. A birthday houses nobody."""
    for fact in case.facts(*_HOUSED):
        good = fact.type != _HOUSED[2] or fact.text("reason") == "accommodated_6_months"
        if good and since <= fact.effective_on <= case.today:
            return Closing(RESOLVED, "housed")
    for fact in case.facts("contact.verified") if adult else ():
        of_age = case.born is None or age_on(case.born, fact.effective_on) >= 18
        seen_by_owner = of_age and fact.text("contact_role") in owner_roles(case)
        if seen_by_owner and since <= fact.effective_on <= case.today and fact.text("accommodation") not in _NOT_HOUSED:
            return Closing(RESOLVED, "housed")
    return None


def ground(case: Case) -> Ground | None:
    """The latest risk that nothing has settled. One that came with a linked record keeps its raise day."""
    found = risks(case)
    if not found or case.had("A36", found[-1].event_id):
        return None
    fact = next_of(case, found)
    age = age_for(case, fact)
    minor = age is not None and age < 18
    moved = bool(fact.from_person)
    if housed(case, fact.effective_on, not minor) is not None and not moved:
        return None
    bare = Ground(fact.event_id, "homeless", (fact.event_id,), anchor=fact.effective_on, source=fact.source)
    numbers = case.policy.rules["A36"]
    words = "to_16_17" if minor else "to_care_leaver" if case.care_leaver else "to_other"
    to = expand(case, "A36", bare, numbers.lists[words])
    told = told_on_stub(case, fact, bare) if moved else ()
    return Ground(
        matter=fact.event_id,
        because="homeless",
        evidence=(fact.event_id,),
        anchor=fact.effective_on,
        tag="minor" if minor else "adult",
        source=fact.source,
        sla=numbers.numbers["sla_16_17"] if minor else None,
        to=(*told, *to),
        told=told,
        raised_on=fact.received_on if moved else None,
    )


def next_of(case: Case, found: Sequence[Seen]) -> Seen:
    """The latest risk. Of those that came over together first what the unlinked record's alert began with, then what
    was folded into it: it stays one alert."""
    last = found[-1]
    if not last.from_person:
        return last
    together = (fact for fact in found if (fact.from_person, fact.known_ms) == (last.from_person, last.known_ms))
    latest: Seen | None = None
    for fact in sorted(together, key=lambda f: (f.received_ms, f.message_id)):
        if latest is None or fact.order > latest.order:
            latest = fact
            if not case.had("A36", fact.event_id):
                return fact
    return last


def told_on_stub(case: Case, fact: Seen, bare: Ground) -> tuple[str, ...]:
    """Roles that the unlinked record's alert went to: by the stated age, and by nothing that came with the link."""
    stated = fact.number("stated_age")
    numbers = case.policy.rules["A36"]
    named = bool(fact.text("education_provider"))
    words = numbers.lists["to_16_17" if stated is not None and stated < 18 else "to_other"]
    roles = expand(case, "A36", bare, words)
    return tuple(role for role in roles if named or role != "school-safeguarding-lead")


def closing(case: Case, alert: Alert) -> Closing | None:
    return housed(case, alert.anchor or alert.raised_on, alert.tag != "minor" or case.aged(18))


RULE = Rule("A36", ground, closing)
