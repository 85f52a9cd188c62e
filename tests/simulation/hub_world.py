"""The whole hub as a seeded world: the real processors of five services, life stories as input, the toy's scheduler.

The events of a story arrive within one day, in an order that the seed draws and some of them twice; services are
killed, doubled, interleaved, and read with holes. Then the next days tick, under the same faults. At the end the
checkers ask what an undisturbed hub, fed in the stories' own order, would have said.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from hub.inprocess import InProcessHub, topics_of
from hub.sharing import ensure_built
from hub.story import Story, all_events, cloud_event, moment, read_story
from services.alerts.delivery import agent as delivery
from services.alerts.story import alerts_of
from services.ingest.door import submission_from_event
from services.ingest.processor import CHOICE, IngestProcessor
from services.matching.agent import MatchingProcessor
from services.status.story import view
from spine import faults
from spine.clock import local_date
from spine.headed import HeadedProcessor
from spine.keyed import KeyedProcessor
from spine.keystore import MemoryKeys
from spine.log import MemoryLog
from spine.record import Effect, Outgoing, Record
from spine.schema import Catalogue
from spine.seal import Sealer
from spine.step import TICK, encode_effects
from tests.simulation import checkers
from tests.simulation.actors import Chance, FailingJournal, FailingLog
from tests.simulation.world import FAULTS, Actor, Service, World

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS, SCHEMAS = ROOT / "contracts", ROOT / "schemas" / "avro"
CHAIN = {"ingest": "submissions", "matching": "observations", "status": "attributions", "alerts": "statuses"}
DELIVERY = {"delivery": "deliveries"}
SERVICES = {**CHAIN, **DELIVERY}
PARTITIONS, DAYS = 2, 3
SUBMISSION = "submission.v1"
#: Stories, and how many of their events: where something stands, and where nothing must.
STORIES = {"S01": 12, "S03": 12, "S05": 9, "S06": 8, "S07": 14, "S11": 4}
STORIES_A_WORLD = 2
#: The key and nonce under which the in-process hub seals: the same submission has the same bytes in both.
SEALER = Sealer(bytes(range(32)), nonce=bytes)


@cache
def catalogue_of_hub() -> Catalogue:
    ensure_built(CONTRACTS)
    return Catalogue([SCHEMAS], MemoryKeys())


@cache
def _made(service: str) -> Any:
    """A service's processor with its policy read, once; each life of a process gets a new one with the same parts."""
    if service == "delivery":
        return delivery.processor(catalogue_of_hub(), CONTRACTS)
    hub = InProcessHub(CONTRACTS, SCHEMAS, services=[service], partitions=PARTITIONS)
    return hub.processor(service)


def again(made: Any) -> Any:
    """A new processor of the same parts, as a process that starts again has."""
    if not isinstance(made, HeadedProcessor):
        return KeyedProcessor(made.service, made.topic, made.build, made.settings, made.keyed)
    if isinstance(made.inner, IngestProcessor):
        ingest = IngestProcessor(made.inner.opener, made.inner.core, made.inner.gate_under, made.build)
        return HeadedProcessor(ingest, ingest.follow)
    keyed = again(made.inner)
    return HeadedProcessor(keyed, made.follow, made.hears, keyed)


@cache
def story_of(name: str) -> Story:
    return read_story(ROOT / "tests" / "stories" / f"{name}.yaml")


