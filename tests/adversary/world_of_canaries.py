"""The hub in one process, told everything about the generated people, with its log lines and its alerts kept."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from hub.inprocess import InProcessHub
from services.alerts.state import State, decode
from spine import telemetry
from spine.record import Outgoing
from tests.adversary.canaries import Flock, Generator, Origin, Person, days, found_in
from tests.adversary.licence import Licence

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS, SCHEMAS = ROOT / "contracts", ROOT / "schemas" / "avro"
LATER_DAYS = (10, 31, 60, 122)
#: Lines of a view that hold what the hub derives: the day since when a status stands.
DERIVED = ("Since",)


@dataclass(slots=True)
class World:
    """Everything that happened, and the oracle that judges what came out."""

    flock: Flock
    licence: Licence
    hub: InProcessHub
    logged: io.StringIO
    today: date
    #: Name in words -> party id.
    parties: Mapping[str, str]
    catalogue: Mapping[str, Any]
    states: dict[str, State] = field(init=False)
    people: dict[str, Person] = field(init=False)

    def __post_init__(self) -> None:
        self.states = {key: decode(body) for key, body in self.hub.states("alerts").items()}
        self.people = {}
        for key, state in self.states.items():
            numbers = {fact.message_id.partition("-")[0] for fact in state.facts if fact.message_id.startswith("m")}
            assert len(numbers) <= 1, "two generated people became one"
            for number in numbers:
                self.people[key] = self.flock.people[int(number[1:])]

    @property
    def agreed(self) -> set[tuple[str, str]]:
        """(party, event type) of all agreements."""
        return {(party, e["event"]) for party, a in self.licence.agreements.items() for e in a["sharing"]}

    def leaks_of_view(
        self, view: Mapping[str, Any], role: str, rule: str, person: Person, *, today: bool = False
    ) -> Iterator[str]:
        """What a view says that no agreement lets this role read in an alert of this rule.

        ``today``: nor may it say what the person has instructed since to hold back.
        """
        text = json.dumps(view, default=str)
        for key in found_in(self.flock, text.encode()):
            origins = self.flock.origins[key]
            if today:
                origins = {o for o in origins if (o.party, o.type, o.path) not in person.held}
            if not origins:
                held = _names(self.flock.origins[key])
                yield f"{role} in {rule} reads what is held back: {held}"
            elif self.flock.person_of[key] != person.number:
                yield f"{role} in {rule} reads of somebody else: {_names(origins)}"
            elif not self.licence.may_read(origins, role, rule, person.consents):
                yield f"{role} in {rule} reads {_names(origins)}"
        yield from self._derived_days(view, role, rule, person)
        yield from self._parties(view, role, rule, person)

    def _derived_days(self, view: Mapping[str, Any], role: str, rule: str, person: Person) -> Iterator[str]:
        """Days of facts: by the field's own category, or as what the hub derives, which the category status covers."""
        lines = [line for line in view["lines"] if line["label"] not in DERIVED]
        said = days(json.dumps([view["headline"], view["why"], view["todo"], lines]))
        derived = days(json.dumps([view["timeline"], view["lines"]], default=str))
        status = any("status" in self.shows(o, role, rule, person) for o in self._told(person))
        for day in said | derived:
            origins = self.flock.effective.get((person.number, day), set())
            covered = self.licence.may_read(origins, role, rule, person.consents)
            if origins and not covered and (day in said or not status):
                yield f"{role} in {rule} reads the day of {_names(origins)}"

    def _parties(self, view: Mapping[str, Any], role: str, rule: str, person: Person) -> Iterator[str]:
        """Who told us may be named only if the role may read something that this party said."""
        for text in view["why"]:
            party = self.parties.get(text.partition(" told us on ")[0]) if " told us on " in text else None
            if party and not any(self.shows(o, role, rule, person) for o in self._told(person) if o.party == party):
                yield f"{role} in {rule} reads that {party} knows the person"

    def shows(self, origin: Origin, role: str, rule: str, person: Person) -> Any:
        return self.licence.shows(origin.party, role, rule, person.consents)

    def _told(self, person: Person) -> list[Origin]:
        return [Origin(e["source"], e["type"], "effective_on") for e in person.events]

    def unlicensed(self, blob: bytes) -> list[str]:
        """Every canary in bytes where none may be."""
        return [_names(self.flock.origins[key]) for key in sorted(found_in(self.flock, blob))]


def _names(origins: set[Origin]) -> str:
    one, *more = sorted(f"{o.path} of {o.type} from {o.party}" for o in origins)
    return f"{one} (and {len(more)} more)" if more else one


def build(dress: Callable[[str], str] = str, every: int = 1) -> World:
    """Tell the hub everything about each ``every``-th person, day by day, then let months pass."""
    generator = Generator(CONTRACTS, dress)
    flock = generator.build()
    told_of = flock.people[::every]
    logged = io.StringIO()
    telemetry.setup("canaries", out=logged)
    hub = InProcessHub(CONTRACTS, SCHEMAS, partitions=1)
    by_moment: dict[Any, list[Mapping[str, Any]]] = {}
    for person in told_of:
        for event in person.events:
            by_moment.setdefault(event["received_at"], []).append(event)
    for at in sorted(by_moment):
        hub.tick(at.date())
        hub.settle()
        for told in by_moment[at]:
            said = {name: value for name, value in told.items() if name != "received_at"}
            hub.submit(said, party=told["source"], received_at=at)
        hub.settle()
    last = max(by_moment).date()
    for later in LATER_DAYS:
        hub.tick(last + timedelta(days=later))
        hub.settle()
    _poison(hub, flock)
    parties = {party["name"]: name for name, party in generator.catalogue["parties"].items()}
    today = last + timedelta(days=LATER_DAYS[-1])
    return World(flock, Licence(CONTRACTS, generator.agreements), hub, logged, today, parties, generator.catalogue)


def _poison(hub: InProcessHub, flock: Flock) -> None:
    """A record that no service can read, full of canaries, before each of them: it ends in quarantine."""
    body = (
        b"\xff" + json.dumps(flock.people[0].values).encode() + json.dumps(flock.people[0].events, default=str).encode()
    )
    kinds = {"submissions": "submission.v1", "observations": "observation.v1", "attributions": "attribution.v1"}
    for topic, kind in {**kinds, "statuses": "status.v1"}.items():
        hub.log.append([Outgoing(0, f"poison-{topic}", topic, "poison", kind, body)])
    hub.settle()
