"""The hub's own log gives nothing away without the keys, and nothing at all once they are destroyed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.inprocess import InProcessHub, topics_of
from spine.journal import DecisionRow
from spine.keystore import MemoryKeys
from spine.record import Fact, Outgoing, Record
from spine.step import SEALED
from tests.adversary.world_of_canaries import CONTRACTS, SCHEMAS, World, build

TOPICS = sorted(topics_of(CONTRACTS))
#: Topics on which the generated people leave facts.
FULL = {"submissions", "observations", "attributions", "statuses", "alerts", "deliveries", "quarantine"}
#: A tenth of the people: every kind of event is among what they say.
EVERY = 10


@pytest.fixture(scope="module")
def world() -> World:
    return build(every=EVERY)


def records(hub: InProcessHub, topic: str) -> Iterator[Record]:
    """Without the poison that the world plants: nobody of the hub wrote it."""
    for n in range(hub.log.partitions(topic)):
        for record in hub.log.read({(topic, n): 0}, 1_000_000, 0):
            if record.key != "poison":
                yield record


def facts(world: World, topic: str) -> Iterator[Fact]:
    return (world.hub.catalogue.fact(record) for record in records(world.hub, topic))


@pytest.mark.parametrize("topic", TOPICS)
def test_no_topic_of_the_hub_holds_a_value_that_a_partner_sent(world: World, topic: str) -> None:
    held = list(records(world.hub, topic))
    assert bool(held) == (topic in FULL)
    for record in held:
        headers = b"\n".join(value for _, value in record.headers)
        assert not world.unlicensed(b"\n".join((record.value, record.key.encode(), headers)))


@pytest.mark.parametrize("topic", ["observations", "attributions", "statuses", "alerts"])
def test_the_search_would_find_what_is_not_sealed(world: World, topic: str) -> None:
    """What the test above relies on: opened, the same records are full of values."""
    catalogue = world.hub.catalogue
    opened = b"\n".join(clear(catalogue.fact(record), world).encode() for record in records(world.hub, topic))
    assert world.unlicensed(opened)


def clear(fact: Fact, world: World) -> str:
    """The fact with all its parts opened."""
    fields = dict(fact.fields)
    for carried in (fields, fields.get("observation")):
        if carried and isinstance(carried.get("data"), bytes):
            kind = f"{carried['type']}.data.v1"
            fields[f"opened {len(fields)}"] = world.hub.catalogue.open(kind, carried["data"])
    if isinstance(fields.get("subject"), bytes):
        fields["subject"] = world.hub.catalogue.open("subject.v1", fields["subject"])
    return repr(fields)


def again(world: World, service: str, topic: str, keys: MemoryKeys) -> list[DecisionRow]:
    """The service's decisions when it is given its topic again, from the beginning."""
    alone = InProcessHub(CONTRACTS, SCHEMAS, services=(service,), partitions=1, keys=keys)
    for record in records(world.hub, topic):
        opened = alone.catalogue.unframe(record.value)
        if opened is not None:
            out = Outgoing(0, f"{record.offset}", topic, record.key, *opened, record.headers, record.partition)
            alone.log.append([out])
    alone.settle()
    return list(alone.journal(service).decisions)


def test_what_an_erased_person_s_agencies_said_is_decided_by_nobody_again(world: World) -> None:
    statuses = [fact for fact in facts(world, "statuses") if fact.is_a("status") and fact.fields["observation"]]
    person = statuses[0].fields["person_id"]
    mine = [fact for fact in statuses if fact.fields["person_id"] == person]
    keys = MemoryKeys()
    refs = {str(fact.fields["observation"]["sealed_under"]) for fact in mine}
    assert keys.destroy([*refs, f"hub/{person}"]) == len(refs) + 1
    for service, topic in (("matching", "observations"), ("status", "attributions"), ("alerts", "statuses")):
        told = {f.event_id: f for f in map(world.hub.catalogue.sealed_fact, records(world.hub, topic))}
        notes = {row.event_id: row for row in again(world, service, topic, keys)}
        about = [fact for fact in told.values() if refs & world.hub.catalogue.named([fact])]
        assert about and {notes[fact.event_id].note for fact in about} == {SEALED}, service
        assert not any(notes[fact.event_id].effects for fact in about), service
        others = [row for event_id, row in notes.items() if event_id in told and row.note != SEALED]
        assert any(row.effects for row in others), service


def test_what_a_source_goes_on_saying_of_an_erased_person_goes_nowhere(world: World) -> None:
    event = world.flock.people[0].events[0]
    said = {name: value for name, value in event.items() if name != "received_at"}
    hub = InProcessHub(CONTRACTS, SCHEMAS, partitions=1)

    def tell(message: str) -> None:
        hub.submit({**said, "id": message}, party=said["source"], received_at=event["received_at"])
        hub.settle()

    tell("m-before")
    (observation,) = [fact for fact in hub.facts("observations") if fact.kind == "observation.v1"]
    hub.keys.destroy([observation.fields["sealed_under"]])
    tell("m-after")
    assert len([fact for fact in hub.facts("observations") if fact.kind == "observation.v1"]) == 1
    assert hub.journal("ingest").decisions[-1].note == SEALED
    assert not list(hub.facts("refusals")) and not list(hub.facts("quarantine"))
