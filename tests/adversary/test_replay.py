"""What was said, said again, changed or out of order: the first word stands, and order is no weapon."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import orjson
import pytest

from hub.inprocess import InProcessHub
from services.ingest.agent import processor
from services.ingest.channels.kafka_door import PartnerCatalogue, PartnerDoor
from services.ingest.door import Arrival, event_message
from spine.journal import MemoryJournal
from spine.publisher import publish
from spine.step import Limits, SetAside, step
from tests.adversary.test_door_and_gate import (
    ARRIVAL,
    CATALOGUE,
    DOOR,
    RECEIVED,
    ROOT,
    Running,
    contracts,
    event,
    partner_record,
)
from tests.ingest.files.conftest import HOUSING, HOUSING_HEADINGS, Drop, catalogue, csv_text, drop, gate, mappings

__all__ = ["catalogue", "contracts", "drop", "gate", "mappings"]
COLLEGE_TOPIC = "partner.northvale-college"


@dataclass(slots=True)
class Doors:
    """Two doors of one college before one gate."""

    running: Running
    door: PartnerDoor = field(default_factory=lambda: PartnerDoor(DOOR, lambda: RECEIVED, "test", "", (COLLEGE_TOPIC,)))
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    offset: int = 0

    def http(self, said: Mapping[str, Any]) -> None:
        self.running.take(DOOR.submission(ARRIVAL, event_message(dict(said))))

    def topic(self, said: Mapping[str, Any]) -> None:
        self.raw(orjson.dumps(said))

    def raw(self, value: bytes) -> None:
        record = partner_record(value, self.offset, content_type="application/cloudevents+json")
        step([record], self.door, self.journal, PartnerCatalogue(CATALOGUE), SetAside(Limits()))
        publish(self.journal, self.running.log)
        self.running.take()
        self.offset += 1

    def reasons(self) -> list[str]:
        return [str(fact.fields["reason"]) for fact in self.running.facts("refusals")]


def changed(path: str, value: Any) -> dict[str, Any]:
    made = event()
    part, _, name = path.partition(".")
    made["data"][part][name] = value
    return made


ALTERED = {
    "another reason": changed("data.reason", "illness"),
    "another person": changed("subject.source_ref", "P2"),
    "a field less": event(data={**event()["data"], "subject": {"source_ref": "P1"}}),
    "a sequence": event(sequence="7"),
    "another day": event(data={**event()["data"], "effective_on": "2025-11-20"}),
}


@pytest.mark.parametrize("alteration", ALTERED)
@pytest.mark.parametrize(
    ("first", "second"), [("http", "topic"), ("topic", "http"), ("topic", "topic"), ("http", "http")]
)
def test_an_altered_message_under_a_used_id_is_refused_through_whichever_door_it_comes(
    contracts: Path, first: str, second: str, alteration: str
) -> None:
    doors = Doors(Running(contracts))
    getattr(doors, first)(event())
    before = doors.running.facts("observations")
    getattr(doors, second)(ALTERED[alteration])
    assert doors.reasons() == ["id_reused"] and doors.running.facts("observations") == before
    # The first said again is still the first: an attempt to alter it has not taken its place.
    getattr(doors, second)(event())
    assert doors.running.facts("observations") == before and doors.reasons() == ["id_reused"]


def test_a_replayed_message_with_another_time_of_sending_has_no_effect(contracts: Path) -> None:
    doors = Doors(Running(contracts))
    for minute in range(5):
        for send in (doors.http, doors.topic):
            send(event(time=f"2025-11-24T08:0{minute}:00Z"))
    assert len(doors.running.facts("observations")) == 1 and doors.reasons() == []


def test_an_id_of_one_party_is_no_other_s(contracts: Path) -> None:
    """Nobody can use up another's ids, nor refuse its messages by being first."""
    doors = Doors(Running(contracts))
    other = Arrival("southmere-college", "key:2", "http", RECEIVED)
    doors.running.take(DOOR.submission(other, event_message(event(source="southmere-college"))))
    doors.http(event())
    assert [fact.fields["source"] for fact in doors.running.facts("observations")] == [
        "southmere-college",
        "northvale-college",
    ]