def through_the_door(event: dict[str, Any], party: str, received_at: datetime) -> Outgoing:
    """The submission that the HTTP door makes of an event."""
    who = f"in-process:{party}"
    return submission_from_event(
        event, party=party, principal=who, door="http", received_at=received_at, sealer=SEALER, test=False
    )


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event of a story, and when the door took it: whatever place on the log it gets."""

    name: str
    event: Mapping[str, Any]
    received_at: datetime

    def submission(self) -> Outgoing:
        event = cloud_event(story_of(self.name), self.event)
        return through_the_door(event, str(self.event["source"]), self.received_at)


@cache
def arrivals_of(name: str) -> tuple[date, tuple[Arrival, ...]]:
    """The story's events on one Monday after the last of them, in the order in which they once came."""
    # Deciding a review names people, whose names depend on who came first.
    events = [e for e in all_events(story_of(name))[: STORIES[name]] if not str(e["type"]).startswith("identity.")]
    day = local_date(moment(str(events[-1]["received_at"]))) + timedelta(days=1)
    while day.weekday() > 0:
        day += timedelta(days=1)
    first = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
    return day, tuple(Arrival(name, event, first + timedelta(seconds=n)) for n, event in enumerate(events))


def days_of(stories: Iterable[str]) -> list[tuple[date, tuple[Arrival, ...]]]:
    """Every day that ticks, and what arrives on it: each story's day, and the days after it."""
    arriving = dict(arrivals_of(name) for name in stories)
    days = {day + timedelta(days=n) for day in arriving for n in range(DAYS + 1)}
    return [(day, arriving.get(day, ())) for day in sorted(days)]


