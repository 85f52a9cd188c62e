"""Points for the risk of dropping out, from what one role may read. Pure.

A reason that the role may not see gives no points either: a number would tell of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

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


@dataclass(frozen=True, slots=True)
class RiskPolicy:
    """contracts/policy/risk.yaml."""

    read: Mapping[str, Any]

    @classmethod
    def parse(cls, read: Mapping[str, Any]) -> RiskPolicy:
        """Raises ValueError where the file names what must stay out."""
        named = {str(key).lower() for key in read} | {str(key).lower() for key in read.get("standing", {})}
        if named & LEFT_OUT:
            raise ValueError(f"risk.yaml: take out {', '.join(sorted(named & LEFT_OUT))}; it may not give points")
        return cls(read)

    def band(self, points: int) -> str:
        """none, offer, additional or substantial."""
        bands = sorted(self.read["bands"].items(), key=lambda band: int(band[1]), reverse=True)
        return next((str(name) for name, least in bands if points >= least), "none")


def reasons(eyes: Sight, policy: RiskPolicy) -> list[Reason]:
    """Every reason that the role may see, most points first. Empty for somebody who is not in EET."""
    case, read = eyes.case, policy.read
    if not case.in_eet or case.in_custody:
        return []
    found = [
        Reason(name.replace("_", " "), int(points))
        for name, points in read["standing"].items()
        if case.marked(name) and eyes.stands(masks.GROUP_TELLS[name])
    ]
    facts = _Facts(eyes, case, case.today - timedelta(days=int(read["decay_days"])))
    found += [*_attendance(facts, read), *_schooling(facts, read), *_life(facts, read), *_work(facts, read)]
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


def _attendance(facts: _Facts, read: Mapping[str, Any]) -> Iterator[Reason]:
    rule, today = read["attendance"], facts.case.today
    summaries = facts.visible("education.attendance.summary")
    if summaries:
        last = summaries[-1]
        percent = last.number("percent") or 0.0
        bands = sorted((int(below), int(points)) for below, points in rule["below"].items())
        points = next((points for below, points in bands if percent < below), 0)
        if points and last.effective_on >= today - timedelta(days=int(rule["days"])):
            yield Reason(f"attendance {percent:g} %", points, last.effective_on)
        fall = read["attendance_fall"]
        first = last.effective_on - timedelta(days=int(fall["within_days"]))
        before = [f.number("percent") or 0.0 for f in summaries if f.source == last.source and f.effective_on >= first]
        if max(before) - percent >= fall["by"] and last.effective_on > facts.since:
            yield Reason(
                f"attendance fell from {max(before):g} to {percent:g} %", int(fall["points"]), last.effective_on
            )
    absence = read["unexplained_days"]
    for fact in reversed(facts.recent("education.attendance.absence")):
        days = int(fact.number("days") or 0)
        if fact.text("reason") == "unexplained" and days >= absence["days"]:
            yield Reason(f"{days} unexplained days", int(absence["points"]), fact.effective_on)
            break


def _schooling(facts: _Facts, read: Mapping[str, Any]) -> Iterator[Reason]:
    for kind, points in read["exclusion"].items():
        gaps = [f for f in facts.recent("education.provision_gap.recorded") if f.text("kind") == kind]
        if gaps:
            yield Reason(str(kind).replace("_", " "), int(points), gaps[-1].effective_on)
    back = [f for f in facts.recent("education.provision_gap.ended") if f.text("resolution") == "alternative_provision"]
    if back:
        yield Reason("alternative provision", int(read["alternative_provision"]), back[-1].effective_on)
    intended = facts.recent("education.withdrawal.intended")
    if intended:
        yield Reason("the provider intends to withdraw", int(read["withdrawal_intended"]), intended[-1].effective_on)


def _life(facts: _Facts, read: Mapping[str, Any]) -> Iterator[Reason]:
    moves = [f for f in facts.recent("care.placement.changed") if not f.flag("same_carer")]
    if moves:
        kind = "planned" if all(f.flag("planned") for f in moves) else "unplanned"
        yield Reason(f"{kind} placement move", int(read["placement_move"][kind]), moves[-1].effective_on)
    duties = [f for name in read["duty"] for f in facts.recent(f"{_HOMELESS}{name}")]
    if duties and facts.case.marked("homeless"):
        points, _, last = max(
            ((int(read["duty"][f.type.removeprefix(_HOMELESS)]), f.effective_on, f) for f in duties),
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
            yield Reason("new worker", int(read["worker_change"]), fact.effective_on)
            break


def _work(facts: _Facts, read: Mapping[str, Any]) -> Iterator[Reason]:
    claims = facts.visible("uc.claim_started", "uc.regime_changed", "uc.claim_ended")
    if claims and facts.case.belief.code(facts.case.today).startswith("2"):
        last = claims[-1]
        if "UAA" in (last.text("regime"), last.text("to_regime")) and last.effective_on > facts.since:
            points = int(read["looking_for_work_while_enrolled"])
            yield Reason("looks for work while enrolled", points, last.effective_on)
    jobs = facts.visible("employment.started", "employment.hours_changed")
    if len(jobs) > 1 and jobs[-1].type == "employment.hours_changed" and jobs[-1].effective_on > facts.since:
        before, after = jobs[-2].number("hours_per_week"), jobs[-1].number("hours_per_week")
        if before is not None and after is not None and after < before:
            yield Reason(f"hours cut from {before:g} to {after:g}", int(read["hours_cut"]), jobs[-1].effective_on)
