"""What status keeps of one person: every observation with its two moments, and the code changes that lie ahead.

Deterministic bytes: ``decode(encode(state)) == state``. Old observations are never decoded from Avro again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

import orjson

from services.status import days
from services.status.belief import Belief
from services.status.facts import Seen

_SHAPE: Final = 1


@dataclass(frozen=True, slots=True)
class State:
    """``seen`` in the policy's order, with those withdrawn or taken back. ``today``: last day that has been lived
    through. ``code``: code of today. ``ahead``: (first day, code) of the code changes after today, as far as known now.

    ``told``: the belief of ``seen``, remembered while the state stays in memory; never part of its bytes.
    """

    person_id: str
    seen: tuple[Seen, ...] = ()
    today: int = 0
    code: str = "810"
    ahead: tuple[tuple[int, str], ...] = ()
    too_late: int = 0
    waiting: bool = False
    told: Belief | None = field(default=None, compare=False, repr=False)

    @property
    def stub(self) -> bool:
        """Holds nothing but observations that wait for a match review."""
        return not self.seen

    @property
    def due_on(self) -> date | None:
        """Next day on which the code changes by passing time."""
        return days.to_date(self.ahead[0][0]) if self.ahead else None

    def with_seen(self, news: Seen) -> State:
        return replace(self, seen=tuple(sorted((*self.seen, news))))

    def without(self, observation_id: str, withdrawn: int) -> State:
        """The observation was moved away at ``withdrawn`` (UTC milliseconds); it stays for as-of questions."""
        return replace(
            self,
            seen=tuple(
                one._replace(withdrawn=withdrawn) if one.id == observation_id and one.withdrawn is None else one
                for one in self.seen
            ),
        )

    def holds(self, observation_id: str) -> bool:
        return any(one.id == observation_id and one.withdrawn is None for one in self.seen)


def empty(person_id: str) -> State:
    return State(person_id)


def encode(state: State) -> bytes:
    """Bytes of a state; a row per observation, in the order of ``Seen``."""
    return orjson.dumps(
        [
            _SHAPE,
            state.person_id,
            state.today,
            state.code,
            state.ahead,
            state.too_late,
            state.waiting,
            [tuple(one) for one in state.seen],
        ]
    )


def decode(body: bytes) -> State:
    """Raises ValueError for bytes of another shape."""
    read: list[Any] = orjson.loads(body)
    if read[0] != _SHAPE:
        raise ValueError("a state of another shape: replay is needed")
    _, person_id, today, code, ahead, too_late, waiting, rows = read
    return State(
        person_id,
        tuple([Seen._make((*row[:-1], tuple(row[-1]))) for row in rows]),
        today,
        code,
        tuple([(day, changed) for day, changed in ahead]),
        too_late,
        waiting,
    )
