"""The eight checkers: what must hold of a world when it has become quiet. Seven here; non-leak needs the hub's world.

no loss, no duplicates, replay equality, commutativity, non-leak, conservation, chain, model. Each is caught out by at
least one broken spine in tests/simulation/test_checkers.py, and passes the true one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from spine.journal import DecisionRow, MemoryJournal
from spine.log import Place
from spine.record import Record
from spine.step import Limits, SetAside, link_after, step
from tests.simulation.actors import summing
from tests.spine.toy import keyed

if TYPE_CHECKING:
    from tests.simulation.world import Service, World

EXPLODES, KEYS = 13, 3


def no_loss(world: World) -> None:
    """What was submitted is decided, what was caused stands on the log, what stands there was counted."""
    first, second = world.services
    decided = {row.event_id for row in first.journal.decisions if not row.note and row.kind == "count.v1"}
    missing = {f"count-{n}" for n in world.submitted if n != EXPLODES} - decided
    assert not missing, f"not decided: {sorted(missing)[:3]}"
    aside = [row for row in first.journal.decisions if row.note.startswith("poison")]
    assert len(aside) >= world.garbage, "garbage was not set aside"
    taken = {row.event_id for row in second.journal.decisions if not row.note}
    caused = {effect for row in first.journal.decisions if not row.note for effect, _ in row.effects}
    missing = (caused | standing(world, "effects")) - taken
    assert not missing, f"not counted: {sorted(missing)[:3]}"


def no_duplicates(world: World) -> None:
    """One decision for each place and offset, one for each fact; no effect id caused twice."""
    for service in world.services:
        rows = service.journal.decisions
        places = Counter((row.topic, row.partition, row.offset) for row in rows)
        assert max(places.values(), default=1) == 1, f"{service.name}: two decisions for one offset"
        decided = Counter(row.event_id for row in rows if not row.note)
        assert max(decided.values(), default=1) == 1, f"{service.name}: one fact decided twice"
        caused = Counter(effect for row in rows for effect, _ in row.effects)
        assert max(caused.values(), default=1) == 1, f"{service.name}: one effect id caused twice"


def replay_equality(world: World) -> None:
    """Recorded inputs, recorded order, fresh process, other batches: the same rows, byte for byte."""
    for service in world.services:
        journal, aside = MemoryJournal(), SetAside(Limits())
        processor = world.fresh(service)
        for place in sorted({(row.topic, row.partition) for row in service.journal.decisions}):
            records = world.all(place)
            for start in range(0, len(records), 5):
                decide_again(records[start : start + 5], processor, journal, world, aside)
        assert by_place(journal) == by_place(service.journal), f"{service.name}: replay differs"


def commutativity(world: World) -> None:
    """What promises not to mind the order: the same facts the other way round give the same state."""
    _, second = world.services
    journal, aside, processor = MemoryJournal(), SetAside(Limits()), world.fresh(second)
    for n in range(world.log.partitions("effects")):
        turned = list(reversed(world.all(("effects", n))))
        records = [Record(r.topic, r.partition, offset, r.key, r.value, r.headers) for offset, r in enumerate(turned)]
        decide_again(records, processor, journal, world, aside)
    mine = {key: body for key, (_, body, _) in second.journal.store.states.items()}
    assert mine == {key: body for key, (_, body, _) in journal.store.states.items()}, "the order of arrival matters"


def conservation(world: World) -> None:
    """Offsets without a hole, outboxes empty, and on the topics what the decisions say: no more and no less."""
    for service in world.services:
        contiguous(service)
        assert not service.journal.store.outbox, f"{service.name}: unsent"
    caused = {i for row in world.services[0].journal.decisions for i, _ in row.effects if not row.note}
    assert standing(world, "effects") == caused, "effects lost or invented"


def chain(world: World) -> None:
    """Every row hangs on the one before it, names the bytes that were read, and the bytes that were sent."""
    sent: dict[str, bytes] = {}
    for place in [place for place in world.log._records if place[0] not in ("things", "submissions")]:
        for record in world.all(place):
            opened = world.catalogue.unframe(record.value)
            if opened is not None:
                sent[world.catalogue.sealed_fact(record).event_id] = hashlib.sha256(opened[1]).digest()
    for service in world.services:
        links: dict[Place, bytes] = {}
        for row in service.journal.decisions:
            place = (row.topic, row.partition)
            assert row.link == link_after(links.get(place, b""), row), f"{service.name}: chain broken"
            links[place] = row.link
            read = world.log._records[place][row.offset].value
            assert row.input_hash == hashlib.sha256(read).digest(), f"{service.name}: another input"
            wrong = [i for i, digest in row.effects if sent.get(i, digest) != digest]
            assert not wrong, f"{service.name}: another effect stands on the log"


def model(world: World) -> None:
    """A naive oracle: sort all, fold once."""
    first, second = world.services
    echoed = [world.catalogue.fact(r).fields for n in range(2) for r in world.all(("effects", n))]
    for key in range(KEYS):
        mine = [n for n in world.submitted if n % KEYS == key and n != EXPLODES]
        body = first.journal.store.states.get(f"key-{key}")
        held = keyed().decode(body[1]) if body else None
        count, total = (held.count, held.total) if held else (0, 0)
        assert (count, total) == (len(mine), sum(mine)), f"state of key-{key} is not the sum of its facts"
        order = list(dict.fromkeys(f["count"] for f in echoed if f["key"] == f"key-{key}" and f["n"] >= 0))
        assert order == sorted(order), "effects of one key out of order"
        sums = second.journal.store.states.get(f"sum-key-{key}")
        ticked = len({f["event_id"] for f in echoed if f["key"] == f"key-{key}" and f["n"] < 0})
        state = summing().decode(sums[1]) if sums else [0, 0]
        assert state == [len(mine) + ticked, sum(mine) - ticked], "the second service counted wrong"


CHECKERS: Mapping[str, Callable[[Any], None]] = {
    "no loss": no_loss,
    "no duplicates": no_duplicates,
    "replay equality": replay_equality,
    "commutativity": commutativity,
    "conservation": conservation,
    "chain": chain,
    "model": model,
}


def contiguous(service: Service) -> None:
    following: dict[Place, int] = {}
    for row in service.journal.decisions:
        place = (row.topic, row.partition)
        assert row.offset == following.get(place, 0), f"{service.name}: offsets not contiguous"
        following[place] = row.offset + 1


def decide_again(records: list[Record], processor: Any, journal: MemoryJournal, world: World, aside: SetAside) -> None:
    """A batch, or after an unknown error one by one."""
    try:
        step(records, processor, journal, world.catalogue, aside)
    except ZeroDivisionError:
        for record in records:
            step([record], processor, journal, world.catalogue, aside, isolate=True)


def standing(world: World, topic: str) -> set[str]:
    """Ids on a topic."""
    return {world.catalogue.fact(r).event_id for n in range(world.log.partitions(topic)) for r in world.all((topic, n))}


def by_place(journal: MemoryJournal) -> list[DecisionRow]:
    return sorted(journal.decisions, key=lambda row: (row.topic, row.partition, row.offset))
