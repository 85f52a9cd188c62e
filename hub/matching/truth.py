"""A file of identity rows with the truth beside them, resolved row by row; what is kept of a row is where it stands."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern

from hub.progress import Advance
from hub.resolve import Row, Summary, new_event_id, rows_of
from hub.unfinished import Unusable, is_jsonl
from services.matching.bulk import Bulk, RowRefused
from services.matching.measures import Groups, Placed

#: Columns that are read as groups where the file has them and the command names none.
USUAL_GROUPS = ("name_origin", "sex", "care_status")
#: A column with more values is no group, but a value of each person; a page could not show it either.
GROUP_VALUES_MAX = 60
VALUE_LETTERS_MAX = 80
NOT_TOLD = "(not told)"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column says what. ``groups`` None: those of ``USUAL_GROUPS`` that the file has."""

    truth: str = "cluster"
    groups: tuple[str, ...] | None = None
    household: str = "household"
    twins: str = "twins"


@dataclass(slots=True)
class Evaluated:
    """Where every row was put, in order of the file."""

    placed: list[Placed] = field(default_factory=list)
    summary: Summary = field(default_factory=Summary)


@dataclass(slots=True)
class _Groups:
    """The groups of a row, each combination kept once."""

    columns: tuple[str, ...] | None
    _values: dict[str, set[str]] = field(default_factory=dict)
    _kept: dict[Groups, Groups] = field(default_factory=dict)

    def of(self, row: Row) -> Groups:
        names = self.columns if self.columns is not None else tuple(n for n in USUAL_GROUPS if n in row)
        found = tuple((intern(name), self._value(name, row.get(name))) for name in names)
        return self._kept.setdefault(found, found)

    def _value(self, name: str, text: str | None) -> str:
        value = (text or "").strip()[:VALUE_LETTERS_MAX] or NOT_TOLD
        known = self._values.setdefault(name, set())
        known.add(value)
        if len(known) > GROUP_VALUES_MAX:
            raise Unusable(f"column {name} has more than {GROUP_VALUES_MAX} values: it is no group")
        return intern(value)


def evaluate_file(source: Path, columns: Columns, bulk: Bulk, advance: Advance) -> Evaluated:
    """Resolve every row that can be. Raises Unusable for a file that lacks a column or has no row to resolve."""
    out, groups, seen = Evaluated(), _Groups(columns.groups), set[str]()
    begun = time.perf_counter()
    with source.open(encoding="utf-8-sig", newline="") as handle:
        for line, row in rows_of(handle, is_jsonl(source), advance):
            out.summary.rows += 1
            try:
                if isinstance(row, RowRefused):
                    raise row
                if out.summary.rows == 1:
                    _check(row, columns)
                placed = _placed(bulk, row, columns, groups, seen)
            except RowRefused as refused:
                out.summary.refuse(line, str(refused))
                continue
            out.summary.decisions[placed.decision] += 1
            out.placed.append(placed)
    if not out.placed:
        raise Unusable("no row of it can be matched" if out.summary.rows else "there is no row in it")
    out.summary.seconds = time.perf_counter() - begun
    return out


def _check(first: Row, columns: Columns) -> None:
    missing: Sequence[str] = [name for name in (columns.truth, *(columns.groups or ())) if name not in first]
    if missing:
        raise Unusable(
            f"no column {', '.join(missing)}; --truth names the one with the true cluster, --group one with a group"
        )


def _placed(bulk: Bulk, row: Row, columns: Columns, groups: _Groups, seen: set[str]) -> Placed:
    truth = (row.get(columns.truth) or "").strip()
    if not truth:
        raise RowRefused(f"{columns.truth} must be there")
    event_id = new_event_id(row, seen)
    of = groups.of(row)
    resolved = bulk.resolve(row)
    seen.add(event_id)
    return Placed(
        truth=intern(truth),
        person=intern(resolved.person_id),
        source=intern((row.get("source") or "").strip()),
        decision=resolved.decision,
        weight=resolved.weight_millibits,
        candidates=tuple(map(intern, resolved.candidates)),
        groups=of,
        household=intern((row.get(columns.household) or "").strip()),
        twins=intern((row.get(columns.twins) or "").strip()),
    )
