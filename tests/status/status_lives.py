"""Invented lives for laws: random facts of the types that decide a status."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st
from told import event

START = date(2025, 1, 6)
DAY = st.integers(0, 420).map(lambda n: START + timedelta(days=n))
KIND = st.sampled_from(
    ["apprenticeship", "re_engagement", "further_education", "employment_without_training", "voluntary"]
)
AGENCY = st.sampled_from(["college", "other college", "provider", "school"])
WORKER = st.sampled_from(["inclusion", "social care", "est"])
REASON = st.sampled_from(["seeking", "not_ready", "illness", "young_carer"])


def fact(
    name: str, of: st.SearchStrategy[str], /, **fields: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"is": st.just(name), "of": of, "day": DAY, **fields})


FACT = st.one_of(
    fact("enrolled", AGENCY, hours_per_week=st.integers(5, 20), predicted_end_on=DAY),
    fact("enrolment changed", AGENCY, hours_per_week=st.integers(5, 20)),
    fact("withdrawn", AGENCY, destination_confirmed=st.booleans(), destination_starts_on=st.one_of(st.none(), DAY)),
    fact("completed", AGENCY),
    fact("provision.started", AGENCY, kind=KIND, planned_end_on=st.one_of(st.none(), DAY)),
    fact("provision.ended", AGENCY, completed=st.booleans()),
    fact(
        "job", WORKER, hours_per_week=st.integers(8, 40), kind=st.sampled_from(["permanent", "voluntary", "temporary"])
    ),
    fact(
        "job ended", WORKER, next_activity=st.sampled_from(["not_in_eet", "unknown", "education"]), neet_reason=REASON
    ),
    fact("contact", WORKER, activity=st.just("not_in_eet"), neet_reason=REASON, since=st.one_of(st.none(), DAY)),
    fact("contact", WORKER, activity=st.one_of(KIND, st.sampled_from(["not_disclosed", "unknown"])), since=DAY),
    fact("contact.failed", WORKER, attempts=st.integers(1, 4), address_current=st.booleans()),
    fact("start.agreed", WORKER, kind=KIND, starts_on=DAY),
    fact("start.cancelled", WORKER, kind=KIND),
    fact("offer.accepted", st.just("college"), kind=KIND, starts_on=DAY),
    fact("not enrolled", st.just("college"), reason=st.sampled_from(["declined", "not_yet_enrolled"])),
    fact("uc.claim_started", st.just("jobcentre"), regime=st.sampled_from(["UAA", "UBC", "UDF"])),
    fact("uc.regime_changed", st.just("jobcentre"), to_regime=st.sampled_from(["UAA", "UBC", "UCE"])),
    fact("uc.claim_ended", st.just("jobcentre")),
    fact("yj.custody.entered", st.just("youth justice"), education_on_site=st.booleans()),
    fact("yj.custody.released", st.just("youth justice")),
    fact("circumstance.pregnant", st.just("social care"), due_on=DAY),
    fact("circumstance.birth", st.just("social care")),
    fact("circumstance.moved_abroad", st.just("social care"), returning=st.booleans()),
    fact("circumstance.died", st.just("social care"), confirmed=st.booleans()),
    fact("education.attendance.absence", AGENCY, last_day_on=DAY, days=st.integers(1, 15)),
    fact("education.attendance.summary", AGENCY, last_attended_on=DAY),
    fact("contact.in_work", WORKER, contact_role=st.just("est"), concerns=st.booleans()),
    fact("education.careers_interview.held", AGENCY, year_group=st.integers(10, 12)),
    fact("ehcp.issued", st.just("send")),
    fact("ehcp.cease_considered", st.just("send"), ground=st.sampled_from(["outcomes_achieved", "not_in_education"])),
    fact("ehcp.cease_decided", st.just("send")),
    fact("ehcp.ceased", st.just("send")),
    fact("ehcp.cease_withdrawn", st.just("send"), stage=st.sampled_from(["considered", "ceased"])),
    fact("event.retracted", AGENCY, retracts_id=st.integers(1, 12).map(lambda n: f"M{n}")),
)


@st.composite
def life(draw: st.DrawFn, facts_max: int = 12) -> list[dict[str, Any]]:
    """Events of one life, each received some days after its day; delays are random, so arrival is out of order."""
    told = draw(st.lists(FACT, min_size=1, max_size=facts_max))
    events = []
    for n, one in enumerate(told, start=1):
        delay = draw(st.integers(0, 60))
        fields = {key: value for key, value in one.items() if value is not None}
        events.append(event(n, "2008-06-15", {**fields, "at": one["day"] + timedelta(days=delay)}))
    return sorted(events, key=lambda e: str(e["received_at"]))
