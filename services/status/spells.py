"""POLICY 3.7: NEET episodes, bridged over short unknown days, and the churn chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from services.status.codes import AWAITING, GROUPS, NEET_GROUPS
from services.status.days import FOREVER
from services.status.policy import Policy
from services.status.spans import Layer


class Episode(NamedTuple):
    """First and last day, and whether it began shortly after another."""

    start: int
    end: int
    re_entry: bool


def episodes(spans: Sequence[Layer], policy: Policy) -> list[Episode]:
    """``spans``: a timeline without holes."""
    found: list[tuple[int, int]] = []
    start = end = unknown = 0
    for span in spans:
        group = GROUPS[span.code]
        if group in NEET_GROUPS:
            if not start:
                start = span.start
            end, unknown = span.end, 0
        elif group == AWAITING and start and not unknown:
            end = span.end
        elif group == "NOT_KNOWN" and start and span.end < FOREVER:
            unknown += span.end - span.start + 1
            if unknown > policy.not_known_bridge_days:
                found.append((start, end))
                start = 0
        elif start:
            found.append((start, end))
            start = 0
    if start:
        found.append((start, end))
    return [Episode(a, b, n > 0 and a - found[n - 1][1] - 1 <= policy.churn_days) for n, (a, b) in enumerate(found)]
