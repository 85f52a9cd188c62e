"""What is true of this person now, and what brought it? One status fact per attribution, one per lapse.

The belief reaches into the future, so a tick has nothing to find out: it says only that a day has come on which the
code changes because nothing new arrived.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time
from typing import Any

from services.status import days
from services.status.belief import Belief, belief
from services.status.bitemporal import is_repeated, live, too_late
from services.status.codes import NOT_KNOWN
from services.status.facts import Seen, days_late
from services.status.needless import says_nothing
from services.status.policy import Policy
from services.status.reading import Given, News, Ticked
from services.status.state import State
from services.status.telling import belief_fields
from spine.clock import LONDON, local_date
from spine.record import Effect

_CAUSE = {"linked": "observed", "review_opened": "review_opened", "review_closed": "review_closed"}


def decide(state: State, news: News, policy: Policy) -> tuple[State, Sequence[Effect]]:
    """New state and the status fact that follows."""
    if isinstance(news, Ticked):
        return _tick(state, news.on, policy)
    before = state
    state, cause = _take_in(state, news, policy)
    today = max(state.today, local_date(news.known_at).toordinal())
    if state.stub:
        return replace(state, today=today), (_status(state, news, cause, None, False),)
    told = before.told
    if told is None or not (state.seen is before.seen or (news.seen and says_nothing(news.seen, before, told, policy))):
        told = belief(live(state.seen, policy), policy)
    late = news.seen is not None and _is_late(news.seen, state, policy)
    counted = state.too_late + late
    state = replace(state, today=today, code=told.code(today), ahead=ahead(told, today), too_late=counted, told=told)
    return state, (_status(state, news, cause, told, late),)


def _take_in(state: State, news: Given, policy: Policy) -> tuple[State, str]:
    """The act's effect on what is known, and the cause to tell."""
    match news.act:
        case "linked" | "released":
            assert news.seen is not None
            if state.holds(news.seen.id):
                return state, "duplicate"
            repeated = is_repeated(news.seen, state.seen)
            cause = "duplicate" if repeated else _CAUSE.get(news.act, news.act)
            return state.with_seen(news.seen), cause
        case "withdrawn":
            if news.observation_id is None:
                return state, "withdrawn"
            return state.without(news.observation_id, news.known), "withdrawn"
        case "held":
            return replace(state, waiting=True), "held"
        case _:
            return state, _CAUSE.get(news.act, "UNKNOWN")


def _is_late(seen: Seen, state: State, policy: Policy) -> bool:
    limit = policy.late_days_max
    return limit is not None and days_late(seen) > limit and seen.id in too_late(state.seen, policy)


def _tick(state: State, on: int, policy: Policy) -> tuple[State, Sequence[Effect]]:
    """Says ``lapsed`` when the code of today is no longer the code of the last day that was lived through."""
    if on <= state.today or state.stub:
        return state, ()
    before, code = state.code, state.code
    passed = [changed for day, changed in state.ahead if day <= on]
    if passed:
        code = passed[-1]
    state = replace(state, today=on, code=code, ahead=tuple(one for one in state.ahead if one[0] > on))
    if code == before:
        return state, ()
    told = belief(live(state.seen, policy), policy)
    hour, minute = policy.tick_at
    at = datetime.combine(days.to_date(on), time(hour, minute), LONDON)
    return state, (Effect("statuses", state.person_id, "status.v1", _fields(state, "lapsed", at, told)),)


def ahead(told: Belief, today: int) -> tuple[tuple[int, str], ...]:
    """Code changes after today, as far as they are known now."""
    found: list[tuple[int, str]] = []
    code = told.code(today)
    for span in told.timeline:
        if span.start > today and span.code != code:
            found.append((span.start, span.code))
            code = span.code
        elif span.start > today:
            code = span.code
    if told.timeline and code != NOT_KNOWN and told.timeline[-1].end < days.FOREVER:
        # The timeline itself ends, by death or by moving abroad.
        found.append((max(told.timeline[-1].end, today) + 1, NOT_KNOWN))
    return tuple(found)


def _fields(state: State, cause: str, known_at: datetime, told: Belief | None) -> dict[str, Any]:
    return {
        "person_id": state.person_id,
        "cause": cause,
        "known_at": known_at,
        "belief": None if told is None else belief_fields(told),
    }


def _status(state: State, news: Given, cause: str, told: Belief | None, late: bool) -> Effect:
    observation: Mapping[str, Any] | None = news.raw
    fields = {
        **_fields(state, cause, news.known_at, told),
        "other_person": news.other_person,
        "review_id": news.review_id,
        "safeguarding": news.safeguarding,
        "observation_id": news.observation_id,
        "observation": observation,
        "too_late": late,
    }
    if news.more:
        return Effect("statuses", state.person_id, "status.v2", {**fields, "more": True})
    return Effect("statuses", state.person_id, "status.v1", fields)
