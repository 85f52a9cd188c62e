"""What a role may see at most (POLICY 7), and what a value, a role or a source gives away by being named."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from services.alerts.policy import Policy

#: A value that says more than its field: shown only to roles that see the category.
VALUE_TELLS: Mapping[str, str] = {
    "health": "health",
    "caring": "health",
    "illness": "health",
    "medical_plan": "health",
    "childcare": "pregnancy",
    "maternity": "pregnancy",
    "pregnancy": "pregnancy",
    "pregnancy_or_parenting": "pregnancy",
    "teenage_parent": "pregnancy",
    "teenage_parent_support": "pregnancy",
    "mental_health": "health",
    "custody": "youth_justice",
    "leaving_custody": "youth_justice",
    "foster_care": "care",
    "residential": "care",
    "with_former_foster_carer": "care",
    "end_of_placement": "care",
}

#: A party or a role of such a service is named only to those who see its category.
KIND_TELLS: Mapping[str, str] = {
    "social-care": "care",
    "virtual-school": "care",
    "youth-justice": "youth_justice",
    "send": "send",
    "health": "health",
    "early-help": "pregnancy",
    "jobcentre-plus": "benefit",
    "housing-authority": "housing",
    "housing-provider": "housing",
    "employment-support": "employment",
}
SERVICE_TELLS: Mapping[str, str] = {
    "social_care": "care",
    "leaving_care": "care",
    "virtual_school": "care",
    "youth_justice": "youth_justice",
    "send": "send",
    "health": "health",
    "early_help": "pregnancy",
    "housing": "housing",
    "dwp": "benefit",
    "employment_support": "employment",
}

#: A priority group is named only to roles that see its category; others read "priority group".
GROUP_TELLS: Mapping[str, str] = {
    "looked_after": "care",
    "care_leaver": "care",
    "yj_open": "youth_justice",
    "ehcp": "send",
    "pregnant_or_parent": "pregnancy",
    "young_carer": "health",
    "homeless": "housing",
}


_PREFIXES: tuple[tuple[str, str], ...] = (
    ("education.attendance.", "attendance"),
    ("education.break.", "attendance"),
    ("education.", "education"),
    ("offer.", "education"),
    ("start.", "education"),
    ("provision.", "education"),
    ("september_guarantee.", "education"),
    ("pep.", "education"),
    ("employment.", "employment"),
    ("contact.in_work", "employment"),
    ("contact.", "status"),
    ("uc.", "benefit"),
    ("housing.dhp_awarded", "benefit"),
    ("housing.", "housing"),
    ("care.", "care"),
    ("pathway_plan.", "care"),
    ("yj.", "youth_justice"),
    ("ehcp.", "send"),
    ("circumstance.pregnan", "pregnancy"),
    ("circumstance.birth", "pregnancy"),
    ("circumstance.address_changed", "contact"),
    ("circumstance.", "health"),
    ("health.", "health"),
    ("plan.", "plan"),
    ("panel.", "plan"),
    ("taster.", "plan"),
    ("in_touch_day.", "plan"),
    ("area.", "contact"),
    ("person.", "identity"),
)


def mask(policy: Policy, role: str, rule: str) -> frozenset[str]:
    """Categories of a role in an alert of a rule. An unknown role sees nothing."""
    own = policy.masks.roles.get(role, frozenset())
    return own | policy.masks.extra_by_rule.get((rule, role), frozenset())


@lru_cache(maxsize=1024)
def category_of(event_type: str) -> str:
    """Data category of an event type; empty where it is never shown (consent, case, referral, identity)."""
    return next((category for prefix, category in _PREFIXES if event_type.startswith(prefix)), "")


def tells(policy: Policy, value: str) -> str | None:
    """Category that a value would give away: by itself, or as the id of a role."""
    if value in VALUE_TELLS:
        return VALUE_TELLS[value]
    service = policy.directory.service_of.get(value)
    return None if service is None else SERVICE_TELLS.get(service)
