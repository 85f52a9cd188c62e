"""Stretches of days: painting one layer over another, joining neighbours, finding holes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from services.status.days import FOREVER


class Layer(NamedTuple):
    """Days with one code, both ends inclusive. ``since``: first day of the fact behind it, maybe earlier than start."""

    start: int
    end: int
    code: str
    ends_by: str = "fact"
    source: str = ""
    since: int = 0
    #: For education past its end (P8): first day on which the code is only carried.
    carried_from: int = FOREVER
    hours: int | None = None
    higher_education: bool = False


def paint(lower: Sequence[Layer], upper: Sequence[Layer]) -> list[Layer]:
    """``upper`` over ``lower``; both disjoint and ordered, and so is the result."""
    if not upper:
        return list(lower)
    if not lower:
        return list(upper)
    out: list[Layer] = list(upper)
    for below in lower:
        start = below.start
        for above in upper:
            if above.end < start:
                continue
            if above.start > below.end:
                break
            if above.start > start:
                out.append(below._replace(start=start, end=above.start - 1, ends_by="fact"))
            start = above.end + 1
        if start <= below.end:
            out.append(below._replace(start=start) if start > below.start else below)
    out.sort()
    return out


def merged(stretches: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Union of days as disjoint, ordered, not touching stretches."""
    ordered = sorted(stretches)
    if len(ordered) == 1:
        return ordered if ordered[0][0] <= ordered[0][1] else []
    out: list[tuple[int, int]] = []
    for start, end in ordered:
        if end < start:
            continue
        if out and start <= out[-1][1] + 1:
            if end > out[-1][1]:
                out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


def paired(starts: Sequence[int], ends: Iterable[int]) -> list[int | None]:
    """The end of each start (ascending): the first on or after it, None while there is none.

    Where one stretch ends and the next begins on one day, that end is the earlier one's.
    """
    known = sorted(ends)
    found: list[int | None] = []
    for start in starts:
        taken = any(end == start and earlier < start for earlier, end in zip(starts, found, strict=False))
        found.append(next((end for end in known if end > start or (end == start and not taken)), None))
    return found


def common(one: Sequence[tuple[int, int]], other: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Days in both."""
    return [(max(a, c), min(b, d)) for a, b in one for c, d in other if max(a, c) <= min(b, d)]


def covering(stretches: Sequence[tuple[int, int]], day: int) -> bool:
    return any(start <= day <= end for start, end in stretches)


def last_before(stretches: Sequence[tuple[int, int]], day: int) -> int | None:
    """Last day before ``day`` that a stretch covers, given that none covers ``day`` itself."""
    found: int | None = None
    for start, end in stretches:
        if start >= day:
            break
        found = min(end, day - 1)
    return found