@dataclass
class HubWorld(World):
    """``seed`` draws the stories, their order of arrival, the faults, and every turn."""

    stories: tuple[str, ...] = ()
    arrivals: list[Any] = field(default_factory=list)
    left: list[Any] = field(default_factory=list)
    compared: int = 0

    def __post_init__(self) -> None:
        choice = random.Random(self.seed)
        on = {name: rate for name, rate in FAULTS.items() if choice.random() < 0.7}
        self.chance = Chance(choice, on)
        self.catalogue = catalogue_of_hub()
        self.log = FailingLog(self.chance, dict.fromkeys(topics_of(CONTRACTS), PARTITIONS), self.catalogue)
        self.services = [Service(n, topic, self._journal(), False) for n, topic in SERVICES.items()]
        self.stories = stories_of(self.seed)

    def _journal(self) -> FailingJournal:
        return FailingJournal(self.chance, self.plants)

    def processor(self, service: Service) -> Any:
        made = _made(service.name)
        if isinstance(made, MatchingProcessor):
            return MatchingProcessor(made.build, made.settings, made.matcher, made.codec, made.reader)
        return again(made)

    def run(self, *, check: bool = True) -> None:
        with self._planted():
            faults.install(self.chance.point)
            try:
                for day, arriving in self.days():
                    self.day = day
                    self._tick()
                    self.arrivals += arriving
                    self.left = self.chance.random.sample(arriving, len(arriving))
                    self._a_day()
            finally:
                faults.install(None)
        if check:
            self._check()

    def days(self) -> Sequence[tuple[date, Sequence[Any]]]:
        """Every day that ticks, and what arrives on it, each with a ``submission``."""
        return days_of(self.stories)

    def _a_day(self) -> None:
        """Faults until all has arrived, at least; then calm until nothing moves. A day is over before the next."""
        self.chance.calm = False
        self._safety()
        while self.left:
            self._safety()
        self.chance.calm = True
        self._liveness()

    def _makers(self) -> list[Any]:
        # The date is written between the phases.
        return [make for make in super()._makers() if make != self._ticker]

    def _tick(self) -> None:
        for topic in SERVICES.values():
            for n in range(PARTITIONS):
                effect = Effect(topic, "", TICK, {"on": self.day})
                (out,) = encode_effects("ticker", f"tick-{topic}-{n}-{self.day}", [effect], self.catalogue)
                tick = Outgoing(0, out.event_id, topic, "", out.kind, out.body, (), n)
                # A ticker that was killed after producing says it again.
                MemoryLog.append(self.log, [tick] * (2 if self.chance.happens("repeat") else 1))

    def _partner(self) -> Actor:
        while True:
            if self.left:
                out = self.left.pop().submission()
                MemoryLog.append(self.log, [out] * (2 if self.chance.happens("repeat") else 1))
                if self.chance.happens("repeat"):
                    self.garbage += 1
                    held = self.log._records[("submissions", 0)]
                    held.append(Record("submissions", 0, len(held), "garbage", b"\x07 garbage"))
            yield

    def checkers(self) -> dict[str, Callable[[], None]]:
        return {
            "no loss": self._no_loss,
            "no duplicates": self._no_duplicates,
            "replay equality": lambda: checkers.replay_equality(self),
            "commutativity": self._order_does_not_matter,
            "conservation": self._conservation,
            "chain": lambda: checkers.chain(self),
            "model": self._model,
        }

    def _facts(self, topic: str) -> list[Any]:
        records = [record for n in range(PARTITIONS) for record in self.all((topic, n))]
        return [self.catalogue.fact(r) for r in records if self.catalogue.unframe(r.value) is not None]

    def _no_loss(self) -> None:
        submitted = {arrival.submission().event_id for arrival in self.arrivals}
        assert {f.event_id for f in self._facts("submissions") if f.kind not in (TICK, CHOICE)} == submitted
        for service in self.services:
            told = {fact.event_id for fact in self._facts(service.topic)}
            decided = {row.event_id for row in service.journal.decisions}
            assert told <= decided, f"{service.name}: not decided"
            aside = sum(row.note.startswith("poison") for row in service.journal.decisions)
            assert aside == (self.garbage if service.name == "ingest" else 0), f"{service.name}: set aside {aside}"
        raised = {f.fields["alert_id"] for f in self._once("alerts") if f.fields["act"] == "raised"}
        assert raised <= {alert["alert_id"] for alert in self._alerts()}, "an alert was told and is not kept"

    def _no_duplicates(self) -> None:
        """One id for each rule, person and matter; raised once; what was told to somebody was told once."""
        checkers.no_duplicates(self)
        raised = Counter(f.fields["alert_id"] for f in self._once("alerts") if f.fields["act"] == "raised")
        assert max(raised.values(), default=1) == 1, "an alert raised twice"
        created = Counter(
            f.fields["delivery_id"] for f in self._once("deliveries") if f.fields.get("state") == "created"
        )
        assert max(created.values(), default=1) == 1, "a delivery created twice"
        kept = Counter(alert["alert_id"] for alert in self._alerts())
        assert max(kept.values(), default=1) == 1, "one id for two alerts"

    def _conservation(self) -> None:
        """What was decided stands on the topics, and nothing else does; raised less closed is what stands."""
        for service in self.services:
            checkers.contiguous(service)
            assert not service.journal.store.outbox, f"{service.name}: unsent"
        caused = {i for s in self.services for row in s.journal.decisions for i, _ in row.effects}
        topics = {place[0] for place in self.log._records}
        said = [fact for topic in sorted(topics) for fact in self._facts(topic) if fact.kind not in (TICK, SUBMISSION)]
        standing = {fact.event_id for fact in said}
        assert standing == caused, "effects lost or invented"
        latest = {f.fields["alert_id"]: bool(f.fields["open"]) for f in self._once("alerts")}
        kept = {alert["alert_id"]: alert["outcome"] == "open" for alert in self._alerts()}
        assert {a for a, is_open in latest.items() if is_open} == {a for a, is_open in kept.items() if is_open}

    def _model(self) -> None:
        """A naive oracle of status: each person's attributions, each once, folded from nothing without any spine."""
        keyed = _made("status").keyed
        states = self._states("status")
        for n in range(PARTITIONS):
            folded: dict[str, Any] = {}
            facts = [self.catalogue.fact(r) for r in self.all(("attributions", n))]
            for fact in _each_once(facts):
                opened = self.catalogue.open_fact(fact)
                keys = sorted(folded) if fact.kind == TICK else [keyed.key_of(fact)]
                for key in keys:
                    held = folded.get(key) or keyed.empty(key)
                    due = keyed.due_on(held)
                    if fact.kind != TICK or (due is not None and due <= fact.fields["on"]):
                        folded[key] = keyed.decide(held, opened)[0]
            for key, state in folded.items():
                assert states.get(key) == keyed.encode(state), "a status is not the fold of its facts"

    def _alerts(self) -> list[dict[str, Any]]:
        return [alert for body in self._states("alerts").values() for alert in alerts_of(body)]

    def _once(self, topic: str) -> list[Any]:
        """Facts of a topic as a reader takes them: each id once."""
        return _each_once(fact for fact in self._facts(topic) if fact.kind != TICK)

    def _states(self, name: str) -> Mapping[str, bytes]:
        (service,) = [service for service in self.services if service.name == name]
        return {key: body for key, (_, body, _) in service.journal.store.states.items()}

    def _order_does_not_matter(self) -> None:
        """A naive oracle, fed in order, believes the same of the same people and has the same alerts standing."""
        mine = told(self._facts("attributions"), self._states("status"), self._states("alerts"), self.day)
        expected = oracle(self.stories)
        # Whether a record waits for a person's decision depends on which came first; so does what follows from it.
        held = {m for people in (mine, expected) for messages, one in people.items() if one[2] for m in messages}
        assert {p - held for p in mine} - {frozenset()} == {p - held for p in expected} - {frozenset()}, "who is who"
        for person in mine.keys() & expected.keys():
            if not person & held:
                assert mine[person][0] == expected[person][0], "the order of arrival changed a status"
                assert mine[person][1] == expected[person][1], "the order of arrival changed what stands"
                self.compared += 1


