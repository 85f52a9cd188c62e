"""POLICY 3.1: what somebody did, from which day to which: enrolments, provision, jobs, and what workers verified."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.status import codes, days
from services.status.days import FOREVER
from services.status.facts import (
    EMPLOYERS_SIDE,
    HUNDREDTHS,
    Contact,
    Employed,
    Enrolled,
    EnrolmentChanged,
    Facts,
    Hours,
    JobEnded,
    Provided,
    ProvisionEnded,
    Seen,
    Withdrawn,
)
from services.status.policy import Policy

ENROLMENT, PROVISION, JOB, WORKER = "enrolment", "provision", "job", "worker"
#: How a fact ended, as far as section 3.6 asks.
LEFT, OVER = "left", "over"


@dataclass(slots=True)
class Activity:
    """One fact of section 3.1. Mutable only while this module builds it.

    ``steps``: (day, code, hours) of each change; the first day is the fact's. ``told_end``: last day as an event said.
    ``planned``: planned last day. ``last``: last day in the end. ``ended``: LEFT (withdrawn, not completed, job ended,
    without confirmed destination), OVER (told otherwise), or empty when time alone ends it.
    """

    family: str
    source: str
    tier: int
    steps: list[tuple[int, str, int | None]]
    order: tuple[int, int, int, str]
    planned: int | None = None
    told_end: int | None = None
    completed: bool = False
    ended: str = ""
    last: int = FOREVER
    carried_from: int = FOREVER
    told: Enrolled | Employed | None = None
    contact_on: int = 0
    verified: list[int] = field(default_factory=list)

    @property
    def higher_education(self) -> bool:
        return isinstance(self.told, Enrolled) and self.told.institution_type == "higher_education"

    @property
    def since(self) -> int:
        return self.steps[0][0]

    @property
    def code(self) -> str:
        return self.steps[-1][1]

    def runs_on(self, day: int) -> bool:
        """Began by then, and no event has ended it before."""
        return self.since <= day and (self.told_end is None or self.told_end >= day)

    def close(self, day: int, ended: str) -> None:
        self.told_end, self.ended = day, ended


def activities(facts: Facts, policy: Policy) -> list[Activity]:
    """Every EET fact and voluntary work (540, which is NEET), with its days."""
    enrolments = _enrolments(facts, policy)
    provisions = _provisions(facts)
    jobs = _jobs(facts, policy)
    workers = _verified_by_workers(facts)
    found = [*enrolments, *provisions, *jobs, *workers]
    if not found:
        return found
    verifications = _verifications(facts, policy)
    for one in found:
        _limit(one, verifications, policy)
    _close_learning(facts, enrolments, provisions)
    _change_hours(facts, jobs, policy)
    _close_jobs(facts, jobs, provisions, workers)
    for one in found:
        _limit(one, verifications, policy)
    _give_way(found)
    return [one for one in found if one.since <= one.last]


# Enrolments


def _enrolments(facts: Facts, policy: Policy) -> list[Activity]:
    found: dict[tuple[str, int], Activity] = {}
    for seen in facts.of("education.enrolment.started"):
        told = Enrolled._make(seen.data)
        step = (seen.on, enrolment_code(told, policy), told.hours_per_week)
        # The same provider's later word about the same first day replaces the earlier one.
        found[seen.source, seen.on] = Activity(
            ENROLMENT, seen.source, 1, [step], seen.order, told.predicted_end_on, told=told
        )
    enrolments = list(found.values())
    for seen in facts.of("education.enrolment.changed"):
        changed = _latest(enrolments, seen)
        if changed is not None:
            _change_enrolment(changed, seen.on, EnrolmentChanged._make(seen.data), policy)
    return enrolments


def enrolment_code(told: Enrolled, policy: Policy) -> str:
    if told.institution_type == "school":
        return "110"
    if told.hours_per_week is None:
        part_time = told.mode == "part_time"
    else:
        weeks = told.weeks_per_year or policy.default_weeks_per_year
        part_time = told.hours_per_week * weeks < policy.full_time_hours_per_year * HUNDREDTHS
    return codes.PART_TIME_EDUCATION if part_time else codes.OF_INSTITUTION.get(told.institution_type, "270")


def _change_enrolment(one: Activity, on: int, change: EnrolmentChanged, policy: Policy) -> None:
    assert isinstance(one.told, Enrolled)
    if change.mode is not None and change.hours_per_week is None:
        # A new mode without hours: the old hours no longer speak.
        one.told = one.told._replace(mode=change.mode, hours_per_week=None)
    if change.hours_per_week is not None:
        one.told = one.told._replace(hours_per_week=change.hours_per_week)
    if change.weeks_per_year is not None:
        one.told = one.told._replace(weeks_per_year=change.weeks_per_year)
    if change.predicted_end_on is not None:
        one.planned = change.predicted_end_on
    one.steps.append((on, enrolment_code(one.told, policy), one.told.hours_per_week))


def _latest(found: Sequence[Activity], seen: Seen) -> Activity | None:
    """The publisher's fact with the latest start that runs on the day of ``seen``."""
    return max(
        (one for one in found if one.source == seen.source and one.runs_on(seen.on)),
        key=lambda one: one.order,
        default=None,
    )


