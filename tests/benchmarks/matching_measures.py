"""Pairwise precision and recall of a resolution against truth, false merges and merged twins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from services.matching.bulk import Resolved


@dataclass(frozen=True, slots=True)
class Accuracy:
    """``false_merges``: people whose cluster holds a record of somebody else, per 10,000 people."""

    precision: float
    recall: float
    f1: float
    false_merges_per_10000: float
    twins_merged: int
    twins: int
    review_share: float

    def __str__(self) -> str:
        return (
            f"precision {self.precision:.4f} recall {self.recall:.4f} F1 {self.f1:.4f}; "
            f"false merges {self.false_merges_per_10000:.1f} per 10,000 people; "
            f"twins merged {self.twins_merged} of {self.twins}; review {self.review_share:.2%}"
        )


def measure(resolved: Iterable[Resolved], truth: Mapping[str, int], twins: set[tuple[int, int]]) -> Accuracy:
    """Records under review stand alone: an unanswered question is a miss, not a merge."""
    rows = list(resolved)
    clusters: dict[str, Counter[int]] = {}
    for row in rows:
        clusters.setdefault(row.person_id, Counter())[truth[row.event_id]] += 1
    joined = sum(_pairs(sum(c.values())) for c in clusters.values())
    right = sum(_pairs(n) for c in clusters.values() for n in c.values())
    wanted = sum(_pairs(n) for n in Counter(truth.values()).values())
    merged = sum(len(c) - 1 for c in clusters.values())
    both = sum(1 for c in clusters.values() for a, b in twins if a in c and b in c) if merged else 0
    precision, recall = right / joined if joined else 1.0, right / wanted if wanted else 1.0
    people = len(set(truth.values()))
    held = sum(row.decision == "review" for row in rows)
    f1 = 2 * precision * recall / (precision + recall)
    return Accuracy(precision, recall, f1, merged * 10_000 / people, both, len(twins), held / len(rows))


def _pairs(n: int) -> int:
    return n * (n - 1) // 2


def answered(resolved: Iterable[Resolved], truth: Mapping[str, int]) -> list[Resolved]:
    """The same with every review answered rightly: linked where its best candidate is the person, else left alone."""
    rows, owner = list(resolved), dict[str, int]()
    for row in rows:
        if row.decision != "review":
            owner.setdefault(row.person_id, truth[row.event_id])
    out = []
    for row in rows:
        if row.candidate is not None and owner.get(row.candidate) == truth[row.event_id]:
            row = replace(row, person_id=row.candidate)
        out.append(row)
    return out
