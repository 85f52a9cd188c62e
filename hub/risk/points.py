"""Points for the risk of dropping out, from what one role may read. Pure.

A reason that the role may not see gives no points either: a number would tell of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.alerts import masks
from services.alerts.case import Case
from services.alerts.sight import Sight
from services.alerts.state import Seen

#: Never part of an operational score (domain reference 9.5).
LEFT_OUT = frozenset({"ethnicity", "eal", "english_as_additional_language"})
_HOMELESS = "housing.homelessness."


class Reason(NamedTuple):
    """``on``: day of the fact; None for what stands."""

    what: str
    points: int
    on: date | None = None


Points = Annotated[int, Field(ge=1)]
Days = Annotated[int, Field(ge=1)]


class _Strict(BaseModel):
    """What is not known is refused: a slip of the pen must not silently give no points."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Attendance(_Strict):
    """The latest figure, if not older than ``days``: the lowest band below which it lies counts."""

    days: Days
    below: Mapping[Annotated[int, Field(ge=1, le=100)], Points]


class _Fall(_Strict):
    points: Points
    by: Annotated[int, Field(ge=1, le=100)]
    within_days: Days


class _Absence(_Strict):
    points: Points
    days: Days


class _Move(_Strict):
    planned: Points
    unplanned: Points


class _Bands(_Strict):
    offer: Points
    additional: Points
    substantial: Points


class RiskPolicy(_Strict):
    """contracts/policy/risk.yaml: points, and for how many days (``decay_days``) a happening gives them."""

    attendance: _Attendance
    standing: Mapping[str, Points]
    exclusion: Mapping[Literal["permanent_exclusion", "suspension"], Points]
    alternative_provision: Points
    decay_days: Days
    attendance_fall: _Fall
    unexplained_days: _Absence
    placement_move: _Move
    duty: Mapping[Literal["prevention_duty_accepted", "relief_duty_accepted"], Points]
    withdrawal_intended: Points
    looking_for_work_while_enrolled: Points
    hours_cut: Points
    worker_change: Points
    bands: _Bands

    @classmethod
    def parse(cls, read: Mapping[str, Any]) -> RiskPolicy:
        """Raises ValueError that names every fault, and first of all what must stay out."""
        named = {str(key).lower() for key in read} | {str(key).lower() for key in read.get("standing") or {}}
        if named & LEFT_OUT:
            raise ValueError(f"risk.yaml: take out {', '.join(sorted(named & LEFT_OUT))}; it may not give points")
        try:
            found = cls.model_validate(read)
        except ValidationError as error:
            faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
            raise ValueError(f"risk.yaml: {'; '.join(faults)}") from error
        unknown = sorted(found.standing.keys() - masks.GROUP_TELLS.keys())
        if unknown:
            raise ValueError(f"risk.yaml: standing: no priority group is called {', '.join(unknown)}")
        return found

    def band(self, points: int) -> str:
        """none, offer, additional or substantial."""
        bands = sorted(self.bands.model_dump().items(), key=lambda band: -band[1])
        return next((name for name, least in bands if points >= least), "none")


def reasons(eyes: Sight, policy: RiskPolicy) -> list[Reason]:
    """Every reason that the role may see, most points first. Empty for somebody who is not in EET."""
    case = eyes.case
    if not case.in_eet or case.in_custody:
        return []
    found = [
        Reason(name.replace("_", " "), points)
        for name, points in policy.standing.items()
        if case.marked(name) and eyes.stands(masks.GROUP_TELLS[name])
    ]
    facts = _Facts(eyes, case, case.today - timedelta(days=policy.decay_days))
    found += [*_attendance(facts, policy), *_schooling(facts, policy), *_life(facts, policy), *_work(facts, policy)]
    return sorted(found, key=lambda reason: (-reason.points, reason.what))


@dataclass(frozen=True, slots=True)
class _Facts:
    eyes: Sight
    case: Case
    since: date

    def visible(self, *types: str) -> list[Seen]:
        """Facts up to today that the role may read, in the policy's order."""
        return [
            fact
            for fact in self.case.facts(*types)
            if fact.effective_on <= self.case.today and self.eyes.sees(fact, masks.category_of(fact.type))
        ]

    def recent(self, *types: str) -> list[Seen]:
        return [fact for fact in self.visible(*types) if fact.effective_on > self.since]