def _open_on(found: Iterable[Activity], day: int) -> list[Activity]:
    """Facts open on ``day``; if time has ended them all, the one that began last: an event knows better than a plan."""
    running = [one for one in found if one.runs_on(day)]
    if len(running) < 2:
        return running
    return [one for one in running if one.last >= day] or [max(running, key=lambda one: one.order)]


def _close_learning(facts: Facts, enrolments: Sequence[Activity], provisions: Sequence[Activity]) -> None:
    """A withdrawal, completion or end closes the open fact of the same publisher."""
    endings = facts.any_of("education.enrolment.withdrawn", "education.enrolment.completed", "provision.ended")
    for seen in endings:
        own = _open_on((one for one in enrolments if one.source == seen.source), seen.on)
        provided = _open_on((one for one in provisions if one.source == seen.source), seen.on)
        if seen.type == "education.enrolment.withdrawn":
            ended = OVER if Withdrawn._make(seen.data).destination_confirmed else LEFT
            for one in own or provided:
                one.close(seen.on, ended)
        elif seen.type == "education.enrolment.completed":
            for one in sorted(own or provided, key=lambda one: _distance(one, seen.on))[:1]:
                one.close(seen.on, OVER)
                one.completed = True
        else:
            end = ProvisionEnded._make(seen.data)
            ended = OVER if end.completed or end.destination_confirmed else LEFT
            for one in sorted(provided or own, key=lambda one: one.order)[-1:]:
                one.close(seen.on, ended)


def _distance(one: Activity, on: int) -> tuple[int, tuple[int, int, int, str]]:
    return (FOREVER if one.planned is None else abs(one.planned - on), one.order)


# Provision and jobs


def _provisions(facts: Facts) -> list[Activity]:
    found: dict[tuple[str, int, str], Activity] = {}
    for seen in facts.of("provision.started"):
        told = Provided._make(seen.data)
        code = codes.OF_KIND.get(told.kind)
        if code is not None:
            step = (seen.on, code, told.hours_per_week)
            found[seen.source, seen.on, told.kind] = Activity(
                PROVISION, seen.source, 1, [step], seen.order, told.planned_end_on
            )
    return list(found.values())


def _jobs(facts: Facts, policy: Policy) -> list[Activity]:
    found: dict[tuple[str, int], Activity] = {}
    for seen in facts.of("employment.started"):
        told = Employed._make(seen.data)
        if told.evidence == "self_report" and told.hours_per_week < policy.informal_work_below_hours * HUNDREDTHS:
            continue
        tier = 1 if seen.source_kind in EMPLOYERS_SIDE else 2
        step = (seen.on, job_code(told, policy), told.hours_per_week)
        found[seen.source, seen.on] = Activity(
            JOB, seen.source, tier, [step], seen.order, told.planned_end_on, told=told, contact_on=seen.on
        )
    return list(found.values())


def job_code(told: Employed, policy: Policy) -> str:
    """First line that fits."""
    regulated = told.training == "regulated"
    if told.kind == "apprenticeship":
        return "310"
    if told.kind == "voluntary":
        return "550" if regulated else codes.VOLUNTARY
    if told.kind == "self_employed":
        return "381" if regulated else "380"
    if regulated:
        return "320"
    if told.hours_per_week < policy.part_time_job_below_hours * HUNDREDTHS:
        return "360"
    if told.training == "other":
        return "340"
    return "350" if told.kind in ("temporary", "zero_hours") else "330"


