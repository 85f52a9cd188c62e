"""Answers about one person for people: what held on a day by what was known at a moment. Used by stories and as-of.

Takes the state's bytes as the journal holds them, or a decoded state; empty bytes are a person never heard of.
"""

from __future__ import annotations

import os
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from services.status import codes, days, plan
from services.status.agent import policy_of
from services.status.belief import Belief, belief
from services.status.bitemporal import live
from services.status.policy import Policy
from services.status.reading import milliseconds
from services.status.spans import Layer
from services.status.state import State, decode, empty
from spine.clock import local_date

_CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
FLAGS = ("presumed_neet", "re_entry")


@lru_cache(maxsize=8)
def _policy(contracts: Path) -> Policy:
    return policy_of(contracts)


def default_policy() -> Policy:
    """The policy of ``HUB_CONTRACTS``, else of this tree."""
    return _policy(Path(os.environ.get("HUB_CONTRACTS", _CONTRACTS)))


def believed(state: State | bytes, known_at: datetime, policy: Policy | None = None) -> Belief:
    """The belief of somebody who knows what the hub knew at ``known_at``."""
    held = state if isinstance(state, State) else decode(state) if state else empty("")
    policy = policy or default_policy()
    return belief(live(held.seen, policy, milliseconds(known_at)), policy)


def view(state: State | bytes, known_at: datetime, on: date, policy: Policy | None = None) -> dict[str, Any]:
    """Status on a day as known at a moment: code, group, flags, ssda903, duty_met, and the plan at that moment.

    ``at_risk`` is not among the flags: it rests on open alerts.
    """
    policy = policy or default_policy()
    told, day = believed(state, known_at, policy), on.toordinal()
    span, code = told.span(day), told.code(day)
    group = codes.group(code)
    flags = {name: told.marked(name, day) for name in FLAGS}
    flags["awaiting_start"] = group == codes.AWAITING
    flags["conflict"] = any(one.name.startswith("conflict:") and one.start <= day <= one.end for one in told.marks)
    return {
        "code": code,
        "group": group,
        "flags": flags,
        "ssda903": ssda903(code, span, policy),
        "duty_met": policy.duty_met.get(code, "not_applicable"),
        "plan": _plan(told, known_at),
    }


def ssda903(code: str, span: Layer | None, policy: Policy) -> str | None:
    """The code's reading for the care leavers' return; full or part time by the hours, where they are known.

    None for codes below the leaving age, which the return does not ask about.
    """
    if code not in policy.ssda903:
        return None
    if span is not None and span.higher_education and code == codes.PART_TIME_EDUCATION:
        return policy.part_time_higher_education
    full, part = policy.ssda903[code]
    hours = None if span is None else span.hours
    return part if hours is not None and hours < policy.ssda903_full_time_hours * 100 else full


def _plan(told: Belief, known_at: datetime) -> dict[str, Any] | None:
    day = local_date(known_at).toordinal()
    held = plan.as_of(told.plans, milliseconds(known_at), day)
    if held is None:
        return None
    deadline = held.appeal_deadline_on
    over = held.hold == plan.WINDOW and deadline is not None and deadline < day
    hold = held.below if over else held.hold
    return {
        "state": held.state,
        "cease_hold": hold is not None,
        "hold_reason": hold,
        "appeal_deadline_on": None if deadline is None else days.to_date(deadline),
    }


def timeline(
    state: State | bytes, known_at: datetime, until: date, policy: Policy | None = None
) -> list[tuple[date, date | None, str]]:
    """(first day, last day, code) as known at a moment, up to ``until``; neighbours of one code joined.

    The last one is open, unless the timeline itself has ended by then.
    """
    last = until.toordinal()
    out: list[tuple[int, int, str]] = []
    for span in believed(state, known_at, policy).timeline:
        if span.start > last:
            break
        if out and out[-1][2] == span.code and out[-1][1] + 1 == span.start:
            out[-1] = (out[-1][0], span.end, span.code)
        else:
            out.append((span.start, span.end, span.code))
    return [(days.to_date(a), None if b >= last else days.to_date(b), code) for a, b, code in out]


def episodes(
    state: State | bytes, known_at: datetime, until: date, policy: Policy | None = None
) -> list[tuple[date, date | None, int | None]]:
    """(first day, last day, length in days) of the NEET episodes as known at a moment; open ones have no end yet."""
    last = until.toordinal()
    return [
        (
            days.to_date(one.start),
            None if one.end >= last else days.to_date(one.end),
            None if one.end >= last else one.end - one.start + 1,
        )
        for one in believed(state, known_at, policy).episodes
        if one.start <= last
    ]