def test_an_altered_row_under_a_used_id_is_refused_from_another_file(drop: Drop, contracts: Path) -> None:
    """Within a file the door sees it; across files ingest does, where the id is the partner's own columns'."""
    row = {
        "Case No": "00012345",
        "Family name": "Testcase",
        "Stage": "Approach",
        "Stage date": "20-Nov-2025",
        "Circumstance": "Other",
    }
    for number, one in enumerate((row, {**row, "Family name": "Another"}, row)):
        text = csv_text([one], HOUSING_HEADINGS, ";") + "\r\n" * number
        drop.put(HOUSING, f"HOUSING-{number}.csv", text, done=True)
        drop.look(HOUSING)
    ingest, journal = processor(drop.catalogue, contracts, drop.sealer, 2), MemoryJournal()
    records = [r for n in range(2) for r in drop.log.read({("submissions", n): 0}, 1_000)]
    step(records, ingest, journal, drop.catalogue, SetAside(Limits()))
    kinds = [(fact["kind"], fact["type"]) for fact in _effects(journal, drop)]
    assert kinds.count(("observation.v1", "housing.homelessness.approached")) == 1
    assert [fact["reason"] for fact in _effects(journal, drop) if fact["kind"] == "refusal.v1"] == ["id_reused"]


def _effects(journal: MemoryJournal, drop: Drop) -> list[dict[str, Any]]:
    return [{"kind": out.kind, **drop.catalogue.decode(out.kind, out.body)} for out in journal.unsent(1_000)]


@pytest.mark.parametrize("depth", [13, 300, 5_000, 100_000])
@pytest.mark.parametrize("opening", [b'{"data":', b"["])
def test_a_deep_message_on_a_topic_is_refused_and_the_partition_moves_on(
    contracts: Path, depth: int, opening: bytes
) -> None:
    doors = Doors(Running(contracts))
    closing = b"}" if opening.startswith(b"{") else b"]"
    doors.raw(opening * depth + b"1" + closing * depth)
    doors.topic(event())
    assert len(doors.reasons()) == 1 and doors.reasons()[0] in ("unreadable", "malformed", "no_agreement")
    assert len(doors.running.facts("observations")) == 1


# Sequence


def status_after(order: tuple[int, ...], *, sequences: tuple[str | None, str | None] = ("7", "3")) -> str:
    """The code today when two statements of one party on one day arrive in this order, hours apart."""
    hub = InProcessHub(ROOT / "contracts", ROOT / "schemas" / "avro", partitions=1)
    day, at = date(2025, 11, 20), datetime(2025, 11, 20, 9, tzinfo=UTC)
    subject = {"source_ref": "P1", "given_name": "A", "family_name": "Khan-Reid", "date_of_birth": "2008-03-14"}
    learning = {"contact_role": "personal-adviser", "method": "phone", "activity": "further_education"}
    seeking = {**learning, "activity": "not_in_eet", "neet_reason": "seeking"}
    hub.tick(day)
    for place in order:
        said: dict[str, Any] = {"specversion": "1.0", "id": f"s-{place}", "source": "northshire-inclusion"}
        data = (learning, seeking)[place]
        said["type"] = "contact.verified"
        said["data"] = {"effective_on": day.isoformat(), "subject": subject, "data": data}
        if sequences[place] is not None:
            said["sequence"] = sequences[place]
        hub.submit(said, party="northshire-inclusion", received_at=at)
        hub.settle()
        at += timedelta(hours=3)
    assert not list(hub.facts("refusals")), [json.dumps(f.fields, default=str) for f in hub.facts("refusals")]
    *_, last = hub.facts("statuses")
    spans = last.fields["belief"]["timeline"]
    *_, span = (span for span in spans if span["start"] <= day + timedelta(days=1))
    return str(span["code"])


@pytest.mark.parametrize("sequences", [("7", "3"), ("3", "7")])
def test_an_older_statement_that_is_sent_again_late_does_not_roll_back_the_newer(
    sequences: tuple[str | None, str | None],
) -> None:
    """Of one day the higher sequence is the later word, whenever it comes; only without one does receipt decide."""
    (one, other) = (status_after(order, sequences=sequences) for order in permutations((0, 1)))
    assert one == other
    assert status_after((0, 1), sequences=(None, None)) != status_after((1, 0), sequences=(None, None))
    # And it is the sequence that decides: turned round, the same two statements say something else.
    assert one != status_after((0, 1), sequences=(sequences[1], sequences[0]))


@pytest.mark.parametrize("sequence", ["-1", "1e9", 2**63, "9" * 30, True, 1.5, "٣"])
def test_a_sequence_that_would_win_by_its_form_is_refused(contracts: Path, sequence: object) -> None:
    doors = Doors(Running(contracts))
    doors.http(event(sequence=sequence))
    doors.topic(event(sequence=sequence, id="nvc-2"))
    assert set(doors.reasons()) <= {"malformed", "invalid", "unreadable"} and len(doors.reasons()) == 2
    assert doors.running.facts("observations") == []
