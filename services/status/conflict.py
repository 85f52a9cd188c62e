"""POLICY 3.8: pairs of facts that can't both be the whole truth. A question, never a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.status.activity import Activity
from services.status.characteristics import Mark
from services.status.claims import Claimed
from services.status.codes import EET_GROUPS, GROUPS, OF_KIND, VOLUNTARY
from services.status.days import FOREVER
from services.status.facts import Absent, Attended, AttendedHours, Contact, Facts
from services.status.policy import Policy
from services.status.spans import Layer, common, merged

Days = list[tuple[int, int]]


def conflicts(
    facts: Facts,
    spans: Sequence[Layer],
    found: Sequence[Activity],
    on_file: Sequence[tuple[int, int]],
    claims: Sequence[Claimed],
    policy: Policy,
) -> list[Mark]:
    """Marks ``conflict:regime``, ``conflict:contact`` and ``conflict:absence``, on days whose code is EET."""
    in_eet = [span for span in spans if GROUPS[span.code] in EET_GROUPS]
    if not in_eet:
        return []
    covered = merged((span.start, span.end) for span in in_eet)
    marks = [Mark(a, b, "conflict:regime") for a, b in merged(_regime(in_eet, on_file, claims, policy))]
    contact, absence = merged(_contact(facts, found)), merged(_absence(facts, spans, found, policy))
    marks += [Mark(a, b, "conflict:contact") for a, b in common(contact, covered)]
    marks += [Mark(a, b, "conflict:absence") for a, b in common(absence, covered)]
    return marks


def _regime(
    in_eet: Sequence[Layer], on_file: Sequence[tuple[int, int]], claims: Sequence[Claimed], policy: Policy
) -> Iterator[tuple[int, int]]:
    """A regime towards NEET that began on or after the start of the EET fact, unless something explains it."""
    for claim in claims:
        if claim.regime not in policy.uc_towards_neet:
            continue
        for span in in_eet:
            if claim.regime == "UAA" and span.code in policy.uaa_compatible_codes:
                continue
            if claim.start < span.since:
                continue
            # A course that is over explains the regime; so does an agreed start.
            start, end = max(claim.start, span.start), min(claim.end, span.end, span.carried_from - 1)
            if start <= end:
                yield from _without((start, end), on_file)


def _without(stretch: tuple[int, int], holes: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    start, end = stretch
    for a, b in merged(holes):
        if b < start or a > end:
            continue
        if a > start:
            yield start, a - 1
        start = b + 1
    if start <= end:
        yield start, end


def _contact(facts: Facts, found: Sequence[Activity]) -> Iterator[tuple[int, int]]:
    """A worker found nothing on a day that an EET fact covers. Settled by attendance, by leaving, or by the worker."""
    contacts = [(seen.on, Contact._make(seen.data).activity) for seen in facts.of("contact.verified")]
    nothing = [on for on, activity in contacts if activity == "not_in_eet"]
    if not nothing:
        return
    running = merged((one.since, one.last) for one in found if one.code != VOLUNTARY)
    for on in nothing:
        stretch = next((one for one in running if one[0] <= on <= one[1]), None)
        if stretch is None:
            continue
        settled = [day for day in _present(facts) if day >= on]
        settled += [day for day, said in contacts if day > on and OF_KIND.get(said, VOLUNTARY) != VOLUNTARY]
        settled += [one.last + 1 for one in found if one.since <= on <= one.last and one.told_end is not None]
        yield on, min(stretch[1], min(settled, default=FOREVER) - 1)


def _present(facts: Facts) -> list[int]:
    """Days on which a provider or a job coach saw the person there, ascending."""
    days: list[int] = []
    for seen in facts.of("education.attendance.summary"):
        last = Attended._make(seen.data).last_attended_on
        if last is not None:
            days.append(last)
    for seen in facts.of("education.attendance.absence"):
        last = Absent._make(seen.data).last_attended_on
        if last is not None:
            days.append(last)
    days += [
        s.on for s in facts.of("provision.hours.summary") if AttendedHours._make(s.data).attended_hours_per_week > 0
    ]
    days += [seen.on for seen in facts.of("contact.in_work")]
    return sorted(days)


def _absence(
    facts: Facts, spans: Sequence[Layer], found: Sequence[Activity], policy: Policy
) -> Iterator[tuple[int, int]]:
    """A long unexplained run of provider days; it ends when the person is there again or the enrolment is over."""
    runs: dict[tuple[str, int], Absent] = {}
    for seen in facts.of("education.attendance.absence"):
        told = Absent._make(seen.data)
        held = runs.get((seen.source, seen.on))
        # The run grows from one report to the next; of one length, the later word about the reason counts.
        if held is None or told.last_day_on >= held.last_day_on:
            runs[seen.source, seen.on] = told
    long = [
        (source, first, told)
        for (source, first), told in sorted(runs.items())
        if told.reason == "unexplained" and told.days >= policy.absence_conflict_days
    ]
    if not long:
        return
    custody = [(span.start, span.end) for span in spans if GROUPS[span.code] == "CUSTODY"]
    present = _present(facts)
    for source, first, told in long:
        if common([(first, told.last_day_on)], custody):
            continue
        enrolled = [one for one in found if one.source == source and one.since <= first <= one.last]
        end = max((one.last for one in enrolled), default=FOREVER)
        yield first, min(end, min((day for day in present if day > told.last_day_on), default=FOREVER) - 1)
