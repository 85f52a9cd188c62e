"""What else agencies know of some: care, plans, youth justice, housing, health."""

from __future__ import annotations

from datetime import date, timedelta

from hub.sample.people import FIRST_DAY
from hub.sample.statement import Life

CARE, SEND, YJT = "northshire-social-care", "northshire-send", "northshire-youth-justice"
#: Team and worker of contracts/teams.yaml, by role; tests check that they are there.
WORKERS = {
    "social-worker": (("csc-north", "w-1101"), ("csc-north", "w-1104"), ("csc-south", "w-1102")),
    "personal-adviser": (
        ("leaving-care-east", "w-2041"),
        ("leaving-care-east", "w-2055"),
        ("leaving-care-west", "w-2061"),
    ),
    "sena-caseworker": (("sena-west", "w-6010"), ("sena-east", "w-6022")),
    "yjt-case-manager": (("yjt", "w-5010"),),
    "early-help": (("early-help", "w-7001"),),
    "virtual-school": (("virtual-school", "w-2501"),),
}


def _case(life: Life, service: str, role: str) -> dict[str, str]:
    team, worker = life.draw.choice(WORKERS[role])
    return {"service": service, "role": role, "team": team, "worker_ref": worker}


def circumstances(life: Life, days: int) -> None:
    """Draw which services know the person, and tell what they say."""
    age = life.person.age_on(FIRST_DAY)
    in_care = age < 18 and life.chance(7)
    left_care = age >= 18 and life.chance(8)
    if in_care:
        looked_after(life, days)
    elif left_care:
        care_leaver(life, days)
    # Plans are far more common among children in care and those who have left it.
    if life.chance(30 if in_care or left_care else 6):
        plan(life, days)
    if 15 <= age < 18 and life.chance(5):
        youth_justice(life, days)
    if age >= 16 and life.chance(3):
        homeless(life, days)
    if life.person.sex == "female" and age >= 16 and life.chance(2.5):
        pregnant(life, days)
    if life.chance(3):
        address = {"address_authority": life.draw.choice(("northshire", "eastmarsh")), "no_fixed_abode": False}
        life.say("northshire-inclusion", "circumstance.address_changed", life.day(5, days - 1), address)


def _before(life: Life, least: int, most: int) -> date:
    return FIRST_DAY - timedelta(days=life.draw.randint(least, most))


def looked_after(life: Life, days: int) -> None:
    started = _before(life, 60, 2000)
    placement = {"placement_type": "foster_care", "placement_authority": "northshire", "out_of_area": False}
    basis = life.draw.choice(("care_order", "section_20"))
    care = {"legal_basis": basis, "planned": True, "education_changes": False}
    life.say(CARE, "care.episode.started", started, placement | care)
    life.say(CARE, "case.assigned", _before(life, 10, 400), _case(life, "social_care", "social-worker"))
    school = _case(life, "virtual_school", "virtual-school")
    life.say("northshire-virtual-school", "case.assigned", started + timedelta(days=3), school)
    pep = {"social_worker_attended": True, "quality": life.draw.choice(("good", "requires_work"))}
    life.say("northshire-virtual-school", "pep.completed", life.day(20, days - 1), pep)
    if life.chance(25):
        far = life.chance(40)
        moved = {"planned": life.chance(50), "same_carer": False, "education_changes": life.chance(40)}
        where = {"placement_authority": "eastmarsh" if far else "northshire", "out_of_area": far}
        data = moved | where | {"placement_type": "foster_care", "distance_miles": 28 if far else 4}
        life.say(CARE, "care.placement.changed", life.day(10, days - 1), data, delay=life.draw.choice((1, 4, 9)))


def care_leaver(life: Life, days: int) -> None:
    eighteenth = _birthday(life.person.born, 18)
    life.say(CARE, "care.leaver_status.changed", eighteenth, {"status": "former_relevant"})
    assigned = _case(life, "leaving_care", "personal-adviser")
    life.say(CARE, "case.assigned", min(eighteenth + timedelta(days=5), FIRST_DAY), assigned)
    if life.chance(70):
        reviewed = life.day(5, days - 1)
        plan_data = {"eet_section_complete": life.chance(80), "next_review_on": reviewed + timedelta(days=182)}
        life.say(CARE, "pathway_plan.reviewed", reviewed, plan_data)
    if life.chance(40):
        home = {"accommodation": life.draw.choice(("independent", "supported_housing", "with_former_foster_carer"))}
        data_home = home | {"suitable": life.chance(85), "address_authority": "northshire"}
        life.say(CARE, "care.accommodation.recorded", life.day(3, days - 1), data_home)
    if life.chance(20):
        rent = {"weekly_amount_pence": 9400, "previous_weekly_amount_pence": 2100, "cause": "in_work"}
        rent_data = rent | {"supported_housing": True}
        life.say("havenway-housing", "housing.rent_contribution_changed", life.day(10, days - 1), rent_data)
    if life.chance(30):
        recipients = {"purpose": "dwp_sharing", "recipients": ["dwp-spoc"], "given_by": "young_person"}
        life.say(CARE, "consent.given", life.day(1, days - 1), recipients)


