"""The service's processor: the pure ``decide`` behind the spine's keyed loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from services.alerts.counted import AlertsProcessor
from services.alerts.decide import Settings, due_on, judge
from services.alerts.erasure import ERASED, forget, forgotten
from services.alerts.reading import read
from services.alerts.settings import load, under
from services.alerts.sharing import Sharing
from services.alerts.state import State, decode, encode
from spine import build
from spine.headed import Head, HeadedProcessor
from spine.keyed import Keyed
from spine.record import Effect, Fact
from spine.schema import Catalogue
from spine.step import Processor

SERVICE, TOPIC = "alerts", "statuses"


def processor(catalogue: Catalogue, contracts: Path) -> Processor:
    """What the shells and the in-process hub run."""
    settings = replace(load(contracts), build=build.name(SERVICE))
    current = Current(settings, lru_cache(maxsize=4)(lambda head: under(contracts, head)))
    inner = with_settings(catalogue, current)
    return HeadedProcessor(inner, current.follow, stands, inner, inner.measure)


@dataclass(slots=True)
class Current:
    """The settings that decisions are made under now: the sharing policy follows the head of the partition at work."""

    start: Settings
    sharing_under: Callable[[Head], Sharing]
    now: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.now = self.start

    def follow(self, head: Head | None) -> str:
        """Settings under this head; the name that decisions record."""
        self.now = self.start if head is None else replace(self.start, sharing=self.sharing_under(head))
        stand = self.now.sharing.digest if head is None else head.name
        return f"{stand} rules:{self.now.policy.hash[:16]}"


def stands(body: bytes) -> bool:
    """Whether a state holds an open alert. Read from the bytes: most states hold none, and all are asked."""
    return b'"outcome":"open"' in body


def with_settings(catalogue: Catalogue, current: Current) -> AlertsProcessor:
    """The keyed processor under settings that may move."""

    def decide_fact(state: State, fact: Fact) -> tuple[State, Sequence[Effect]]:
        if fact.kind == ERASED:
            return forget(fact.fields)
        held, acts = judge(current.now, state, read(fact, catalogue))
        refused.update(acts.refused)
        return held, acts.effects

    refused: Counter[str] = Counter()

    keyed: Keyed[State] = Keyed(
        key_of=lambda fact: str(fact.fields["person_id"]),
        empty=State,
        decide=decide_fact,
        encode=encode,
        decode=decode,
        due_on=lambda state: due_on(current.now, state),
        gone=forgotten,
    )
    made = AlertsProcessor(SERVICE, TOPIC, build.name(SERVICE), "", keyed)
    made.refused = refused
    return made
