"""The alert that a ground makes, and what keeps one from being raised again too soon. Pure."""

from __future__ import annotations

from datetime import timedelta

from services.alerts.acts import Acts, alert_id
from services.alerts.case import Case
from services.alerts.reading import millis
from services.alerts.routing import covered, owner_roles, permitted, resolve, roles_of
from services.alerts.rules.shape import SUPERSEDED, Ground, Rule
from services.alerts.state import Alert, Recipient


def cooling(case: Case, rule: Rule) -> bool:
    """Some rules are not raised again soon after closing. One that gave way on the day it was raised never counted."""
    if rule.id not in case.policy.cool_down_rules:
        return False
    limit = case.today - timedelta(days=case.policy.cool_down_days)
    closed = [a for a in case.of_rule(rule.id) if a.closed_on is not None and a.closed_on >= limit]
    return any(a.outcome != SUPERSEDED or a.closed_on != a.raised_on for a in closed)


def rehearsed(case: Case) -> bool:
    """Whether the record is made of test messages. Asked of the whole record: a date alone raises some alerts, and
    those have no event as evidence. Test observations never meet real ones, so one says it for all."""
    return any(fact.test for fact in case.state.facts) or any(alert.test for alert in case.alerts)


def new_alert(case: Case, rule: Rule, ground: Ground, acts: Acts) -> Alert:
    """The alert that a ground makes: who, by when, under which identity."""
    numbers = case.policy.rules[rule.id]
    raised_on = ground.raised_on or case.today
    sla = numbers.sla if ground.sla is None else ground.sla
    named = roles_of(case, rule.id, ground)
    if rule.id == "A38" and not acts.sharing.agreed_with(ground.tag, case.today):
        # Nothing may be told to that council: how it is to be, the data protection officer says (POLICY 6).
        named = ("dpo",)
    roles = [role for role in named if permitted(case, role)]
    recipients: tuple[Recipient, ...] = tuple(
        resolve(case, role, ground) for role in roles if covered(case, rule.id, ground, role, acts.sharing)
    )
    acts.refused += ["no_consent"] * (len(named) - len(roles)) + ["no_agreement"] * (len(roles) - len(recipients))
    if rule.id in ("A36", "MR"):
        # Both the unlinked record and the person must name it alike, so neither the person nor the day is in it.
        identity = alert_id(rule.id, ground.matter)
    else:
        identity = alert_id(rule.id, case.state.person_id, ground.matter, raised_on.isoformat())
    owners = [role for role in owner_roles(case) if role in case.policy.manager_of]
    return Alert(
        alert_id=identity,
        rule=rule.id,
        matter=ground.matter,
        raised_on=raised_on,
        due_on=case.policy.calendar.after(raised_on, sla),
        severity=ground.severity or numbers.severity,
        opened_ms=millis(acts.at),
        recipients=recipients,
        evidence=ground.evidence,
        because=ground.because,
        anchor=ground.anchor,
        until=ground.until,
        tag=ground.tag,
        source=ground.source,
        owner=owners[0] if owners else "",
        test=rehearsed(case),
    )
