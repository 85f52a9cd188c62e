"""The dates that a CCIS record carries beside its activity code (domain reference 1.2), for one day of a belief.

DateAscertained, DateVerified, ReviewDate, DueToLapseDate, CurrencyLapsed, NEETStartDate and PredictedEndDate have no
public definition to the day: what each means here is written below, and the lengths behind them are configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.status.belief import Belief
from services.status.codes import GROUPS
from services.status.days import FOREVER
from services.status.facts import DECIDE_A_CODE, Seen, received_on
from services.status.policy import Policy
from services.status.spans import Layer

_EDUCATION_AND_TRAINING = frozenset({"EET", "EET_SOFT", "PRE16_IN"})


@dataclass(frozen=True, slots=True)
class Currency:
    """Days as ordinals; None where there is none.

    ``start``: first day of the activity. ``ascertained``: day on which the hub received the fact behind it.
    ``verified``: last day up to the day asked about on which a worker or an event confirmed it; at first, ascertained.
    ``due_to_lapse``: last day on which it counts if nobody confirms it. ``review``: the day on which its owner is
    warned (rule A04). ``lapsed``: not known because the status before ran out. ``neet_start``: first day of the
    NEET episode. ``predicted_end``: last day of learning or dated work as it is planned.
    """

    start: int | None
    ascertained: int | None
    verified: int | None
    review: int | None
    due_to_lapse: int | None
    lapsed: bool
    neet_start: int | None
    predicted_end: int | None


def currency(told: Belief, live: Sequence[Seen], day: int, warn_days: int, policy: Policy) -> Currency:
    """Currency of the status on ``day``. ``live``: the facts of the belief; ``warn_days``: days of A04."""
    span = told.span(day)
    if span is None:
        return Currency(None, None, None, None, None, False, None, None)
    start = min(span.since, span.start) if span.since else span.start
    behind = _behind(span, live, start)
    ascertained = None if behind is None else received_on(behind)
    due = span.end if span.ends_by == "lapse" and span.end < FOREVER else None
    episode = next((one for one in told.episodes if one.start <= day <= one.end), None)
    dated = (
        GROUPS[span.code] in _EDUCATION_AND_TRAINING and span.ends_by == "lapse" and span.code not in _undated(policy)
    )
    return Currency(
        start=start,
        ascertained=ascertained,
        verified=_verified(live, start, day, policy) or ascertained,
        review=None if due is None else due - warn_days,
        due_to_lapse=due,
        lapsed=_lapsed(told, span),
        neet_start=None if episode is None else episode.start,
        predicted_end=due if dated else None,
    )


def _undated(policy: Policy) -> frozenset[str]:
    """Codes that run out by their age alone, so that their last day is no planned end."""
    return frozenset(policy.lapse_days) | frozenset(policy.undated_days)


def _behind(span: Layer, live: Sequence[Seen], start: int) -> Seen | None:
    """The fact that the span rests on: its source's first word that decides a code from the span's first day on (a
    contact that dates NEET back comes after it), else its latest before."""
    mine = [one for one in live if one.source == span.source and one.type in DECIDE_A_CODE]
    return next((one for one in mine if start <= one.on <= span.end), mine[-1] if mine else None)


def _verified(live: Sequence[Seen], start: int, day: int, policy: Policy) -> int | None:
    days = [one.on for one in live if one.type in policy.verifying_types and start <= one.on <= day]
    return max(days, default=None)


def _lapsed(told: Belief, span: Layer) -> bool:
    if GROUPS[span.code] != "NOT_KNOWN":
        return False
    before = [one for one in told.timeline if one.end < span.start]
    return bool(before) and before[-1].ends_by == "lapse"