def _change_hours(facts: Facts, jobs: Sequence[Activity], policy: Policy) -> None:
    for seen in facts.of("employment.hours_changed"):
        running = _open_on(jobs, seen.on)
        for one in [one for one in running if one.source == seen.source] or running:
            assert isinstance(one.told, Employed)
            one.told = one.told._replace(hours_per_week=Hours._make(seen.data).hours_per_week)
            one.steps.append((seen.on, job_code(one.told, policy), one.told.hours_per_week))


def _close_jobs(
    facts: Facts, jobs: Sequence[Activity], provisions: Sequence[Activity], workers: Sequence[Activity]
) -> None:
    """``employment.ended`` closes the open job, whoever reports it."""
    for seen in facts.of("employment.ended"):
        told = JobEnded._make(seen.data)
        ended = LEFT if told.next_activity in ("unknown", "not_in_eet") else OVER
        told_by_workers = [w for w in workers if w.code in codes.JOBS and w.runs_on(seen.on) and w.last >= seen.on]
        running = _open_on(jobs, seen.on)
        provided = _open_on((one for one in provisions if one.code in codes.JOBS), seen.on)
        for one in (running or provided) + told_by_workers:
            one.close(seen.on, ended)


# Verified by workers


def _verified_by_workers(facts: Facts) -> list[Activity]:
    """EET facts that rest on a contact alone. A worker's later word replaces an earlier one."""
    found: list[Activity] = []
    for seen in facts.of("contact.verified"):
        told = Contact._make(seen.data)
        code = codes.OF_KIND.get(told.activity)
        start = min(told.since, seen.on) if told.since is not None else seen.on
        current = found[-1] if found and found[-1].runs_on(seen.on) else None
        if current is not None and code == current.code:
            current.verified.append(seen.on)
            continue
        if current is not None and (code is not None or told.activity == "not_in_eet"):
            current.close(max(start, current.contact_on + 1) - 1, OVER)
        if code is not None and code != codes.VOLUNTARY:
            step = (start, code, told.hours_per_week)
            found.append(Activity(WORKER, seen.source, 2, [step], seen.order, contact_on=seen.on))
    return found


def _give_way(found: Sequence[Activity]) -> None:
    """What only a worker says gives way to what the provider or employer says of the same side of life (T2 to T1)."""
    first_hand = sorted((one for one in found if one.tier == 1 and one.since <= one.last), key=lambda one: one.since)
    for one in found:
        if one.tier == 1:
            continue
        for other in first_hand:
            if not codes.rivals(one.code, other.code) or other.last < one.since:
                continue
            if other.since > one.contact_on or other.last >= one.contact_on:
                one.last = min(one.last, other.since - 1)
            else:
                _begin(one, other.last + 1)


def _begin(one: Activity, day: int) -> None:
    _, code, hours = one.steps[0]
    one.steps[0] = (day, code, hours)


# Last days


def _verifications(facts: Facts, policy: Policy) -> list[int]:
    """Days on which somebody confirmed an EET status."""
    found: list[int] = []
    for name in policy.verifying_types:
        for seen in facts.of(name):
            if name == "contact.verified":
                if codes.OF_KIND.get(Contact._make(seen.data).activity, codes.VOLUNTARY) == codes.VOLUNTARY:
                    continue
            elif name in ("ehcp.review_meeting_held", "in_touch_day.held") and not seen.data[0]:
                continue
            found.append(seen.on)
    return sorted(found)


def _limit(one: Activity, verifications: Iterable[int], policy: Policy) -> None:
    """Last day: as told; else completion or planned end, with P8 for enrolments; else lapse."""
    if one.told_end is not None and not one.completed:
        one.last = one.told_end
        return
    planned = one.told_end if one.completed else one.planned
    if planned is not None:
        one.last = planned
        if one.family == ENROLMENT:
            one.last = days.carried(planned, policy.summer_carry_from, policy.summer_carry_to)
            one.carried_from = planned + 1
        return
    lapse = policy.lapse_days.get(one.code, policy.undated_days.get(one.code))
    if lapse is None:
        if one.code in codes.EDUCATION:
            one.last = days.next_month_day(one.contact_on or one.since, policy.undated_education_ends)
        return
    one.last = one.since + lapse if one.family != WORKER else one.contact_on + lapse
    for day in sorted([*verifications, *one.verified]):
        if one.since <= day <= one.last:
            one.last = max(one.last, day + lapse)
