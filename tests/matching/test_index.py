"""The index of a population: whatever people learn, it stands as if it had been built from them anew."""

from __future__ import annotations

import sys
from random import Random
from typing import Any

from hub_of_matching import CONTRACTS, ROOT

sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))

from matching_records import HARD, population

from services.matching import blocking
from services.matching.agent import matcher_of
from services.matching.bulk import Bulk
from services.matching.cluster import FACES_MAX, Face, Person, SourceRecord, known_of
from services.matching.identity import identity_of
from services.matching.index import Index


def resolved(people: int = 200) -> Index:
    bulk = Bulk(matcher_of(CONTRACTS)[0])
    for row in population(11, people, HARD).rows:
        bulk.resolve(row)
    return bulk.ledger.index


def standing(index: Index) -> dict[str, Any]:
    """All that an index holds of people. In which order a list stands is nothing that a decision depends on."""

    def ids(found: Person | list[Person]) -> list[str]:
        return sorted(person.person_id for person in (found if isinstance(found, list) else [found]))

    return {
        "people": set(index.people),
        "known": {person_id: person.known for person_id, person in index.people.items()},
        "keys": {key: ids(found) for key, found in index._by_key.items()},
        "records": {key: ids(found) for key, found in index._by_record.items()},
        "waiting": {key: person.person_id for key, person in index._waiting.items()},
        "frequencies": (index.frequencies.people, index.frequencies.counts),
    }


def test_what_people_learned_one_by_one_stands_as_if_read_at_once() -> None:
    index = resolved()
    anew = Index("bulk")
    for person in index.people.values():
        person.known = None if person.stub else known_of(person.records)
        anew.add(person)
    assert len(index.people) > 150
    assert any(len(list(person.faces())) > 3 for person in index.people.values())
    assert standing(index) == standing(anew)


def test_whoever_is_removed_leaves_nothing_behind() -> None:
    index = resolved()
    before, people = standing(index), list(index.people.values())
    Random(3).shuffle(people)
    for person in people[:50]:
        index.remove(person)
    for person in reversed(people[:50]):
        index.add(person)
    assert standing(index) == before
    for person in people:
        index.remove(person)
    assert standing(index) == standing(Index("bulk"))


def test_a_face_that_is_dropped_is_not_found_any_more() -> None:
    index, person = Index("bulk"), Person("p-1")
    index.add(person)
    for n in range(FACES_MAX + 1):
        identity = identity_of({"given_name": "Ana", "family_name": "Reis", "phone": f"079460000{n:02}"})
        index.show(person, ("school", "S1"), "e1", Face(b"", n, identity))
    assert list(index.candidates(["h07946000001"])) == []
    assert list(index.candidates(["h07946000002"])) == [person]
    assert index.frequencies.of("phone", "07946000001") == 0


def test_a_list_over_its_cap_is_skipped_and_back_when_it_has_shrunk() -> None:
    index, cap = Index("bulk"), blocking.CAPS["m"]
    identity = identity_of({"given_name": "Ana", "family_name": "Reis", "email": "ana.reis@example.org"})
    records = [SourceRecord(("school", f"S{n}"), f"e{n}", [Face(b"", n, identity)]) for n in range(cap + 1)]
    people = [Person(f"p-{n}", [record]) for n, record in enumerate(records)]
    for person in people:
        index.add(person)
    assert list(index.candidates(["mana.reis@example.org"])) == []
    index.remove(people[0])
    assert list(index.candidates(["mana.reis@example.org"])) == people[1:]
    for person in people[1:-1]:
        index.remove(person)
    assert list(index.candidates(["mana.reis@example.org"])) == people[-1:]
