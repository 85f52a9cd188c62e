"""The words of alerts: titles, what to do, how a fact is told. No names, no values, no markup."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

#: Rule -> (category that the title gives away, title, title for those who may not see that category).
TITLES: Mapping[str, tuple[str, str, str]] = {
    "A01": ("status", "Not in education, employment or training: priority group", "Support needed: priority group"),
    "A02": ("status", "Left learning, destination unknown", "Contact needed"),
    "A03": ("status", "Not in education, employment or training", "Contact needed"),
    "A04": ("status", "Status lapsing or not known", "Contact needed"),
    "A05": ("status", "Sources disagree", "Contact needed"),
    "A06": ("status", "Long time not in education, employment or training", "Review needed"),
    "A07": ("status", "Agreed start not taken up", "Contact needed"),
    "A08": ("education", "September Guarantee: no offer", "Contact needed"),
    "A09": ("attendance", "Attendance below the first limit", "Support needed"),
    "A10": ("attendance", "Attendance very low", "Support needed"),
    "A11": ("attendance", "Absent for several days without explanation", "Support needed"),
    "A12": ("education", "Provider intends to withdraw the learner", "Support needed"),
    "A13": ("education", "School-age child out of school", "Support needed"),
    "A14": ("education", "Year 11: no destination or no guidance", "Guidance needed"),
    "A15": ("care", "Placement move while in education, employment or training", "A move that may affect learning"),
    "A16": ("care", "Personal education plan missing", "Education planning needed"),
    "A17": ("care", "Pathway plan out of date", "Planning needed"),
    "A18": ("plan", "No multi-agency plan yet", "Planning needed"),
    "A19": ("plan", "Taster day due", "Contact needed"),
    "A20": ("plan", "In-Touch day missed", "Contact needed"),
    "A21": ("employment", "Contact in work missed", "Contact needed"),
    "A22": ("employment", "Job lost or at risk", "Support needed"),
    "A23": ("health", "No health service involved", "Support needed"),
    "A24": ("pregnancy", "Pregnancy or parenthood", "Change of circumstances: priority group"),
    "A25": ("plan", "Several needs at once", "Several needs at once"),
    "A26": ("send", "Ceasing of the education, health and care plan considered", "Consultation needed"),
    "A27": ("send", "Education, health and care plan and not in learning", "Review needed"),
    "A28": ("send", "The education, health and care plan may not be ceased like this", "A legal check is needed"),
    "A29": ("send", "Plan review deadline missed", "Review needed"),
    "A30": ("youth_justice", "Too few hours of education, training or employment", "Support needed"),
    "A31": ("youth_justice", "Order ends soon with too few hours", "Support needed"),
    "A32": ("youth_justice", "Entered custody", "Change of circumstances"),
    "A33": ("youth_justice", "Release without a plan", "Accommodation needed soon"),
    "A34": ("identity", "Turning 18 soon", "Turning 18 soon"),
    "A35": ("benefit", "Universal Credit trouble", "Support needed"),
    "A36": ("housing", "Homelessness risk", "Safeguarding: act today"),
    "A37": ("housing", "Rent rises with work", "Support needed"),
    "A38": ("contact", "Lives in the area of another council", "Notice to another council needed"),
    "A39": ("", "Data came without an agreement", "Data came without an agreement"),
    "A40": ("", "A partner's feed is silent or out of the ordinary", "A partner's feed is silent"),
    "MR": ("", "Match review", "Match review"),
}

TITLE_OTHERS = ("", "Alert", "Alert")

#: What is out of the ordinary about a feed (A40).
FEED: Mapping[str, str] = {
    "late": "the next extract is later than agreed.",
    "volume": "the last extract has far fewer rows than usual.",
    "leavers": "the last extract has far more leavers than usual.",
}

#: Why a party was refused (A39).
REFUSED: Mapping[str, str] = {
    "no_agreement": "no agreement covers them",
    "not_in_agreement": "they hold what the agreement does not cover or what the learner holds back",
    "suspended": "the agreement is suspended",
    "wrong_principal": "they were sent in the name of another party",
}

#: A39 besides refusals, by its tag: nothing in it is of a young person, so everybody who is told reads it.
BREACHES: Mapping[str, str] = {
    "after_consent": "Told after consent had ended",
    "overreach": "A role tried what it may not",
}
TRIED: Mapping[str, str] = {
    "page": "pages",
    "act": "acts",
    "emergency": "emergency openings",
    "role": "questions as another role",
    "scope": "addresses outside its scope",
}

TODO: Mapping[str, tuple[str, ...]] = {
    "A01": ("Contact the young person.", "Agree next steps and record the contact."),
    "A02": ("Contact the young person.", "Record the present activity."),
    "A03": ("Contact the young person.", "Record the present activity."),
    "A04": ("Check the present activity and record it.",),
    "A05": ("Ask which statement is right and record the contact.",),
    "A06": ("Bring the case to the panel.",),
    "A07": ("Find out whether the start was taken up.", "Record the contact or a new start."),
    "A08": ("Help to find a suitable place and record the offer.",),
    "A09": ("Talk about attendance with the young person and the provider.",),
    "A10": ("Talk about attendance with the young person and the provider.",),
    "A11": ("Find out the reason and record it.",),
    "A12": ("Talk with the provider before the planned date.",),
    "A13": ("Secure a place and record its start.",),
    "A36": ("Act today under the joint protocol.",),
    "A39": ("Find out today what was sent, told or tried, and have it put right.", "Record the outcome."),
    "MR": ("Decide in match review who the record is about.",),
}
TODO_OTHERS = ("Look at the case and record the outcome.",)
#: Rules whose advice says no more than the title that everybody reads.
_TODO_FOR_ALL = frozenset({"A36", "A39", "MR"})

#: How a type of fact is told: "<party> told us on <day> that …".
SAYS: Mapping[str, str] = {
    "education.enrolment.started": "the young person started there",
    "education.enrolment.withdrawn": "the young person left",
    "education.enrolment.completed": "the course was completed",
    "education.attendance.summary": "attendance was counted",
    "education.attendance.absence": "the young person was absent",
    "education.withdrawal.intended": "a withdrawal is intended",
    "education.provision_gap.recorded": "the child is out of full-time education",
    "september_guarantee.status": "there is a September Guarantee status",
    "offer.accepted": "a place was accepted",
    "start.agreed": "a start was agreed",
    "provision.agreed": "a start was agreed",
    "provision.started": "the young person started there",
    "provision.ended": "the provision ended",
    "pep.completed": "a personal education plan was made",
    "employment.started": "a job began",
    "employment.ended": "a job ended",
    "employment.hours_changed": "working hours changed",
    "employment.concern_raised": "the job may be at risk",
    "contact.verified": "a worker spoke with the young person",
    "uc.claim_started": "a Universal Credit claim began",
    "uc.regime_changed": "the Universal Credit regime changed",
    "uc.claim_ended": "a Universal Credit claim ended",
    "uc.sanctioned": "a sanction began",
    "uc.commitment_missed": "a commitment was missed",
    "care.episode.started": "the child became looked after",
    "care.placement.changed": "the placement changed",
    "pathway_plan.reviewed": "the pathway plan was reviewed",
    "yj.custody.entered": "custody began",
    "yj.disposal.started": "a disposal began",
    "housing.homelessness.approached": "help with housing was asked for",
    "housing.notice.served": "a notice to leave was served",
    "housing.temporary_accommodation.placed": "temporary accommodation was given",
    "housing.tenancy.ended": "the home was left",
    "housing.rent_contribution_changed": "the rent contribution changes",
    "circumstance.pregnant": "a pregnancy is known",
    "circumstance.birth": "a child was born",
    "circumstance.address_changed": "the address changed",
    "ehcp.issued": "a plan is in force",
    "ehcp.cease_considered": "ceasing the plan is considered",
    "ehcp.cease_decided": "ceasing the plan was decided",
    "ehcp.ceased": "the plan was closed",
    "ehcp.review_meeting_held": "a review meeting was held",
    "ehcp.amend_notice_sent": "an amendment notice was sent",
}
SAYS_OTHERWISE = "something changed"

GROUPS: Mapping[str, str] = {
    "EET": "In education, employment or training",
    "EET_SOFT": "In education, employment or training",
    "PRE16_IN": "In education",
    "NEET": "Not in education, employment or training",
    "NEET_UNAVAILABLE": "Not available",
    "NEET_AWAITING_START": "Start agreed",
    "NOT_KNOWN": "Not known",
}
GROUP_NAMES: Mapping[str, str] = {
    "looked_after": "looked after",
    "care_leaver": "care leaver",
    "yj_open": "youth justice",
    "ehcp": "education, health and care plan",
    "pregnant_or_parent": "pregnant or parent",
    "young_carer": "young carer",
    "homeless": "homeless",
}
ROLE_NAMES: Mapping[str, str] = {
    "csc-front-door": "children's social care front door",
    "virtual-school": "Virtual School",
    "inclusion-team": "Inclusion Team",
    "eet-panel": "EET panel",
    "yjt-case-manager": "youth justice case manager",
    "yjt-education-coordinator": "youth justice education coordinator",
    "yjt-manager": "youth justice manager",
    "sena-caseworker": "SEND caseworker",
    "sena-manager": "SEND manager",
    "est": "Employment Support Team",
    "tbag-coordinator": "teenage parent support coordinator",
    "provider-welfare": "the provider's welfare lead",
    "school-careers-lead": "school careers lead",
    "school-safeguarding-lead": "designated safeguarding lead",
    "dwp-spoc": "Jobcentre Plus contact",
    "dhp-officer": "housing payments officer",
    "agency-spoc": "data contact of the partner",
    "dpo": "data protection officer",
}
NOT_SHOWN = "Not shown"

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day(value: date) -> str:
    """3 Nov 2025."""
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def listed(items: list[str]) -> str:
    """a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def title(rule: str) -> str:
    """The title of a rule, for those who may read it."""
    return TITLES.get(rule, TITLE_OTHERS)[1]


def todo(rule: str, *, masked: bool) -> tuple[str, ...]:
    """What to do next. To a reader from whom the title is masked, advice would say what the rule is about."""
    return TODO_OTHERS if masked and rule not in _TODO_FOR_ALL else TODO.get(rule, TODO_OTHERS)


def role(name: str) -> str:
    """A role id in words."""
    return ROLE_NAMES.get(name, name.replace("-", " "))


def label(name: str) -> str:
    return sentence_case(name.removesuffix("_on").replace("_", " "))
