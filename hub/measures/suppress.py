"""Small numbers: which rows of a table stay hidden so that neither a cell nor a difference tells of a few people.

DOMAIN 8.4: cells below 5 are suppressed in anything published. A row is a breakdown's part (an age, an area) and holds
disjoint counts (NEET, not known, others). A row is shown or hidden as a whole: otherwise the measures that are sums of
each other would tell what one of them hides.
"""

from __future__ import annotations

from collections.abc import Sequence

Row = Sequence[int]


def small(row: Row, below: int) -> bool:
    """Whether a count of the row, or the row itself, is of one to ``below`` - 1 people."""
    return any(0 < count < below for count in (*row, sum(row)))


def hidden(rows: Sequence[Row], below: int, *, partition: bool) -> tuple[frozenset[int], bool]:
    """Numbers of the hidden rows, and whether the total must be hidden, too.

    ``partition``: the rows add up to the total. Then what is hidden is at least two rows with anybody in them, and no
    count that they have together is small; the smallest rows go first. If all are hidden and it does not help, the
    total goes. Rows that overlap (vulnerable groups) do not add up: only their own size counts.
    """
    chosen = {n for n, row in enumerate(rows) if small(row, below)}
    if not partition:
        return frozenset(chosen), False
    total = [sum(column) for column in zip(*rows, strict=True)]
    hide_total = small(total, below)
    if not chosen or hide_total:
        return frozenset(chosen), hide_total
    others = sorted(
        (n for n in range(len(rows)) if n not in chosen and sum(rows[n]) > 0), key=lambda n: (sum(rows[n]), n)
    )
    while not _hides([rows[n] for n in sorted(chosen)], below):
        if not others:
            return frozenset(chosen), True
        chosen.add(others.pop(0))
    return frozenset(chosen), False


def _hides(rows: Sequence[Row], below: int) -> bool:
    return len(rows) >= 2 and not small([sum(column) for column in zip(*rows, strict=True)], below)
