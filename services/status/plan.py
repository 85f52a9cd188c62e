"""POLICY 3.9: the EHC plan, its holds, the appeal deadline, and closures that are refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from services.status import days
from services.status.characteristics import care_leaver_on
from services.status.days import FOREVER
from services.status.facts import CeaseConsidered, Consulted, Facts, Outcome, Seen, Stage
from services.status.policy import Policy
from spine.clock import WorkingDays

TYPES: Final = (
    "ehcp.issued",
    "ehcp.cease_considered",
    "ehcp.consultation_responded",
    "ehcp.cease_withdrawn",
    "ehcp.cease_decided",
    "ehcp.mediation_certificate",
    "ehcp.appeal_registered",
    "ehcp.appeal_concluded",
    "ehcp.ceased",
)
_LAWFUL: Final = frozenset(
    {"provision_no_longer_necessary", "moved_to_other_authority", "left_england", "died", "tribunal_order"}
)
_LAWFUL_FROM_18: Final = _LAWFUL | {
    "outcomes_achieved",
    "higher_education",
    "paid_employment",
    "over_maximum_age",
    "does_not_wish_to_return",
}
UNLAWFUL, PARENTING, WINDOW, PENDING = "unlawful_ground", "corporate_parenting", "appeal_window", "appeal_pending"
_FIRST: Final = (PENDING, WINDOW, UNLAWFUL, PARENTING)


class PlanState(NamedTuple):
    """The plan as known from ``known_at`` (UTC milliseconds) on; ``start`` is the day of what brought it.

    ``below``: the hold that is there when the appeal window has passed.
    """

    known_at: int
    start: int
    state: str
    hold: str | None
    appeal_deadline_on: int | None
    below: str | None
    refused: bool
    event_id: str


@dataclass(slots=True)
class _Plan:
    """The machine. Holds stand side by side; the strongest is shown."""

    state: str = ""
    since: int = 0
    holds: set[str] = field(default_factory=set)
    decided_on: int | None = None
    certified_on: int | None = None
    deadline: int | None = None
    maintained: list[tuple[int, int]] = field(default_factory=list)

    @property
    def hold(self) -> str | None:
        return _strongest(self.holds)

    @property
    def below(self) -> str | None:
        return _strongest(self.holds - {WINDOW})


def _strongest(holds: Set[str]) -> str | None:
    return next((hold for hold in _FIRST if hold in holds), None)


def history(facts: Facts, born: int | None, policy: Policy) -> list[PlanState]:
    """One entry whenever what was known of the plan changed, in order of ``known_at``.

    Each entry folds, by effective day, the events known by then: a late event corrects what is held, not what was.
    """
    events = facts.any_of(*TYPES)
    found: list[PlanState] = []
    for seen in sorted(events, key=lambda seen: (seen.known, seen.order)):
        known = [one for one in events if (one.known, one.order) <= (seen.known, seen.order)]
        plan = _fold(known, facts, born, policy)
        if not plan.state:
            continue
        refused = seen.type == "ehcp.ceased" and plan.state != "ceased"
        entry = PlanState(seen.known, seen.on, plan.state, plan.hold, plan.deadline, plan.below, refused, seen.id)
        if refused or not found or entry[2:6] != found[-1][2:6]:
            found.append(entry)
    return found


def maintained(facts: Facts, born: int | None, policy: Policy) -> list[tuple[int, int]]:
    """Days on which a plan is maintained."""
    if not facts.has("ehcp.issued"):
        return []
    plan = _fold(facts.any_of(*TYPES), facts, born, policy)
    if plan.state == "maintained":
        plan.maintained.append((plan.since, FOREVER))
    return plan.maintained


def _fold(events: Iterable[Seen], facts: Facts, born: int | None, policy: Policy) -> _Plan:
    plan = _Plan()
    for seen in events:
        if WINDOW in plan.holds and plan.deadline is not None and seen.on > plan.deadline:
            plan.holds.discard(WINDOW)
        _step(plan, seen, facts, born, policy)
    return plan


def _step(plan: _Plan, seen: Seen, facts: Facts, born: int | None, policy: Policy) -> None:
    match seen.type:
        case "ehcp.issued":
            if plan.state != "maintained":
                plan.state, plan.since = "maintained", seen.on
                plan.holds, plan.decided_on, plan.deadline = set(), None, None
        case "ehcp.cease_considered":
            plan.holds -= {UNLAWFUL, PARENTING}
            plan.holds |= _considered(CeaseConsidered._make(seen.data), seen.on, facts, born)
        case "ehcp.consultation_responded":
            if Consulted._make(seen.data).respondent == PARENTING:
                plan.holds.discard(PARENTING)
        case "ehcp.cease_withdrawn":
            _withdraw(plan, Stage._make(seen.data).stage)
        case "ehcp.cease_decided":
            plan.decided_on, plan.certified_on = seen.on, None
            plan.holds.add(WINDOW)
            plan.deadline = _deadline(plan, policy.working_days)
        case "ehcp.mediation_certificate":
            if plan.decided_on is not None:
                plan.certified_on = seen.on
                if PENDING not in plan.holds and plan.deadline is not None:
                    plan.deadline = _deadline(plan, policy.working_days)
        case "ehcp.appeal_registered":
            plan.holds = (plan.holds - {WINDOW}) | {PENDING}
            plan.deadline = None
        case "ehcp.appeal_concluded":
            plan.holds.discard(PENDING)
            if Outcome._make(seen.data).outcome in ("plan_continues", "conceded"):
                plan.decided_on = None
        case "ehcp.ceased":
            _cease(plan, seen)


def _considered(told: CeaseConsidered, on: int, facts: Facts, born: int | None) -> set[str]:
    adult = born is not None and on >= days.birthday(born, 18)
    if told.ground not in (_LAWFUL_FROM_18 if adult else _LAWFUL):
        return {UNLAWFUL}
    if adult and PARENTING not in told.consulted and care_leaver_on(on, facts, born):
        return {PARENTING}
    return set()


def _withdraw(plan: _Plan, stage: str) -> None:
    plan.holds, plan.decided_on, plan.deadline = set(), None, None
    if stage == "ceased" and plan.state == "ceased":
        # Taken back: the plan was maintained all along.
        plan.state = "maintained"
        plan.since = plan.maintained.pop()[0]


def _cease(plan: _Plan, seen: Seen) -> None:
    late_enough = plan.deadline is None or seen.on > plan.deadline
    if plan.state == "maintained" and plan.decided_on is not None and not plan.holds and late_enough:
        plan.state = "ceased"
        plan.maintained.append((plan.since, seen.on))


def _deadline(plan: _Plan, working: WorkingDays) -> int:
    assert plan.decided_on is not None
    last = days.months_after(days.to_date(plan.decided_on), 2)
    if plan.certified_on is not None:
        last = max(last, days.months_after(days.to_date(plan.certified_on), 1))
    return days.of(_moved(last, working))


def _moved(last: date, working: WorkingDays) -> date:
    """August waits for September, the turn of the year for January (tribunal rule)."""
    if last.month == 8:
        return working.on_or_after(date(last.year, 9, 1))
    if last.month == 12 and last.day >= 25:
        return working.on_or_after(date(last.year + 1, 1, 2))
    if (last.month, last.day) == (1, 1):
        return working.on_or_after(date(last.year, 1, 2))
    return last


def as_of(states: Sequence[PlanState], known_at: int, day: int) -> PlanState | None:
    """What was held of the plan at a moment; a closure whose day lies ahead is not yet one."""
    known = [one for one in states if one.known_at <= known_at and (one.state != "ceased" or one.start <= day)]
    return known[-1] if known else None
