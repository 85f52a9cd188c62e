"""What was known of one person at a moment, about a day: read from the states of status and alerts. Pure.

Codes, dates, sources and rules; no name, no address. Times are UTC moments, days are dates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from services.alerts import state as alerts
from services.alerts.rules.a25 import RISKS
from services.status import ccis, days
from services.status import state as statuses
from services.status.belief import Belief
from services.status.bitemporal import live
from services.status.codes import GROUPS
from services.status.facts import DECIDE_A_CODE, Seen, received_on
from services.status.policy import Policy
from services.status.reading import milliseconds, moment
from services.status.story import believed, view


@dataclass(frozen=True, slots=True)
class Interval:
    """Days with one code. ``because``: the facts of its source that decide a code, by their day."""

    start: date
    end: date | None
    code: str
    group: str
    source: str
    ends_by: str
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stretch:
    """A named stretch of days: a mark, an episode, an agreed start."""

    name: str
    start: date
    end: date | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert as it stood at the moment of knowing."""

    alert_id: str
    rule: str
    raised_on: date
    due_on: date
    closed_on: date | None
    outcome: str
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """One observation: what kind, of which day, by whom, when the hub knew it, whether it still counts."""

    on: date
    type: str
    source: str
    received_on: date
    known_at: datetime
    counts: bool


@dataclass(frozen=True, slots=True)
class Told:
    """The whole answer. ``status``: code, group, flags, SSDA903 reading, duty, plan of ``on``."""

    person_id: str
    on: date
    known_at: datetime
    status: dict[str, Any]
    currency: dict[str, Any]
    timeline: tuple[Interval, ...]
    episodes: tuple[Stretch, ...]
    marks: tuple[Stretch, ...]
    waits: tuple[Stretch, ...]
    alerts: tuple[Standing, ...]
    heard: tuple[Heard, ...]

    def document(self) -> dict[str, Any]:
        return asdict(self)


def told(
    person_id: str, status: bytes, held: bytes | None, known_at: datetime, on: date, warn_days: int, policy: Policy
) -> Told:
    """``status``, ``held``: the person's states of status and of alerts. ``warn_days``: days before a lapse (A04)."""
    state = statuses.decode(status)
    at = milliseconds(known_at)
    facts = live(state.seen, policy, at)
    belief = believed(state, known_at, policy)
    standing = tuple(_standing(alerts.decode(held), at)) if held is not None else ()
    answer = view(state, known_at, on, policy)
    answer["flags"]["at_risk"] = answer["group"] in ("EET", "EET_SOFT") and any(
        one.rule in RISKS and one.closed_on is None for one in standing
    )
    return Told(
        person_id,
        on,
        known_at,
        answer,
        _dates(ccis.currency(belief, facts, on.toordinal(), warn_days, policy)),
        tuple(_intervals(belief, facts)),
        tuple(_episodes(belief, on.toordinal())),
        tuple(Stretch(one.name, days.to_date(one.start), days.end_date(one.end)) for one in belief.marks),
        tuple(
            Stretch(
                one.kind,
                days.to_date(one.agreed_on),
                days.end_date(one.last),
                f"starts {days.to_date(one.starts_on)}, {one.ended_by}",
            )
            for one in belief.waits
        ),
        standing,
        tuple(_heard(state.seen, facts, at)),
    )


def changes(before: Told, after: Told) -> list[str]:
    """What is told otherwise after than before, a line each: intervals gone and come, alerts raised and closed."""
    old, new = {_key(one) for one in before.timeline}, {_key(one) for one in after.timeline}
    lines = [f"no longer: {_words(one)}" for one in before.timeline if _key(one) not in new]
    lines += [f"now: {_words(one)}" for one in after.timeline if _key(one) not in old]
    earlier = {one.alert_id: one for one in before.alerts}
    for alert in after.alerts:
        was = earlier.get(alert.alert_id)
        if was is None:
            lines.append(f"raised: {alert.rule} on {alert.raised_on}")
        if alert.closed_on is not None and (was is None or was.closed_on is None):
            lines.append(f"closed: {alert.rule} on {alert.closed_on}, {alert.outcome}")
    return lines


def _key(one: Interval) -> tuple[date, date | None, str]:
    return one.start, one.end, one.code


def _words(one: Interval) -> str:
    return f"{one.code} from {one.start} to {one.end or 'open'}"


def _dates(found: ccis.Currency) -> dict[str, Any]:
    return {
        name: days.to_date(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for name, value in asdict(found).items()
    }


def _intervals(belief: Belief, facts: Sequence[Seen]) -> Iterator[Interval]:
    for span in belief.timeline:
        behind = [
            one
            for one in facts
            if one.source == span.source and one.type in DECIDE_A_CODE and span.since <= one.on <= span.end
        ]
        yield Interval(
            days.to_date(span.start),
            days.end_date(span.end),
            span.code,
            GROUPS[span.code],
            span.source,
            span.ends_by,
            tuple(f"{one.type} of {days.to_date(one.on)}, received {days.to_date(received_on(one))}" for one in behind),
        )


def _episodes(belief: Belief, on: int) -> Iterator[Stretch]:
    """With their length; that of one which goes on, up to the day asked about."""
    for one in belief.episodes:
        last = min(one.end, max(on, one.start))
        length = f"{last - one.start + 1} days" + ("" if last == one.end else f" by {days.to_date(last)}")
        words = ", ".join(word for word in (length, "re-entry" if one.re_entry else "") if word)
        yield Stretch("NEET episode", days.to_date(one.start), days.end_date(one.end), words)


def _standing(state: alerts.State, at: int) -> Iterator[Standing]:
    for alert in state.alerts:
        if alert.opened_ms > at or alert.outcome == "moved":
            continue
        closed = alert.closed_ms is not None and alert.closed_ms <= at
        yield Standing(
            alert.alert_id,
            alert.rule,
            alert.raised_on,
            alert.due_on,
            alert.closed_on if closed else None,
            alert.outcome if closed else "open",
            tuple(one.role for one in alert.recipients),
        )


def _heard(seen: Sequence[Seen], facts: Sequence[Seen], at: int) -> Iterator[Heard]:
    counting = {one.id for one in facts}
    for one in seen:
        if one.known <= at:
            known_at = moment(one.known)
            received = days.to_date(received_on(one))
            yield Heard(days.to_date(one.on), one.type, one.source, received, known_at, one.id in counting)