def _birthday(born: date, age: int) -> date:
    try:
        return born.replace(year=born.year + age)
    except ValueError:
        return date(born.year + age, 3, 1)


def plan(life: Life, days: int) -> None:
    """An education, health and care plan; some are reviewed, a few are about to be ceased."""
    need = life.draw.choice(("SEMH", "ASD", "SLCN", "MLD"))
    issued = {
        "plan_ref": f"EHC-{life.person.number:05d}",
        "primary_need": need,
        "last_review_on": _before(life, 30, 360),
    }
    life.say(SEND, "ehcp.issued", _before(life, 400, 1500), issued)
    life.say(SEND, "case.assigned", _before(life, 20, 300), _case(life, "send", "sena-caseworker"))
    what = life.draw.random()
    if what < 0.45:
        held = life.day(10, days - 1)
        life.say(SEND, "ehcp.review_booked", held - timedelta(days=14), {"meeting_on": held})
        review = {"review_kind": "annual", "activity_confirmed": life.chance(60)}
        life.say(SEND, "ehcp.review_meeting_held", held, review)
    elif what < 0.65:
        cease(life, days)


def cease(life: Life, days: int) -> None:
    ground = life.draw.choice(("outcomes_achieved", "not_in_education", "provision_no_longer_necessary"))
    considered = life.day(10, days - 40)
    consulted = ["young_person", "named_institution"]
    life.say(SEND, "ehcp.cease_considered", considered, {"ground": ground, "consulted": consulted})
    if life.chance(40):
        answer = {"respondent": "corporate_parenting", "view": "opposes", "wish": "supported_internship"}
        life.say(CARE, "ehcp.consultation_responded", considered + timedelta(days=12), answer)
    if life.chance(60):
        decided = considered + timedelta(days=25)
        life.say(SEND, "ehcp.cease_decided", decided, {"ground": ground, "appeal_rights_enclosed": life.chance(85)})
        if life.chance(50):
            life.say(SEND, "ehcp.ceased", decided + timedelta(days=life.draw.randint(5, 70)), {"ground": ground})
    elif life.chance(30):
        life.say(SEND, "ehcp.cease_withdrawn", considered + timedelta(days=20), {"stage": "considered"})


def youth_justice(life: Life, days: int) -> None:
    started = life.day(-120, 40)
    life.say(YJT, "case.assigned", started, _case(life, "youth_justice", "yjt-case-manager"))
    ends = started + timedelta(days=life.draw.choice((90, 180, 365)))
    kind = life.draw.choice(("referral_order", "youth_rehabilitation_order", "youth_conditional_caution"))
    offered = life.draw.choice((0, 12, 25))
    life.say(YJT, "yj.disposal.started", started, {"kind": kind, "ends_on": ends, "ete_hours_offered": offered})
    for n in range(30, days, 30):
        until = FIRST_DAY + timedelta(days=n)
        attended = max(0, offered - life.draw.choice((0, 2, 8)))
        hours = {"offered_hours_per_week": offered, "attended_hours_per_week": attended}
        if until > started:
            life.say(YJT, "yj.hours.summary", until, hours | {"period_from": until - timedelta(days=27)})
    if life.chance(8):
        entered = life.day(20, days - 30)
        release = entered + timedelta(days=60)
        custody = {"kind": "sentence", "setting": "young_offender_institution", "education_on_site": True}
        life.say(YJT, "yj.custody.entered", entered, custody | {"planned_release_on": release})


def homeless(life: Life, days: int) -> None:
    housing, came = "northshire-housing", life.day(5, days - 10)
    why = life.draw.choice(("family_breakdown", "sofa_surfing", "end_of_placement"))
    told = {"circumstance": why, "authority": "northshire"}
    life.say(housing, "housing.homelessness.approached", came, told, delay=1)
    if life.chance(60):
        life.say(housing, "housing.homelessness.prevention_duty_accepted", came + timedelta(days=4), told)
    if life.chance(40):
        placed = {"kind": "supported", "authority": "northshire"}
        life.say(housing, "housing.temporary_accommodation.placed", came + timedelta(days=6), placed)


def pregnant(life: Life, days: int) -> None:
    told, helpers = life.day(3, days - 1), "northshire-early-help"
    due = told + timedelta(days=life.draw.randint(60, 200))
    life.say(helpers, "circumstance.pregnant", told, {"due_on": due})
    life.say(helpers, "case.assigned", told, _case(life, "early_help", "early-help"))
    roles = ["tbag-coordinator", "early-help"]
    if life.chance(60):
        consent = {"purpose": "teenage_parent_support", "recipients": roles, "given_by": "young_person"}
        life.say(helpers, "consent.given", told + timedelta(days=2), consent)
    else:
        life.say(helpers, "consent.refused", told, {"purpose": "teenage_parent_support", "recipients": roles})
