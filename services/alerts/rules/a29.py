"""A29 review deadline missed. SEND Regulations 2014 regs 18-22. The deadline itself is not moved by free days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from services.alerts.calendar import DAY, months_after
from services.alerts.case import Case
from services.alerts.policy import month_day
from services.alerts.rules.plans import happened
from services.alerts.rules.shape import RESOLVED, STOOD_DOWN, Closing, Ground, Rule
from services.alerts.state import Alert

_DECISIONS = ("ehcp.amend_notice_sent", "ehcp.maintained_unchanged", "ehcp.cease_decided")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A step that must have been taken since ``base`` by the end of ``by``."""

    kind: str
    base: date
    by: date
    steps: tuple[str, ...]
    event_id: str


def deadlines(case: Case) -> Iterator[Deadline]:
    """Every deadline that runs, done or not."""
    numbers = case.policy.rules["A29"].numbers
    issued, met = case.latest("ehcp.issued"), case.latest("ehcp.review_meeting_held")
    base = None if met is None else met.effective_on
    if issued is not None and base is None:
        base = issued.day("last_review_on") or (issued.effective_on if not case.late(issued) else None)
    source = met or issued
    if base is not None and source is not None:
        by = months_after(base, numbers["review_months"])
        yield Deadline("review", base, by, ("ehcp.review_meeting_held",), source.event_id)
    if met is not None:
        by = met.effective_on + timedelta(days=numbers["decision_days"])
        yield Deadline("decision", met.effective_on, by, _DECISIONS, met.event_id)
    notice = case.latest("ehcp.amend_notice_sent")
    if notice is not None:
        by = notice.effective_on + timedelta(days=numbers["final_plan_days"])
        yield Deadline("final_plan", notice.effective_on, by, ("ehcp.final_amended_plan",), notice.event_id)
    phase = case.latest("ehcp.phase_transfer_due")
    if phase is not None and (transfer := phase.day("transfer_on")) is not None:
        fixed = date(transfer.year, *month_day(case.policy.rules["A29"].words["post16_by"][0]))
        moving = months_after(transfer, -numbers["between_post16_months"])
        by = fixed if phase.text("kind") == "to_post16" else moving
        yield Deadline("phase", phase.effective_on, by, ("ehcp.final_amended_plan",), phase.event_id)


def done(case: Case, deadline: Deadline) -> bool:
    since = deadline.base + DAY if deadline.kind == "review" else deadline.base
    return happened(case, since, *deadline.steps) is not None


def ground(case: Case) -> Ground | None:
    if not case.ehcp:
        return None
    for deadline in deadlines(case):
        matter = f"{deadline.kind}:{deadline.base}"
        if case.today > deadline.by and not done(case, deadline) and not case.had("A29", matter):
            evidence = (deadline.event_id,)
            return Ground(matter, f"{deadline.kind}_late", evidence, deadline.base, deadline.by, deadline.kind)
    return None


def closing(case: Case, alert: Alert) -> Closing | None:
    if not case.ehcp:
        return Closing(STOOD_DOWN, "no plan any more")
    steps = {
        "review": ("ehcp.review_meeting_held",),
        "decision": _DECISIONS,
        "final_plan": ("ehcp.final_amended_plan",),
        "phase": ("ehcp.final_amended_plan",),
    }[alert.tag]
    since = (alert.anchor or alert.raised_on) + (DAY if alert.tag == "review" else timedelta(0))
    return Closing(RESOLVED, "the step was taken") if happened(case, since, *steps) is not None else None


def timers(case: Case) -> Iterable[date]:
    return [deadline.by + DAY for deadline in deadlines(case)]


RULE = Rule("A29", ground, closing, timers, rests_on=frozenset({"ehcp"}))
