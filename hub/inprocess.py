"""The whole hub in one process, with no servers: memory log, memory journals, the real ``decide`` of every service.

Stories, simulation and replay run here. Nothing is delivered: the services' shells (doors, senders, pages) are absent.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from hub.heads import Heads, Move, judged_topics
from hub.sharing import ensure_built
from spine.headed import read_policy
from spine.journal import MemoryJournal, Position
from spine.keystore import Keys, MemoryKeys
from spine.log import MemoryLog, Place
from spine.publisher import publish
from spine.record import Effect, Fact, Outgoing
from spine.schema import Catalogue
from spine.seal import Sealer, Seals
from spine.step import Limits, Processor, SetAside, encode_effects, step

SERVICES = ("ingest", "matching", "status", "alerts")
#: Of submissions. Nothing sealed under it leaves the process.
SEAL_KEY = bytes(range(32))


def _fixed() -> Seals:
    """With a nonce that is always the same: the bytes of a run must repeat."""
    return Sealer(SEAL_KEY, nonce=bytes)


def topics_of(contracts: Path) -> Mapping[str, Mapping[str, Any]]:
    """The topics of contracts/topics.yaml."""
    read = YAML(typ="safe").load(contracts / "topics.yaml")
    topics = read["topics"]
    assert isinstance(topics, dict)
    return topics


@dataclass(slots=True)
class _Running:
    processor: Processor
    journal: MemoryJournal
    aside: SetAside


@dataclass(slots=True)
class InProcessHub:
    """One council's hub. ``submit`` and ``tick`` append to the log; ``settle`` runs the services until all is quiet."""

    contracts: Path
    schemas: Path
    services: Sequence[str] = SERVICES
    partitions: int | None = None
    keys: Keys = field(default_factory=MemoryKeys)
    sealer: Seals = field(default_factory=_fixed)
    catalogue: Catalogue = field(init=False)
    log: MemoryLog = field(init=False)
    policy: str = field(init=False)
    heads: Heads = field(init=False)
    _running: dict[str, _Running] = field(init=False)
    _limits: Limits = field(init=False, default_factory=Limits)
    _inputs: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.policy = ensure_built(self.contracts)
        topics = topics_of(self.contracts)
        counts = {name: self.partitions or int(topic["partitions"]) for name, topic in topics.items()}
        self.catalogue = Catalogue([self.schemas], self.keys)
        self.log = MemoryLog(counts, self.catalogue.frame)
        self._inputs = tuple(name for name, topic in topics.items() if topic.get("input_of") in self.services)
        self.heads = Heads(MemoryJournal(), self.log, self.catalogue, judged_topics(self.contracts))
        self._running = {name: self._start(name) for name in self.services}

    def _start(self, name: str) -> _Running:
        agent = importlib.import_module(f"services.{name}.agent")
        processor: Processor = (
            agent.processor(self.catalogue, self.contracts, self.sealer, self.log.partitions("submissions"))
            if name == "ingest"
            else agent.processor(self.catalogue, self.contracts)
        )
        return _Running(processor, MemoryJournal(), SetAside(self._limits))

    def submit(self, event: Mapping[str, Any], *, party: str, received_at: datetime, test: bool = False) -> str:
        """Put one event before the gate, as the HTTP door does. Returns the submission's id."""
        from services.ingest.door import submission_from_event

        out: Outgoing = submission_from_event(
            dict(event),
            party=party,
            principal=f"in-process:{party}",
            door="http",
            received_at=received_at,
            sealer=self.sealer,
            test=test,
        )
        self.log.append([out])
        return out.event_id

    def tick(self, on: date) -> None:
        """Append the tick of ``on`` to every partition of every input topic."""
        for topic in self._inputs:
            for n in range(self.log.partitions(topic)):
                effect = Effect(topic, "", "tick.v1", {"on": on})
                (out,) = encode_effects("ticker", f"tick-{topic}-{n}-{on}", [effect], self.catalogue)
                self.log.append([Outgoing(0, out.event_id, topic, "", out.kind, out.body, (), n)])

    def release(self, at: datetime) -> None:
        """Put the compiled policy in force by a fact on the log, as `hub up` does."""
        self.heads.release(self.policy, Move("moved", "in-process", at))

    def suspend(self, what: str, at: datetime) -> None:
        """Suspend an agreement or a party from here on."""
        self.release(at)
        self.heads.suspend(Move("suspended", "in-process", at, what), self._content())

    def resume(self, what: str, at: datetime) -> None:
        """Lift a suspension, as two people. What waited is redriven by ``hub.redrive``."""
        self.heads.resume(Move("resumed", "in-process-1", at, what, "in-process-2"), self._content())

    def _content(self) -> Mapping[str, Any]:
        read = json.loads(read_policy(self.contracts, self.policy))
        assert isinstance(read, dict)
        return read

    def settle(self, rounds_max: int = 10_000) -> None:
        """Run every service, in order of flow, until nothing moves. AssertionError if it never gets quiet."""
        for _ in range(rounds_max):
            if not any(self._advance(name) for name in self.services):
                return
        raise AssertionError("the hub does not get quiet: a service feeds itself")

    def _advance(self, name: str) -> bool:
        running = self._running[name]
        topic = running.processor.topic
        held = running.journal.positions(topic)
        positions = {(topic, n): held.get((topic, n), Position(0)).next for n in range(self.log.partitions(topic))}
        records = self.log.read(positions, self._limits.records_max, 0)
        step(records, running.processor, running.journal, self.catalogue, running.aside)
        return bool(records) or publish(running.journal, self.log) > 0

    def facts(self, topic: str) -> Iterator[Fact]:
        """Every fact on a topic, partition by partition."""
        for n in range(self.log.partitions(topic)):
            place: Place = (topic, n)
            for record in self.log.read({place: 0}, self.log.end(place), 0):
                yield self.catalogue.fact(record)

    def states(self, service: str) -> Mapping[str, bytes]:
        """State bodies of a service by key; rows that no fact is keyed by (the policy head) stay out."""
        states = self._running[service].journal.store.states
        return {key: body for key, (_, body, _) in states.items() if not key.startswith("|")}

    def journal(self, service: str) -> MemoryJournal:
        return self._running[service].journal

    def processor(self, service: str) -> Processor:
        return self._running[service].processor
