"""What a replay says of each recorded decision. Pure: rows in, verdicts out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from hub.replay.child import Made
from spine.journal import DecisionRow
from spine.ledger.leaves import FIELDS, linked
from spine.log import Place
from spine.step import SEALED as NOTE_SEALED

_TOPIC, _PARTITION, _EVENT = (FIELDS.index(name) for name in ("topic", "partition", "event_id"))
_EFFECTS, _BUILD, _NOTE = (FIELDS.index(name) for name in ("effects", "build", "note"))
#: What a decision says of all keys that it reached together.
_OF_MANY = {FIELDS.index(name) for name in ("state_before", "state_after", "effects", "note")}
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


#: Field, as recorded, as decided now.
Paths = tuple[tuple[str, str, str], ...]
#: Of a decision's event id and a shift: the hashes of its effects under shifted numbers (``Child.hashes``).
Hashes = Callable[[str, int], Sequence[str | None]]


@dataclass(frozen=True, slots=True)
class Finding:
    """A decision that did not come out the same."""

    verdict: Verdict
    service: str
    place: str
    event_id: str
    paths: Paths = ()


@dataclass(slots=True)
class Judge:
    """Judges the decisions of one service, place by place and in order. ``digest`` covers what was decided now."""

    service: str
    counts: Counter[Verdict] = field(default_factory=Counter)
    by_day: dict[str, Counter[Verdict]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    _made: Any = field(default_factory=hashlib.sha256)
    _links: dict[Place, bytes] = field(default_factory=dict)
    #: Keys about which something is sealed, by place: what follows about them follows from that.
    _sealed: dict[Place, set[str]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return str(self._made.hexdigest())

    def whole(self, row: DecisionRow, body: bytes) -> bool:
        """Whether the chain holds at this recorded row, whose canonical body is given; rows of a place are given in
        order."""
        place = (row.topic, row.partition)
        holds = linked(self._links.get(place, b""), body) == row.link
        self._links[place] = row.link
        if not holds:
            self.count(Verdict.TAMPERED, body, None, "")
        return holds

    def judge(self, recorded: bytes | None, made: Made | None, key: str, hashes: Hashes) -> Verdict:
        """One decision: the canonical body of its row as recorded, and what was made now. ``key`` is the record's."""
        if made is not None:
            self._made.update(made.body)
        if recorded is None:
            return Verdict.EXTRA
        if made is None:
            return Verdict.MISSING
        # Of nearly all, nothing is read.
        return Verdict.SAME if recorded == made.body else self._differing(recorded, made, key, hashes)

    def count(self, verdict: Verdict, recorded: bytes | None, made: Made | None, day: str) -> None:
        """Count a decision, and show it if it did not come out the same."""
        self.counts[verdict] += 1
        if day:
            self.by_day.setdefault(day, Counter())[verdict] += 1
        if verdict in (Verdict.SAME, Verdict.SEALED) or len(self.findings) >= SHOWN_MAX:
            return
        was: list[Any] = [] if recorded is None else orjson.loads(recorded)
        now: list[Any] = [] if made is None else orjson.loads(made.body)
        topic, partition, offset, event_id = (was or now)[:4]
        paths = _paths(was, now) if was and now else ()
        if verdict is Verdict.NO_BUILD:
            paths = (("build", was[_BUILD], ""),)
        place = f"{topic}/{partition}@{offset}"
        self.findings.append(Finding(verdict, self.service, place, str(event_id), paths))

    def _differing(self, recorded: bytes, made: Made, key: str, hashes: Hashes) -> Verdict:
        was, now = orjson.loads(recorded), orjson.loads(made.body)
        place: Place = (was[_TOPIC], was[_PARTITION])
        sealed = self._sealed.setdefault(place, set())
        if not key:
            same = sealed_in_part(was, now, made.reached, sealed, lambda shift: hashes(was[_EVENT], shift))
            return Verdict.SEALED if same else Verdict.CHANGED
        if now[_NOTE] == NOTE_SEALED and was[_NOTE] != NOTE_SEALED:
            # Its key was destroyed since. What follows for the same key follows from that.
            sealed.add(key)
            return Verdict.SEALED
        return Verdict.SEALED if key in sealed else Verdict.CHANGED


def stands(counts: Counter[Verdict]) -> bool:
    """Whether every decision is shown again, or proved to be sealed."""
    return sum(counts.values()) > 0 and not {v for v, n in counts.items() if n} - {Verdict.SAME, Verdict.SEALED}


def sealed_in_part(
    was: Sequence[Any],
    now: Sequence[Any],
    reached: Sequence[tuple[str, int]],
    sealed: Set[str],
    hashes: Callable[[int], Sequence[str | None]],
) -> bool:
    """Whether a decision that went to many keys, tick or policy, differs only in what is about keys that are sealed.

    Everything but states, effects and note must be as it was. The effects about all other keys must stand among the
    recorded ones in their order, each under its number there (``hashes`` gives all hashes for a shift of numbers); and
    between them there may be others only where a sealed key stands in the order of keys. The two digests of states
    cover all keys in one: what became of another key's state, its next decision shows.
    """
    if not sealed or any(a != b for n, (a, b) in enumerate(zip(was, now, strict=True)) if n not in _OF_MANY):
        return False
    if was[_NOTE] not in ("", NOTE_SEALED) or now[_NOTE] not in ("", NOTE_SEALED):
        return False
    keys = [key for key, count in reached for _ in range(count)]
    recorded: list[str] = [digest for _, digest in was[_EFFECTS]]
    shifted: dict[int, Sequence[str | None]] = {}

    def stands(number: int, at: int) -> bool:
        if at - number not in shifted:
            shifted[at - number] = hashes(at - number)
        return shifted[at - number][number] == recorded[at]

    at, before = 0, ""
    for number, key in enumerate(keys):
        if key in sealed:
            continue
        hole = any(before < one < key for one in sealed)
        while at < len(recorded) and not stands(number, at) and hole:
            at += 1
        if at >= len(recorded) or not stands(number, at):
            return False
        at, before = at + 1, key
    return at == len(recorded) or any(one > before for one in sealed)


def _paths(was: Sequence[Any], now: Sequence[Any]) -> Paths:
    return tuple((name, str(a), str(b)) for name, a, b in zip(FIELDS, was, now, strict=True) if a != b)
