"""What was known at a moment: observations withdrawn, repeated, taken back or come too late fall away here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.status.facts import DECIDE_A_CODE, Seen, Value, days_late, last_day_told
from services.status.policy import Policy

FOR_EVER = 1 << 62


def live(seen: Sequence[Seen], policy: Policy, known_at: int = FOR_EVER) -> list[Seen]:
    """The facts that count for somebody who knows what was known at ``known_at``, in the policy's order.

    An event is taken back from the moment its retraction is known. Of content duplicates (P3) the first known counts;
    a copy stands on its own feet when the first is taken back.
    """
    known = [one for one in seen if one.known <= known_at and (one.withdrawn is None or one.withdrawn > known_at)]
    retracted = _taken_back(known)
    if retracted:
        known = [one for one in known if (one.source, one.message) not in retracted]
    known = _first_of_each(known)
    late = too_late(known, policy)
    return [one for one in known if one.id not in late] if late else known


def too_late(known: Sequence[Seen], policy: Policy) -> frozenset[str]:
    """Ids of facts that came too late to decide a code (RELIABILITY, fault 23): kept as history, without effect.

    Late is what is received longer than allowed after its day and after the last day that it speaks of. What follows a
    fact that its source itself loaded from history (a course of two years ago that still runs) belongs to that load.
    """
    limit = policy.late_days_max
    if limit is None:
        return frozenset()
    old = [one for one in known if one.type in DECIDE_A_CODE and days_late(one) > limit]
    if not old:
        return frozenset()
    late = [one for one in old if days_late(one) - (last_day_told(one) - one.on) > limit]
    ids = {one.id for one in late}
    loaded: dict[str, int] = {}
    for one in old:
        if one.id not in ids:
            loaded[one.source] = min(one.on, loaded.get(one.source, one.on))
    return frozenset(one.id for one in late if one.source not in loaded or one.on < loaded[one.source])


def _first_of_each(known: list[Seen]) -> list[Seen]:
    first: dict[str, Seen] = {}
    for one in known:
        held = first.get(one.content)
        if held is None or _first_known(one) < _first_known(held):
            first[one.content] = one
    return known if len(first) == len(known) else sorted(first.values())


def _first_known(one: Seen) -> tuple[int, int, str]:
    return (one.known, one.received, one.id)


def is_repeated(news: Seen, seen: Sequence[Seen]) -> bool:
    """Whether what ``news`` says was there already: P3, no second effect. What was taken back is there no more."""
    same = [
        one
        for one in seen
        if one.content == news.content and one.withdrawn is None and _first_known(one) < _first_known(news)
    ]
    if not same:
        return False
    retracted = _taken_back(seen)
    return any((one.source, one.message) not in retracted for one in same)


def _taken_back(seen: Iterable[Seen]) -> set[tuple[str, Value]]:
    return {(one.source, one.data[0]) for one in seen if one.type == "event.retracted"}
