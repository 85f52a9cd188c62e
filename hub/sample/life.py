"""The main activity of a young person over the autumn: learning, work, neither, and the steps between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from hub.sample.people import FIRST_DAY
from hub.sample.statement import Life

TERM_STARTS = FIRST_DAY + timedelta(days=7)
COLLEGES = ("northvale-college", "northvale-college", "southmere-college")
COLLEGE_DAYS_A_WEEK = 4


def activity(life: Life, days: int) -> None:
    """Draw the main activity by age and tell it."""
    age = life.person.age_on(FIRST_DAY)
    if age < 18:
        life.say("northshire-inclusion", "person.registered", FIRST_DAY - timedelta(days=200), {"register": "ccis"})
        life.say("northshire-inclusion", "case.assigned", FIRST_DAY - timedelta(days=190), _inclusion(life))
    choose = YOUNGER if age < 18 else OLDER
    told: Told = life.draw.choices([told for told, _ in choose], weights=[weight for _, weight in choose])[0]
    told(life, days)


def _inclusion(life: Life) -> dict[str, str]:
    side = life.draw.choice(("north", "south"))
    return {"service": "inclusion", "role": "inclusion-team", "team": f"inclusion-{side}"}


def _weeks(days: int, first: int, every: int) -> list[date]:
    return [FIRST_DAY + timedelta(days=n) for n in range(first, days, every)]


def in_school(life: Life, days: int) -> None:
    person = life.person
    sixth = person.age_on(FIRST_DAY) >= 16
    school = "northgate-academy"
    life.say(
        school,
        "education.enrolment.started",
        FIRST_DAY + timedelta(days=2),
        {
            "institution_type": "school_sixth_form" if sixth else "school",
            "mode": "full_time",
            "hours_per_week": 25,
            "weeks_per_year": 39,
            "year_group": 12 if sixth else 11,
            "predicted_end_on": date(2027, 7, 21) if sixth else date(2026, 6, 26),
        },
    )
    if not sixth:
        life.say(school, "education.careers_interview.held", life.day(20, days - 5), {"year_group": 11}, delay=3)
        guarantee = {"status": life.draw.choice(("offer_made", "not_recorded", "no_offer")), "year_group": 11}
        life.say(school, "september_guarantee.status", life.day(40, days - 5), guarantee)
    attendance(life, days, school, 85 if life.chance(8) else 95)
    if sixth and life.chance(5):
        leaves(life, days, school)


def at_college(life: Life, days: int) -> None:
    special = life.person.number % 40 == 0
    college = "hollybank-college" if special else life.draw.choice(COLLEGES)
    part_time = life.chance(8)
    life.say(
        college,
        "education.enrolment.started",
        TERM_STARTS,
        {
            "institution_type": "special_post16" if special else "further_education",
            "mode": "part_time" if part_time else "full_time",
            "hours_per_week": 8 if part_time else 17,
            "weeks_per_year": 36,
            "level": life.draw.choice(("entry", "level_1", "level_2", "level_3")),
            "subject_area": life.draw.choice(("construction", "business", "childcare", "engineering", "creative")),
            "predicted_end_on": date(2026, 7, 3),
        },
    )
    struggling = life.chance(15)
    attendance(life, days, college, 80 if struggling else 94)
    if life.chance(35 if struggling else 5):
        leaves(life, days, college)


def at_university(life: Life, days: int) -> None:
    data = {"institution_type": "higher_education", "mode": "full_time", "predicted_end_on": date(2028, 6, 30)}
    university = "university-of-eastmarsh"
    life.say(university, "education.enrolment.started", FIRST_DAY + timedelta(days=21), data)
    if life.chance(3):
        leaves(life, days, university)


def in_training(life: Life, days: int) -> None:
    started = life.day(3, 30)
    kind = life.draw.choice(("apprenticeship", "work_based_learning", "re_engagement", "supported_internship"))
    trainer = "millbrook-training"
    life.say(trainer, "provision.started", started, {"kind": kind, "hours_per_week": life.draw.choice((16, 20, 30))})
    for until in _weeks(days, 45, 30):
        offered = life.draw.choice((16, 20, 25))
        data = {
            "period_from": until - timedelta(days=27),
            "offered_hours_per_week": offered,
            "attended_hours_per_week": offered - life.draw.choice((0, 0, 1, 2, 9)),
        }
        life.say(trainer, "provision.hours.summary", until, data)
    if life.chance(15):
        ended = {"completed": False, "reason": "changed_mind", "destination": "unknown", "destination_confirmed": False}
        life.say(trainer, "provision.ended", life.day(40, days - 10), ended)
        finds_out(life, days)


def in_work(life: Life, days: int) -> None:
    started = FIRST_DAY - timedelta(days=life.draw.randint(5, 300))
    by_est = life.chance(60)
    party = "northshire-est" if by_est else "northshire-inclusion"
    data = {
        "kind": life.draw.choice(("permanent", "permanent", "temporary", "zero_hours", "apprenticeship")),
        "hours_per_week": life.draw.choice((10, 16, 24, 37, 37)),
        "training": life.draw.choice(("none", "none", "other", "regulated")),
        "evidence": life.draw.choice(("contract", "payslip", "self_report")),
        "supported_by_est": by_est,
    }
    life.say(party, "employment.started", started, data)
    if life.chance(10):
        life.say(party, "employment.hours_changed", life.day(10, days - 1), {"hours_per_week": 12})
    if life.chance(18):
        lost = life.day(10, days - 15)
        reason = life.draw.choice(("contract_ended", "dismissed", "resigned", "not_given"))
        ended = {"reason": reason, "next_activity": life.draw.choice(("not_in_eet", "unknown"))}
        if ended["next_activity"] == "not_in_eet":
            ended["neet_reason"] = life.draw.choice(("seeking", "not_ready", "illness"))
        life.say(party, "employment.ended", lost, ended)
        claims(life, days, lost)


def in_neither(life: Life, days: int) -> None:
    since = FIRST_DAY - timedelta(days=life.draw.randint(20, 260))
    if life.person.age_on(since) < 16:
        since = FIRST_DAY
    if life.person.age_on(since) >= 18:
        claims(life, days, since)
    verified(life, life.day(2, 40), "not_in_eet", life.draw.choice(("seeking", "not_ready", "illness", "other")))
    if life.chance(45):
        returns(life, days, 40)


def not_known(life: Life, days: int) -> None:
    """The tracking team knocks in vain; sometimes a college says that nobody came."""
    if life.chance(50):
        college = life.draw.choice(COLLEGES)
        reason = life.draw.choice(("did_not_attend", "not_yet_enrolled", "unknown"))
        life.say(college, "education.enrolment.not_enrolled", life.day(14, 28), {"reason": reason})
    for _ in range(life.draw.randint(1, 3)):
        tried = {"contact_role": "tracking-team", "attempts": life.draw.randint(1, 3), "address_current": True}
        life.say("northshire-inclusion", "contact.failed", life.day(15, days - 1), tried)


def attendance(life: Life, days: int, party: str, usual: int) -> None:
    """Monthly summaries around ``usual`` per cent, and spells of absence when it is low."""
    for until in _weeks(days, 32, 28):
        percent = min(100, max(20, usual + life.draw.randint(-6, 6)))
        data = {"period_from": until - timedelta(days=27), "days_counted": 18, "percent": percent}
        life.say(party, "education.attendance.summary", until, data)
    if usual < 90 and life.chance(50):
        first = life.day(20, days - 12)
        spell = life.draw.randint(3, 8)
        data = {"last_day_on": first + timedelta(days=spell + 1), "days": spell, "reason": "unexplained"}
        life.say(party, "education.attendance.absence", first, data, delay=spell + 2)


def leaves(life: Life, days: int, party: str) -> None:
    left = life.day(30, days - 12)
    destination = life.draw.choice(("unknown", "unknown", "not_in_eet", "employment", "training"))
    reason = life.draw.choice(("non_attendance", "changed_mind", "course_unsuitable", "not_given", "work"))
    data = {"reason": reason, "destination": destination, "destination_confirmed": False}
    life.say(party, "education.enrolment.withdrawn", left, data, delay=life.draw.choice((0, 1, 3, 6, 12)))
    if life.person.age_on(left) >= 18 and life.chance(50):
        claims(life, days, left)
    finds_out(life, days)


def claims(life: Life, days: int, since: date) -> None:
    """Universal Credit, from 18 on; the claim ends in work now and then."""
    if life.person.age_on(since) < 18:
        return
    regime = life.draw.choice(("UAA", "UAA", "UAA", "UBC", "UDF"))
    jcp = "jobcentre-plus"
    life.say(jcp, "uc.claim_started", since + timedelta(days=life.draw.randint(2, 20)), {"regime": regime})
    if life.chance(12):
        life.say(jcp, "uc.commitment_missed", life.day(15, days - 1), {"kind": "appointment"})
    if life.chance(6):
        life.say(jcp, "uc.sanctioned", life.day(20, days - 1), {"level": "low"})
    if life.chance(20):
        life.say(jcp, "uc.claim_ended", life.day(40, days - 1), {"reason": "work"})


def finds_out(life: Life, days: int) -> None:
    if life.chance(60):
        verified(life, life.day(45, days - 3), "not_in_eet", "seeking")
        if life.chance(50):
            returns(life, days, 60)


def verified(life: Life, on: date, what: str, reason: str) -> None:
    data = {"contact_role": "tracking-team", "method": life.draw.choice(("phone", "visit", "office")), "activity": what}
    life.say("northshire-inclusion", "contact.verified", on, data | {"neet_reason": reason})


def returns(life: Life, days: int, earliest: int) -> None:
    """Back into something: an agreed start first, then perhaps the start itself."""
    starts = life.day(earliest, days + 10)
    trainer = "millbrook-training"
    agreed = {"kind": "re_engagement", "starts_on": starts, "hours_per_week": 16}
    life.say(trainer, "start.agreed", starts - timedelta(days=life.draw.randint(5, 14)), agreed)
    if life.chance(80):
        life.say(trainer, "provision.started", starts, {"kind": "re_engagement", "hours_per_week": 16})


Told = Callable[[Life, int], None]
YOUNGER: list[tuple[Told, int]] = [
    (in_school, 46), (at_college, 36), (in_training, 7), (in_work, 3), (in_neither, 4), (not_known, 4),
]  # fmt: skip
OLDER: list[tuple[Told, int]] = [
    (at_university, 22), (at_college, 14), (in_work, 40), (in_training, 5), (in_neither, 14), (not_known, 5),
]  # fmt: skip
