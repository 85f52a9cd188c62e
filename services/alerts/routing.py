"""Who is told (POLICY 7): words of the rule sheet become roles, roles become the team and worker of the case."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from services.alerts import consent
from services.alerts.case import JOB_CODES, Case
from services.alerts.policy import To
from services.alerts.rules.shape import Ground
from services.alerts.sharing import Sharing
from services.alerts.state import Alert, Recipient, Seen

PROVIDER_ROLES = frozenset({"provider-welfare", "school-careers-lead", "school-safeguarding-lead"})
_PROVIDER_KINDS = frozenset({"school", "college", "training-provider", "university"})
_ENROLLED = ("education.enrolment.started", "provision.started")


def owner_roles(case: Case) -> tuple[str, ...]:
    """Roles of the first row of ``owner_order`` that matches today."""
    for row in case.policy.owner_order:
        if row.group != "any" and not case.marked(row.group):
            continue
        if row.consent is None or consent.allowed(case, row.consent):
            return row.roles
    raise AssertionError("the last row of owner_order must match anybody")


def assigned(case: Case, role: str) -> Seen | None:
    """The latest allocation for a role, unless it has ended."""
    for fact in reversed(case.facts("case.assigned", "case.unassigned")):
        if fact.text("role") != role or fact.effective_on > case.today:
            continue
        if fact.type == "case.assigned":
            return fact
        if fact.effective_on < case.today:
            return None
    return None


def current_provider(case: Case) -> str:
    """Party where the person is, or was last, enrolled."""
    fact = case.latest(*_ENROLLED)
    return "" if fact is None else fact.source


def provider_named(case: Case, ground: Ground) -> str:
    """Provider that the ground itself names, else the known one.

    Only a party of the hub is named: other words of a partner would travel as a team's name to everybody who reads
    deliveries, and to a team that does not exist.
    """
    for event_id in ground.evidence:
        fact = case.fact(event_id)
        if fact is not None and fact.text("education_provider") in case.policy.directory.party_name:
            return fact.text("education_provider")
    return current_provider(case)


def provider_concerned(case: Case, role: str, ground: Ground) -> str:
    """Party whose staff is told: for safeguarding the one named, else the one that the fact came from."""
    told_us = any(
        fact.source == ground.source and fact.source_kind in _PROVIDER_KINDS
        for event_id in ground.evidence
        if (fact := case.fact(event_id)) is not None
    )
    if told_us and role != "school-safeguarding-lead":
        return ground.source
    return provider_named(case, ground)


def release_needs_a_home(case: Case) -> bool:
    fact = case.latest("yj.custody.sentenced", "yj.resettlement.updated")
    return fact is None or not fact.flag("accommodation_agreed")


_WHEN: Mapping[str, Callable[[Case, Ground], bool]] = {
    "yj_open": lambda case, ground: case.yj_open,
    "under_18": lambda case, ground: case.under_18,
    "care_leaver_18": lambda case, ground: case.care_leaver and case.aged(18),
    "dwp_sharing_allowed": lambda case, ground: case.aged(18) and consent.allowed(case, consent.DWP),
    "priority": lambda case, ground: case.priority,
    "not_priority": lambda case, ground: not case.priority,
    "current_activity_is_employment": lambda case, ground: case.belief.code(case.today) in JOB_CODES,
    "looked_after": lambda case, ground: case.looked_after,
    "care_leaver": lambda case, ground: case.care_leaver,
    "care_experienced": lambda case, ground: case.care_experienced,
    "not_care_experienced": lambda case, ground: not case.care_experienced,
    "ehcp": lambda case, ground: case.ehcp,
    "cease_refused": lambda case, ground: ground.tag == "refused",
    "provider_known": lambda case, ground: bool(provider_named(case, ground)),
    "accommodation_not_agreed": lambda case, ground: release_needs_a_home(case),
}


def roles_of(case: Case, rule: str, ground: Ground) -> tuple[str, ...]:
    """Role ids that the rule sheet names for this ground, without repeats, in the sheet's order."""
    if ground.to is not None:
        return tuple(dict.fromkeys(ground.to))
    return expand(case, rule, ground, case.policy.rules[rule].to)


def expand(case: Case, rule: str, ground: Ground, words: Iterable[To]) -> tuple[str, ...]:
    roles: list[str] = []
    for to in words:
        if to.when is None or _WHEN[to.when](case, ground):
            roles += _roles(case, rule, to.role)
    return tuple(dict.fromkeys(roles))


def _roles(case: Case, rule: str, word: str) -> Iterable[str]:
    if word == "owner":
        return [role for one in owner_roles(case) for role in _roles(case, rule, one)]
    if word == "owner_manager":
        return (case.policy.manager_of[owner_roles(case)[0]],)
    if word == "social_care_contact":
        return ("social-worker" if assigned(case, "social-worker") else "csc-front-door",)
    instead = case.policy.role_substitution.get(word)
    if instead is not None and rule in ("A01", "A02") and assigned(case, instead):
        return (instead,)
    return (word,)


def resolve(case: Case, role: str, ground: Ground) -> Recipient:
    """A role's team and worker: the latest allocation, the provider concerned, else the service's duty desk."""
    fact = assigned(case, role)
    if fact is not None:
        return Recipient(role, fact.text("team") or None, fact.text("worker_ref") or None)
    if role in PROVIDER_ROLES:
        return Recipient(role, provider_concerned(case, role, ground) or None)
    return Recipient(role)


def permitted(case: Case, role: str) -> bool:
    """Consent that the role itself needs, whatever the rule. Checked again at every act: it may end."""
    purpose = consent.CONSENT_OF.get(role)
    return purpose is None or consent.allowed(case, purpose)


def may_be_told(case: Case, alert: Alert, role: str, sharing: Sharing) -> bool:
    """Whether a recipient of a standing alert may still be told of it: consent and agreement both stand."""
    ground = Ground(alert.matter, alert.because, alert.evidence, source=alert.source)
    return permitted(case, role) and covered(case, alert.rule, ground, role, sharing)


def covered(case: Case, rule: str, ground: Ground, role: str, sharing: Sharing) -> bool:
    """A role outside the council is told only under an agreement that covers the rule, for some fact behind it.

    Also one that the agreement names and lets read nothing of it: a partner's data contact, of a breach.
    """
    if role not in case.policy.directory.external or case.about_a_feed:
        return True

    def consented(purpose: str) -> bool:
        return consent.allowed(case, purpose)

    named = [fact for event_id in ground.evidence if (fact := case.fact(event_id)) is not None]
    facts = [*named, *case.sorts]
    return any(sharing.readable(fact, role, rule, case.today, consented).agreement for fact in facts)
