"""NCCIS activity codes, their groups and their order. Confirmed in public sources; judgements are in codes.yaml."""

from __future__ import annotations

from typing import Final

GROUPS: Final[dict[str, str]] = {
    "110": "PRE16_IN",
    "120": "PRE16_IN",
    "130": "CUSTODY",
    "140": "PRE16_OUT",
    "150": "PRE16_UNKNOWN",
    "210": "EET",
    "220": "EET",
    "230": "EET",
    "240": "EET",
    "250": "EET",
    "260": "EET_SOFT",
    "270": "EET",
    "280": "EET",
    "290": "CUSTODY",
    "310": "EET",
    "320": "EET",
    "330": "EET",
    "340": "EET",
    "350": "EET",
    "360": "EET",
    "380": "EET",
    "381": "EET",
    "410": "EET",
    "430": "EET",
    "440": "EET",
    "450": "EET",
    "460": "EET",
    "530": "EET_SOFT",
    "540": "NEET",
    "550": "EET",
    "610": "NEET",
    "615": "NEET_AWAITING_START",
    "616": "NEET_AWAITING_START",
    "619": "NEET",
    "620": "NEET_UNAVAILABLE",
    "630": "NEET_UNAVAILABLE",
    "640": "NEET_UNAVAILABLE",
    "650": "NEET_UNAVAILABLE",
    "660": "NEET_UNAVAILABLE",
    "670": "NEET_UNAVAILABLE",
    "680": "NEET_UNAVAILABLE",
    "710": "CUSTODY",
    "810": "NOT_KNOWN",
    "820": "NOT_KNOWN",
    "830": "NOT_KNOWN",
}

NOT_KNOWN: Final = "810"
NO_CONTACT: Final = "820"
NOT_DISCLOSED: Final = "830"
VOLUNTARY: Final = "540"
PART_TIME_EDUCATION: Final = "250"

EET_GROUPS: Final = frozenset({"EET", "EET_SOFT", "PRE16_IN"})
NEET_GROUPS: Final = frozenset({"NEET", "NEET_UNAVAILABLE"})
AWAITING: Final = "NEET_AWAITING_START"

#: Codes of a job. An apprenticeship is a job and learning at once.
JOBS: Final = frozenset({"310", "320", "330", "340", "350", "360", "380", "381"})
#: Codes of learning.
LEARNING: Final = frozenset(
    {"110", "120", "210", "220", "230", "240", "250", "260", "270", "280", "310"}
    | {"410", "430", "440", "450", "460", "530"}
)
EDUCATION: Final = frozenset({"110", "120", "210", "220", "230", "240", "250", "260", "270", "280"})

_MAIN_ACTIVITY: Final = (
    ("530", "260"),
    ("360",),
    ("250",),
    ("330", "340", "350", "380"),
    ("320", "381", "550"),
    ("110", "120", "210", "220", "230", "240", "270", "280", "410", "430", "440", "450", "460"),
    ("310",),
)
#: POLICY 3.2: the higher number is the main activity.
RANK: Final[dict[str, int]] = {code: n for n, codes in enumerate(_MAIN_ACTIVITY) for code in codes}

#: Enrolment at an institution of this type, full time.
OF_INSTITUTION: Final[dict[str, str]] = {
    "school": "110",
    "school_sixth_form": "210",
    "sixth_form_college": "220",
    "further_education": "230",
    "higher_education": "240",
    "special_post16": "280",
    "other": "270",
}

#: Kinds of provision and of verified activity.
OF_KIND: Final[dict[str, str]] = {
    "school": "110",
    "home_educated": "120",
    "school_sixth_form": "210",
    "sixth_form_college": "220",
    "further_education": "230",
    "higher_education": "240",
    "other_full_time_education": "270",
    "special_post16": "280",
    "part_time_education": "250",
    "apprenticeship": "310",
    "employment_with_study": "320",
    "employment_without_training": "330",
    "employment_with_training": "340",
    "temporary_employment": "350",
    "part_time_employment": "360",
    "self_employment": "380",
    "self_employment_with_study": "381",
    "work_based_learning": "410",
    "other_training": "430",
    "dwp_programme": "440",
    "traineeship": "450",
    "supported_internship": "460",
    "re_engagement": "530",
    "voluntary": "540",
    "voluntary_with_study": "550",
}

OF_REASON: Final[dict[str, str]] = {
    "seeking": "619",
    "not_ready": "610",
    "young_carer": "620",
    "teenage_parent": "630",
    "illness": "640",
    "pregnancy": "650",
    "religious_grounds": "660",
    "unlikely_active": "670",
    "other": "680",
}

#: Kinds that meet the participation duty when the start is agreed (616 under 18).
RPA_COMPLIANT: Final = frozenset(
    {
        "school_sixth_form",
        "sixth_form_college",
        "further_education",
        "special_post16",
        "higher_education",
        "other_full_time_education",
        "apprenticeship",
        "traineeship",
        "supported_internship",
        "work_based_learning",
        "other_training",
        "re_engagement",
        "employment_with_study",
        "self_employment_with_study",
        "voluntary_with_study",
    }
)

#: What a provider's destination word says of the kind when no kind was sent.
OF_DESTINATION: Final[dict[str, str]] = {
    "school_or_college": "further_education",
    "higher_education": "higher_education",
    "apprenticeship": "apprenticeship",
    "training": "other_training",
    "employment": "employment_without_training",
    "re_engagement": "re_engagement",
}

JOB_KINDS: Final = frozenset(kind for kind, code in OF_KIND.items() if code in JOBS - {"310"})


def rivals(one: str, other: str) -> bool:
    """Whether two codes speak of the same side of life, so that a lower tier gives way to a higher one."""
    return (one in JOBS and other in JOBS) or (one in LEARNING and other in LEARNING)


def group(code: str) -> str:
    return GROUPS[code]