def _attendance(facts: _Facts, policy: RiskPolicy) -> Iterator[Reason]:
    rule, today = policy.attendance, facts.case.today
    summaries = facts.visible("education.attendance.summary")
    if summaries:
        last = summaries[-1]
        percent = last.number("percent") or 0.0
        points = next((points for below, points in sorted(rule.below.items()) if percent < below), 0)
        if points and last.effective_on >= today - timedelta(days=rule.days):
            yield Reason(f"attendance {percent:g} %", points, last.effective_on)
        fall = policy.attendance_fall
        first = last.effective_on - timedelta(days=fall.within_days)
        before = [f.number("percent") or 0.0 for f in summaries if f.source == last.source and f.effective_on >= first]
        if max(before) - percent >= fall.by and last.effective_on > facts.since:
            yield Reason(f"attendance fell from {max(before):g} to {percent:g} %", fall.points, last.effective_on)
    absence = policy.unexplained_days
    for fact in reversed(facts.recent("education.attendance.absence")):
        days = int(fact.number("days") or 0)
        if fact.text("reason") == "unexplained" and days >= absence.days:
            yield Reason(f"{days} unexplained days", absence.points, fact.effective_on)
            break


def _schooling(facts: _Facts, policy: RiskPolicy) -> Iterator[Reason]:
    for kind, points in policy.exclusion.items():
        gaps = [f for f in facts.recent("education.provision_gap.recorded") if f.text("kind") == kind]
        if gaps:
            yield Reason(kind.replace("_", " "), points, gaps[-1].effective_on)
    back = [f for f in facts.recent("education.provision_gap.ended") if f.text("resolution") == "alternative_provision"]
    if back:
        yield Reason("alternative provision", policy.alternative_provision, back[-1].effective_on)
    intended = facts.recent("education.withdrawal.intended")
    if intended:
        yield Reason("the provider intends to withdraw", policy.withdrawal_intended, intended[-1].effective_on)


def _life(facts: _Facts, policy: RiskPolicy) -> Iterator[Reason]:
    moves = [f for f in facts.recent("care.placement.changed") if not f.flag("same_carer")]
    if moves:
        kind, points = ("unplanned", policy.placement_move.unplanned)
        if all(f.flag("planned") for f in moves):
            kind, points = ("planned", policy.placement_move.planned)
        yield Reason(f"{kind} placement move", points, moves[-1].effective_on)
    duties = [f for name in policy.duty for f in facts.recent(f"{_HOMELESS}{name}")]
    if duties and facts.case.marked("homeless"):
        points, _, last = max(
            (
                (points, f.effective_on, f)
                for name, points in policy.duty.items()
                for f in duties
                if f.type == _HOMELESS + name
            ),
            key=lambda found: found[:2],
        )
        name = last.type.removeprefix(_HOMELESS).removesuffix("_accepted").replace("_", " ")
        yield Reason(f"homelessness: {name}", points, last.effective_on)
    workers = [f for f in facts.case.facts("case.assigned") if f.effective_on <= facts.case.today]
    for n, fact in enumerate(workers):
        same = [
            f for f in workers[:n] if (f.text("service"), f.text("role")) == (fact.text("service"), fact.text("role"))
        ]
        changed = bool(same) and same[-1].text("worker_ref") != fact.text("worker_ref")
        tells = masks.SERVICE_TELLS.get(fact.text("service"), "status")
        if changed and fact.effective_on > facts.since and facts.eyes.stands(tells):
            yield Reason("new worker", policy.worker_change, fact.effective_on)
            break


def _work(facts: _Facts, policy: RiskPolicy) -> Iterator[Reason]:
    claims = facts.visible("uc.claim_started", "uc.regime_changed", "uc.claim_ended")
    if claims and facts.case.belief.code(facts.case.today).startswith("2"):
        last = claims[-1]
        if "UAA" in (last.text("regime"), last.text("to_regime")) and last.effective_on > facts.since:
            points = policy.looking_for_work_while_enrolled
            yield Reason("looks for work while enrolled", points, last.effective_on)
    jobs = facts.visible("employment.started", "employment.hours_changed")
    if len(jobs) > 1 and jobs[-1].type == "employment.hours_changed" and jobs[-1].effective_on > facts.since:
        before, after = jobs[-2].number("hours_per_week"), jobs[-1].number("hours_per_week")
        if before is not None and after is not None and after < before:
            yield Reason(f"hours cut from {before:g} to {after:g}", policy.hours_cut, jobs[-1].effective_on)
