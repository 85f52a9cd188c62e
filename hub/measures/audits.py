"""Governance counts beside the cohort (DOMAIN 8.4): education plans of children in care and removals from a roll (G2),
youth justice (G3), teenage parents (G4), ceased plans (G6), match reviews and links that were wrong (G7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from hub.measures.count import Tally
from services.alerts import consent
from services.alerts.case import Case
from services.alerts.policy import Policy
from services.alerts.state import Seen
from services.alerts.state import State as Alerts
from services.status import codes, days
from services.status.belief import Belief
from services.status.facts import HUNDREDTHS
from services.status.spans import Layer

_PART_TIME = frozenset({"250", "360"})


@dataclass(frozen=True, slots=True)
class Settings:
    """Of contracts/policy/measures.yaml. Hours a week of ETE at the end of a disposal (DOMAIN 3)."""

    months: int
    teenage_below: int
    hours_school_age: int
    hours_above: int
    policy: Policy

    @classmethod
    def parse(cls, read: Mapping[str, Any], policy: Policy) -> Settings:
        """Raises KeyError or ValueError."""
        hours = read["yj_hours"]
        months, below = int(read["period_months"]), int(read["teenage_below"])
        return cls(months, below, int(hours["school_age"]), int(hours["above"]), policy)

    def in_period(self, day: int, on: date) -> bool:
        return days.months_after(on, -self.months).toordinal() < day <= on.toordinal()


def add(tally: Tally, told: Belief, alerts: Alerts, known: int, settings: Settings) -> None:
    """Count one person. ``known``: UTC milliseconds."""
    facts = replace(alerts, facts=tuple(fact for fact in alerts.facts if fact.known_ms <= known))
    case = Case(facts, tally.on, settings.policy)
    _disposals(tally, told, facts, settings)
    _teenage_parents(tally, told, case, settings)
    _education_plans(tally, told, case, settings)
    _removals(tally, told, case, settings)
    _matching(tally, facts, known, settings)
    for held in told.plans:
        if settings.in_period(held.start, tally.on) and (held.refused or held.state == "ceased"):
            tally.share("ehcp_cease_lawful", not held.refused)


def _disposals(tally: Tally, told: Belief, alerts: Alerts, settings: Settings) -> None:
    """Disposals of children that ended in the period, outside custody. Youth justice's own hours decide (9.2)."""
    hours = {
        fact.effective_on.toordinal(): fact.number("ete_hours_at_end")
        for fact in alerts.facts
        if fact.type == "yj.disposal.ended"
    }
    for mark in told.marks:
        if mark.name != "yj_open" or told.born is None or not settings.in_period(mark.end, tally.on):
            continue
        if mark.end < days.birthday(told.born, 18) and not told.marked("custody", mark.end):
            tally.share("yj_ete_at_end", in_ete(told.span(mark.end), hours.get(mark.end), settings))


def in_ete(span: Layer | None, told_hours: float | None, settings: Settings) -> bool:
    """Hours where they are known; else everything but part-time codes counts: 25 h at school age, 16 h above."""
    group = "" if span is None else codes.group(span.code)
    needed = settings.hours_school_age if group.startswith("PRE16") else settings.hours_above
    if told_hours is not None:
        return told_hours >= needed
    if span is None or group not in codes.EET_GROUPS:
        return False
    return span.code not in _PART_TIME if span.hours is None else span.hours >= needed * HUNDREDTHS


def _care_experienced(told: Belief, fact: Seen) -> bool:
    """On the day of the fact."""
    day = fact.effective_on.toordinal()
    return told.marked("looked_after", day) or told.marked("care_leaver", day)


def _education_plans(tally: Tally, told: Belief, case: Case, settings: Settings) -> None:
    """Meetings of the period: whether the social worker came; of those that were audited, whether they were good."""
    for fact in case.facts("pep.completed"):
        if not settings.in_period(fact.effective_on.toordinal(), tally.on) or not _care_experienced(told, fact):
            continue
        tally.share("pep_social_worker_attended", fact.flag("social_worker_attended"))
        if fact.text("quality") in ("good", "requires_work"):
            tally.share("pep_good", fact.text("quality") == "good")


def _removals(tally: Tally, told: Belief, case: Case, settings: Settings) -> None:
    """Withdrawals of care-experienced learners in the period: was anybody asked first, by the provider's own word or by
    a notice of its intention since they were enrolled there."""
    for fact in case.facts("education.enrolment.withdrawn"):
        if not settings.in_period(fact.effective_on.toordinal(), tally.on) or not _care_experienced(told, fact):
            continue
        started = [
            one.effective_on
            for one in case.facts("education.enrolment.started")
            if one.source == fact.source and one.effective_on <= fact.effective_on
        ]
        asked = any(
            one.source == fact.source and max(started, default=date.min) <= one.effective_on <= fact.effective_on
            for one in case.facts("education.withdrawal.intended")
        )
        tally.share("removals_consulted", asked or fact.flag("pre_consultation"))


def _matching(tally: Tally, alerts: Alerts, known: int, settings: Settings) -> None:
    """Match reviews of the period, each once though it stands with the record and with the person: decided by their due
    day, or not yet due. And of all that a worker closed, how much was about the person it stood with."""
    for alert in alerts.alerts:
        if not settings.in_period(alert.raised_on.toordinal(), tally.on) or alert.test:
            continue
        closed = alert.closed_on if alert.closed_ms is not None and alert.closed_ms <= known else None
        if alert.rule == "MR" and alert.alert_id not in tally.reviews:
            tally.reviews.add(alert.alert_id)
            tally.share("match_reviews_in_time", (closed or tally.on) <= alert.due_on)
        if alert.rule != "MR" and closed is not None and alert.because.startswith("outcome "):
            tally.share("links_right", alert.because != "outcome wrong_person")


def _teenage_parents(tally: Tally, told: Belief, case: Case, settings: Settings) -> None:
    """Without permission somebody is only in this count, which names nobody."""
    day = tally.on.toordinal()
    if told.born is None or told.over(day) or day >= days.birthday(told.born, settings.teenage_below):
        return
    if told.marked("pregnant_or_parent", day):
        tally.share("tbag_with_permission", consent.allowed(case, consent.TEENAGE_PARENT))
