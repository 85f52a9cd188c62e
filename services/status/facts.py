"""Typed reading of observations: which fields of which event types the status is made from, and nothing else.

Everything here is a small tuple, so that a person's facts travel in the state without being decoded from Avro again.
Days are ordinals, hours are hundredths. ``Seen`` is one observation of a person with the two moments that bound it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final, NamedTuple

Value = str | int | bool | None | list[str]
HUNDREDTHS: Final = 100


class Seen(NamedTuple):
    """One observation. ``known`` and ``withdrawn`` are UTC milliseconds; ``data`` is empty for types without effect."""

    on: int
    sequence: int
    received: int
    id: str
    known: int
    withdrawn: int | None
    type: str
    source: str
    source_kind: str
    message: str
    born: int | None
    content: str
    data: tuple[Value, ...]

    @property
    def order(self) -> tuple[int, int, int, str]:
        """POLICY 1, "latest": effective day, then sequence, then receipt; the id makes it total."""
        return self[:4]


class Nothing(NamedTuple):
    """A type whose day is all that counts."""


class Enrolled(NamedTuple):
    institution_type: str
    mode: str
    hours_per_week: int | None
    weeks_per_year: int | None
    predicted_end_on: int | None


class EnrolmentChanged(NamedTuple):
    mode: str | None
    hours_per_week: int | None
    weeks_per_year: int | None
    predicted_end_on: int | None


class Withdrawn(NamedTuple):
    destination: str
    destination_confirmed: bool
    destination_kind: str | None
    destination_starts_on: int | None


class Reason(NamedTuple):
    reason: str


class Provided(NamedTuple):
    kind: str
    hours_per_week: int | None
    planned_end_on: int | None


class ProvisionEnded(NamedTuple):
    completed: bool
    destination_confirmed: bool


class AttendedHours(NamedTuple):
    attended_hours_per_week: int


class Employed(NamedTuple):
    kind: str
    hours_per_week: int
    training: str
    evidence: str
    planned_end_on: int | None


class Hours(NamedTuple):
    hours_per_week: int


class JobEnded(NamedTuple):
    next_activity: str
    neet_reason: str | None


class Contact(NamedTuple):
    activity: str
    neet_reason: str | None
    since: int | None
    hours_per_week: int | None


class ContactFailed(NamedTuple):
    attempts: int
    address_current: bool


class Agreed(NamedTuple):
    kind: str
    starts_on: int | None


class Accepted(NamedTuple):
    kind: str
    starts_on: int | None
    conditional: bool


class Kind(NamedTuple):
    kind: str


class Attended(NamedTuple):
    last_attended_on: int | None


class Absent(NamedTuple):
    last_day_on: int
    days: int
    reason: str
    last_attended_on: int | None


class State(NamedTuple):
    status: str


class Disposal(NamedTuple):
    ends_on: int | None


class Custody(NamedTuple):
    kind: str
    setting: str
    education_on_site: bool


class Claim(NamedTuple):
    regime: str


class Regime(NamedTuple):
    to_regime: str


class Duty(NamedTuple):
    duty: str


class Pregnant(NamedTuple):
    due_on: int


class PregnancyEnded(NamedTuple):
    quiet_until: int | None


class Birth(NamedTuple):
    living_with_child: bool


class Abroad(NamedTuple):
    returning: bool


class Died(NamedTuple):
    confirmed: bool


class CeaseConsidered(NamedTuple):
    ground: str
    consulted: list[str]


class Consulted(NamedTuple):
    respondent: str


class Outcome(NamedTuple):
    outcome: str


class Stage(NamedTuple):
    stage: str


class Confirmed(NamedTuple):
    activity_confirmed: bool


class Held(NamedTuple):
    attended: bool


class Retracted(NamedTuple):
    retracts_id: str


#: Types with an effect, and what is read of each. The tuples' field names are the catalogue's.
READ: Final[Mapping[str, type[tuple[Any, ...]]]] = {
    "education.enrolment.started": Enrolled,
    "education.enrolment.changed": EnrolmentChanged,
    "education.enrolment.completed": Nothing,
    "education.enrolment.withdrawn": Withdrawn,
    "education.enrolment.not_enrolled": Reason,
    "education.attendance.summary": Attended,
    "education.attendance.absence": Absent,
    "provision.started": Provided,
    "provision.ended": ProvisionEnded,
    "provision.hours.summary": AttendedHours,
    "employment.started": Employed,
    "employment.hours_changed": Hours,
    "employment.ended": JobEnded,
    "contact.verified": Contact,
    "contact.failed": ContactFailed,
    "contact.in_work": Nothing,
    "start.agreed": Agreed,
    "start.cancelled": Kind,
    "provision.agreed": Agreed,
    "offer.made": Kind,
    "offer.accepted": Accepted,
    "offer.declined": Kind,
    "offer.withdrawn": Kind,
    "care.episode.started": Nothing,
    "care.episode.ended": Nothing,
    "care.leaver_status.changed": State,
    "yj.disposal.started": Disposal,
    "yj.disposal.ended": Nothing,
    "yj.custody.entered": Custody,
    "yj.custody.sentenced": Nothing,
    "yj.custody.released": Nothing,
    "uc.claim_started": Claim,
    "uc.regime_changed": Regime,
    "uc.claim_ended": Nothing,
    "housing.homelessness.approached": Nothing,
    "housing.homelessness.prevention_duty_accepted": Nothing,
    "housing.homelessness.relief_duty_accepted": Nothing,
    "housing.homelessness.main_duty_accepted": Nothing,
    "housing.homelessness.duty_ended": Duty,
    "housing.tenancy.started": Nothing,
    "circumstance.pregnant": Pregnant,
    "circumstance.pregnancy_ended": PregnancyEnded,
    "circumstance.birth": Birth,
    "circumstance.illness": Nothing,
    "circumstance.young_carer": State,
    "circumstance.moved_abroad": Abroad,
    "circumstance.died": Died,
    "ehcp.issued": Nothing,
    "ehcp.cease_considered": CeaseConsidered,
    "ehcp.consultation_responded": Consulted,
    "ehcp.cease_decided": Nothing,
    "ehcp.cease_withdrawn": Stage,
    "ehcp.mediation_certificate": Nothing,
    "ehcp.appeal_registered": Nothing,
    "ehcp.appeal_concluded": Outcome,
    "ehcp.ceased": Nothing,
    "ehcp.final_amended_plan": Agreed,
    "ehcp.review_meeting_held": Confirmed,
    "taster.attended": Nothing,
    "in_touch_day.held": Held,
    "plan.multi_agency_recorded": Nothing,
    "event.retracted": Retracted,
}

#: Types that decide a code by themselves; the limit of lateness applies to these alone.
DECIDE_A_CODE: Final = frozenset(
    {
        "education.enrolment.started",
        "education.enrolment.changed",
        "education.enrolment.completed",
        "education.enrolment.withdrawn",
        "provision.started",
        "provision.ended",
        "employment.started",
        "employment.hours_changed",
        "employment.ended",
        "contact.verified",
        "contact.failed",
        "start.agreed",
        "provision.agreed",
        "offer.accepted",
    }
)
_LAST_DAY: Final = ("predicted_end_on", "planned_end_on", "starts_on")

#: Kinds of party whose word about a job is first hand (T1); other workers' reports are T2.
EMPLOYERS_SIDE: Final = frozenset({"employment-support", "training-provider", "college"})
COUNCIL_WORKERS: Final = frozenset(
    {"social-care", "virtual-school", "youth-justice", "send", "inclusion", "employment-support", "early-help"}
)


def keep(type_name: str, data: Mapping[str, Any]) -> tuple[Value, ...]:
    """What the status keeps of the decoded data of an observation."""
    shape = READ.get(type_name)
    if shape is None:
        return ()
    return tuple(_value(data.get(name)) for name in shape._fields)  # type: ignore[attr-defined]


def _value(value: Any) -> Value:
    if isinstance(value, date):
        return value.toordinal()
    if isinstance(value, float):
        return round(value * HUNDREDTHS)
    if isinstance(value, list):
        return [str(item) for item in value]
    assert value is None or isinstance(value, str | int)
    return value


def received_on(seen: Seen) -> int:
    """Day of receipt (UTC)."""
    return seen.received // 86_400_000 + _EPOCH


def days_late(seen: Seen) -> int:
    """Days between the day of the fact and its receipt."""
    return received_on(seen) - seen.on


def last_day_told(seen: Seen) -> int:
    """The last day that the fact speaks of: its own, or a planned end."""
    fields = READ[seen.type]._fields  # type: ignore[attr-defined]
    stated = [day for name, day in zip(fields, seen.data, strict=True) if name in _LAST_DAY and isinstance(day, int)]
    return max(stated, default=seen.on)


_EPOCH: Final = date(1970, 1, 1).toordinal()


class Facts:
    """The live facts of one person, by type, each list in the policy's order."""

    __slots__ = ("_by_type",)

    def __init__(self, seen: Iterable[Seen]) -> None:
        self._by_type: dict[str, list[Seen]] = {}
        for one in seen:
            held = self._by_type.get(one.type)
            if held is None:
                self._by_type[one.type] = [one]
            else:
                held.append(one)

    def of(self, type_name: str) -> list[Seen]:
        return self._by_type.get(type_name, _NONE)

    def any_of(self, *types: str) -> list[Seen]:
        """Facts of several types in the policy's order."""
        found = [held for name in types if (held := self._by_type.get(name)) is not None]
        if not found:
            return _NONE
        return found[0] if len(found) == 1 else sorted(one for held in found for one in held)

    def has(self, *types: str) -> bool:
        return not self._by_type.keys().isdisjoint(types)


_NONE: Final[list[Seen]] = []