def _each_once(facts: Iterable[Any]) -> list[Any]:
    """The first of each id, in their order."""
    found: dict[str, Any] = {}
    for fact in facts:
        found.setdefault(fact.event_id, fact)
    return list(found.values())


#: Per person, known by their messages and not by their id: status, rules standing, whether a record is held.
Told = dict[frozenset[str], tuple[str, frozenset[str], bool]]


def told(attributions: Iterable[Any], statuses: Mapping[str, bytes], alerts: Mapping[str, bytes], until: date) -> Told:
    """What the hub says of everybody on ``until``."""
    people: dict[str, set[str]] = {}
    held: set[str] = set()
    for fact in attributions:
        if fact.is_a("attribution") and fact.fields["act"] in ("linked", "held", "released"):
            people.setdefault(fact.fields["person_id"], set()).add(fact.fields["observation_id"])
            held |= {fact.fields["person_id"]} if fact.fields["act"] == "held" else set()
    known = datetime(until.year, until.month, until.day, 23, tzinfo=UTC)
    said: Told = {}
    for person, messages in people.items():
        believed = repr(sorted(view(statuses.get(person, b""), known, until).items()))
        lives = alerts_of(alerts[person]) if person in alerts else []
        standing = frozenset(alert["rule"] for alert in lives if alert["outcome"] == "open" and alert["rule"] != "MR")
        said[frozenset(messages)] = (believed, standing, person in held)
    return said


def stories_of(seed: int) -> tuple[str, ...]:
    return tuple(sorted(random.Random(seed).sample(sorted(STORIES), STORIES_A_WORLD)))


@cache
def oracle(stories: tuple[str, ...]) -> Told:
    hub = InProcessHub(CONTRACTS, SCHEMAS, partitions=PARTITIONS)
    day = date.min
    for day, arriving in days_of(stories):
        hub.tick(day)
        hub.settle()
        for arrival in arriving:
            hub.log.append([arrival.submission()])
            hub.settle()
    return told(hub.facts("attributions"), hub.states("status"), hub.states("alerts"), day)


def run(seed: int, plants: frozenset[str] = frozenset()) -> HubWorld:
    """Run one world. AssertionError names the checker."""
    # The oracle stands before anything is planted.
    oracle(stories_of(seed))
    world = HubWorld(seed, plants)
    world.run()
    return world
