"""What a replay says of each recorded decision. Pure: rows in, verdicts out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from spine.journal import DecisionRow
from spine.ledger.leaves import FIELDS, fields_of
from spine.step import SEALED as NOTE_SEALED
from spine.step import link_after

_NOTE = FIELDS.index("note")
#: Of a row that differs, how many are kept to be shown.
SHOWN_MAX = 200


class Verdict(StrEnum):
    """SAME and SEALED leave nothing to explain; all others do."""

    SAME = "SAME"
    CHANGED = "CHANGED"
    MISSING = "MISSING"
    EXTRA = "EXTRA"
    SEALED = "SEALED"
    NO_BUILD = "NO BUILD"
    TAMPERED = "TAMPERED"


@dataclass(frozen=True, slots=True)
class Finding:
    """A decision that did not come out the same. ``paths``: field, as recorded, as decided now."""

    verdict: Verdict
    service: str
    place: str
    event_id: str
    paths: tuple[tuple[str, str, str], ...] = ()


@dataclass(slots=True)
class Judge:
    """Judges the decisions of one service, place by place and in order. ``digest`` covers what was decided now."""

    service: str
    counts: Counter[Verdict] = field(default_factory=Counter)
    by_day: dict[str, Counter[Verdict]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    _made: Any = field(default_factory=hashlib.sha256)
    _links: dict[tuple[str, int], bytes] = field(default_factory=dict)
    _sealed: set[tuple[str, int, str]] = field(default_factory=set)

    @property
    def digest(self) -> str:
        return str(self._made.hexdigest())

    def whole(self, row: DecisionRow) -> bool:
        """Whether the chain holds at this recorded row; rows of a place are given in order."""
        place = (row.topic, row.partition)
        holds = link_after(self._links.get(place, b""), row) == row.link
        self._links[place] = row.link
        if not holds:
            self._found(Verdict.TAMPERED, row, "")
        return holds

    def judge(self, recorded: DecisionRow | None, made: Sequence[Any] | None, key: str, day: str) -> Verdict:
        """One decision: as recorded, and as made now (fields of a row). ``key`` is the record's."""
        if made is not None:
            self._made.update(repr(list(made)).encode())
        if recorded is None:
            return self._found(Verdict.EXTRA, None, day, made=made)
        if made is None:
            return self._found(Verdict.MISSING, recorded, day)
        was = fields_of(recorded)
        if was == list(made):
            return self._count(Verdict.SAME, day)
        place = (recorded.topic, recorded.partition)
        if made[_NOTE] == NOTE_SEALED and recorded.note != NOTE_SEALED:
            # Its key was destroyed since. What follows for the same key follows from that.
            self._sealed.add((*place, key))
            return self._count(Verdict.SEALED, day)
        touched = (*place, key) in self._sealed or (not key and any(s[:2] == place for s in self._sealed))
        if touched:
            return self._count(Verdict.SEALED, day)
        paths = tuple((name, str(a), str(b)) for name, a, b in zip(FIELDS, was, made, strict=True) if a != b)
        return self._found(Verdict.CHANGED, recorded, day, paths)

    def without_build(self, recorded: DecisionRow, day: str) -> None:
        self._found(Verdict.NO_BUILD, recorded, day, (("build", recorded.build, ""),))

    def _found(
        self,
        verdict: Verdict,
        row: DecisionRow | None,
        day: str,
        paths: tuple[tuple[str, str, str], ...] = (),
        made: Sequence[Any] | None = None,
    ) -> Verdict:
        if len(self.findings) < SHOWN_MAX:
            topic, partition, offset, event_id = (
                made[:4] if row is None and made is not None else (row.topic, row.partition, row.offset, row.event_id)  # type: ignore[union-attr]
            )
            self.findings.append(Finding(verdict, self.service, f"{topic}/{partition}@{offset}", str(event_id), paths))
        return self._count(verdict, day)

    def _count(self, verdict: Verdict, day: str) -> Verdict:
        self.counts[verdict] += 1
        if day:
            self.by_day.setdefault(day, Counter())[verdict] += 1
        return verdict


def stands(counts: Counter[Verdict]) -> bool:
    """Whether every decision is shown again, or proved to be sealed."""
    return sum(counts.values()) > 0 and not {v for v, n in counts.items() if n} - {Verdict.SAME, Verdict.SEALED}
