"""The facts of one person, with what every step asks of them worked out once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from services.alerts.state import Seen

_sort = attrgetter("source", "source_kind", "type", "agreement")
RETRACTED_KIND = "event.retracted"


def written(value: Any) -> bytes:
    """As the state holds it: deterministic."""
    return orjson.dumps(value, default=tuple, option=orjson.OPT_SORT_KEYS)


def by_type(facts: Iterable[Seen]) -> dict[str, list[Seen]]:
    found: dict[str, list[Seen]] = {}
    for fact in facts:
        found.setdefault(fact.type, []).append(fact)
    return found


class Facts(tuple["Seen", ...]):
    """The facts of a person in the policy's order, with what each step asks of them, worked out once.

    One more fact behind the others takes this over: neither are all grouped again nor all written again.
    """

    @cached_property
    def taken_back(self) -> frozenset[tuple[str, str]]:
        """(source, message) of what its source has retracted."""
        return frozenset((fact.source, fact.text("retracts_id")) for fact in self if fact.type == RETRACTED_KIND)

    @cached_property
    def live(self) -> Mapping[str, Sequence[Seen]]:
        """What was not taken back, by type."""
        gone = self.taken_back
        return by_type([fact for fact in self if (fact.source, fact.message_id) not in gone] if gone else self)

    @cached_property
    def kinds(self) -> frozenset[str]:
        """Types of ``live``."""
        return frozenset(self.live)

    @cached_property
    def sorts(self) -> Mapping[object, Seen]:
        """The first of each sort: agreements and masks tell facts of one sort, of one source, from no other of it."""
        found: dict[object, Seen] = {}
        for sort, fact in zip(map(_sort, self), self, strict=True):
            found.setdefault(sort, fact)
        return found

    @cached_property
    def dropping(self) -> Sequence[Seen]:
        """Those of which the gate dropped a field."""
        return [fact for fact in self if fact.dropped]

    @cached_property
    def written(self) -> bytes:
        """As the state holds them."""
        return written(tuple(self))

    def plus(self, seen: Seen) -> Facts:
        """These and one more, which is behind them in order."""
        more, known = Facts((*self, seen)), self.__dict__
        if "written" in known:
            more.__dict__["written"] = known["written"][:-1] + (b"," if self else b"") + written(seen) + b"]"
        if "sorts" in known:
            new, sorts = _sort(seen), known["sorts"]
            more.__dict__["sorts"] = sorts if new in sorts else {**sorts, new: seen}
        if "dropping" in known:
            more.__dict__["dropping"] = [*known["dropping"], seen] if seen.dropped else known["dropping"]
        if "live" in known and not self.taken_back and seen.type != RETRACTED_KIND:
            live = {**known["live"], seen.type: (*known["live"].get(seen.type, ()), seen)}
            more.__dict__.update(taken_back=self.taken_back, live=live)
            if "kinds" in known and seen.type in known["kinds"]:
                more.__dict__["kinds"] = known["kinds"]
        return more
