"""What was known at a moment: observations withdrawn, repeated, taken back or come too late fall away here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.status.facts import Seen, too_late
from services.status.policy import Policy

FOR_EVER = 1 << 62


def live(seen: Sequence[Seen], policy: Policy, known_at: int = FOR_EVER) -> list[Seen]:
    """The facts that count for somebody who knows what was known at ``known_at``, in the policy's order.

    An event is taken back from the moment its retraction is known. Of content duplicates (P3) the first known counts;
    a copy stands on its own feet when the first is taken back.
    """
    known = [one for one in seen if one.known <= known_at and (one.withdrawn is None or one.withdrawn > known_at)]
    retracted = {(one.source, one.data[0]) for one in known if one.type == "event.retracted"}
    if retracted:
        known = [one for one in known if (one.source, one.message) not in retracted]
    known = _first_of_each(known)
    if policy.late_days_max is not None:
        known = [one for one in known if not too_late(one, policy.late_days_max)]
    return known


def _first_of_each(known: list[Seen]) -> list[Seen]:
    first: dict[str, Seen] = {}
    for one in known:
        held = first.get(one.content)
        if held is None or _first_known(one) < _first_known(held):
            first[one.content] = one
    return known if len(first) == len(known) else sorted(first.values())


def _first_known(one: Seen) -> tuple[int, int, str]:
    return (one.known, one.received, one.id)


def is_repeated(news: Seen, seen: Iterable[Seen]) -> bool:
    """Whether what ``news`` says was there already: P3, no second effect."""
    return any(
        one.content == news.content and one.withdrawn is None and _first_known(one) < _first_known(news) for one in seen
    )
