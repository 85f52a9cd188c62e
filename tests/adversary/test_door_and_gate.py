"""What a hostile or broken partner may send: nothing crashes, nothing stalls, nothing of it comes back."""

from __future__ import annotations

import copy
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.sharing import compile_policy
from services.ingest.agent import processor
from services.ingest.channels.kafka_door import PartnerCatalogue, PartnerDoor, read_message
from services.ingest.door import PAYLOAD_BYTES_MAX, Arrival, Door, event_message, unreadable_message
from services.ingest.fields import type_specs
from services.ingest.gate import Gate, No, Said
from services.ingest.parse import from_event, read_avro, read_json
from services.ingest.policy import parse_policy
from spine.journal import MemoryJournal
from spine.keystore import MemoryKeys
from spine.log import MemoryLog
from spine.publisher import publish
from spine.record import Fact, Outgoing, Record
from spine.schema import Catalogue
from spine.seal import Sealer
from spine.step import Limits, SetAside, step

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = Catalogue([ROOT / "schemas" / "avro"], MemoryKeys())
COMPILED = compile_policy(ROOT / "contracts")
GATE = Gate(parse_policy(COMPILED.content, COMPILED.policy_hash), type_specs(CATALOGUE.sources))
SEALER = Sealer(bytes(range(32)))
DOOR = Door(SEALER, CATALOGUE)
RECEIVED = datetime(2025, 11, 24, 8, 5, tzinfo=UTC)
ARRIVAL = Arrival("northvale-college", "key:1", "http", RECEIVED)
CANARY = "CANARY-7f3a"

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "nvc-1",
    "source": "northvale-college",
    "type": "education.enrolment.withdrawn",
    "data": {
        "effective_on": "2025-11-21",
        "subject": {"source_ref": "P1", "family_name": "Khan-Reid", "date_of_birth": "2009-03-14"},
        "data": {"reason": "changed_mind", "destination": "unknown", "destination_confirmed": False},
    },
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def event(**change: Any) -> dict[str, Any]:
    return {**copy.deepcopy(EVENT), **change}


@pytest.fixture(scope="module")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("contracts")
    (folder / "compiled").mkdir()
    (folder / "compiled" / "p.json").write_bytes(COMPILED.body)
    head = {"policy": COMPILED.policy_hash, "file": "p.json"}
    (folder / "compiled" / "head.json").write_text(json.dumps(head))
    return folder


class Running:
    """ingest on a memory log."""

    def __init__(self, contracts: Path) -> None:
        topics = {"submissions": 1, "observations": 1, "refusals": 1, "statuses": 1, "quarantine": 1}
        self.log, self.journal = MemoryLog(topics, CATALOGUE.frame), MemoryJournal()
        self.processor = processor(CATALOGUE, contracts, SEALER, 1)
        self.aside, self.next = SetAside(Limits()), 0

    def take(self, *records: Outgoing) -> None:
        self.log.append(records)
        read = self.log.read({("submissions", 0): self.next}, 10_000)
        self.next += len(read)
        step(read, self.processor, self.journal, CATALOGUE, self.aside)
        publish(self.journal, self.log)

    def facts(self, topic: str) -> list[Fact]:
        return [CATALOGUE.fact(r) for r in self.log.read({(topic, 0): 0}, 10_000)]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_pass_the_readers_without_a_crash(body: bytes) -> None:
    for envelope in (read_json(body), read_avro(body, "uc.claim_started.v1", CATALOGUE.decode)):
        assert isinstance(GATE.examine("northvale-college", RECEIVED, envelope), No)
    message = read_message({}, body, CATALOGUE)
    DOOR.submission(ARRIVAL, message)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_json_passes_the_gate_without_a_crash(value: Any) -> None:
    envelope = from_event(value)
    assert isinstance(GATE.examine("northvale-college", RECEIVED, envelope), No)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["effective_on", "observed_at", "withheld", "subject", "data", "x"]), JSON)
def test_any_json_in_a_part_of_a_good_event_is_judged(part: str, value: Any) -> None:
    spoiled = event()
    spoiled["data"][part] = value
    verdict = GATE.examine("northvale-college", RECEIVED, from_event(spoiled))
    DOOR.submission(ARRIVAL, event_message(spoiled))
    if isinstance(verdict, Said):
        CATALOGUE.encode("subject.v1", verdict.subject)
        CATALOGUE.encode(f"{verdict.type}.data.v1", verdict.data)


FIELDS = [
    *(("subject", name) for name in GATE.types["education.enrolment.withdrawn"].subject),
    *(("data", name) for name in GATE.types["education.enrolment.withdrawn"].data),
]


@pytest.mark.parametrize(("part", "name"), FIELDS)
@pytest.mark.parametrize("shape", [CANARY, [CANARY], {CANARY: CANARY}, CANARY * 200, [[CANARY]]])
def test_no_fault_repeats_a_value(contracts: Path, part: str, name: str, shape: Any) -> None:
    running, spoiled = Running(contracts), event()
    spoiled["data"][part][name] = shape
    spoiled["data"][CANARY] = CANARY
    spoiled["data"]["effective_on"] = CANARY
    spoiled["data"]["withheld"] = [CANARY]
    spoiled["time"] = spoiled["specversion"] = spoiled["sequence"] = CANARY
    running.take(DOOR.submission(ARRIVAL, event_message(spoiled)))
    (refusal,) = running.facts("refusals")
    shown = {k: v for k, v in refusal.fields.items() if k != "sealed_body"}
    assert CANARY not in repr(shown)
    assert CANARY.encode() not in refusal.fields["sealed_body"]
    states = [body for _, body, _ in running.journal.store.states.values()]
    assert CANARY.encode() not in b"".join(states)


def test_a_value_in_the_place_of_an_id_or_a_type_does_not_reach_the_log_in_clear(contracts: Path) -> None:
    running = Running(contracts)
    running.take(DOOR.submission(ARRIVAL, event_message(event(id=f"{CANARY} Smith", type=f"{CANARY} Smith"))))
    (submission,), (refusal,) = running.facts("submissions"), running.facts("refusals")
    assert CANARY not in repr({**submission.fields, **refusal.fields})


INJECTIONS = [
    '=HYPERLINK("http://x","y")',
    "<script>alert(1)</script>",
    "a\r\nSet-Cookie: x=1",
    "\u202egnp.exe",
    "zero\u200bwidth",
    "'; DROP TABLE state; --",
    "{0.__class__}",
    "${jndi:ldap://x}",
    '\n{"level":"critical","event":"halt"}',
    "%s%n%x",
    "../../../etc/passwd",
    "\ud7ff\uffff",
]


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize(
    "name", ["source_ref", "given_name", "family_name", "address_line", "postcode", "phone", "email"]
)
def test_hostile_text_is_stored_as_the_data_that_it_is(contracts: Path, name: str, text: str) -> None:
    running, hostile = Running(contracts), event()
    hostile["data"]["subject"][name] = text
    running.take(DOOR.submission(ARRIVAL, event_message(hostile)))
    (observation,) = running.facts("observations")
    assert CATALOGUE.open("subject.v1", observation.fields["subject"])[name] == text


@pytest.mark.parametrize("text", INJECTIONS)
def test_hostile_text_in_an_id_is_refused(contracts: Path, text: str) -> None:
    running = Running(contracts)
    running.take(DOOR.submission(ARRIVAL, event_message(event(id=text))))
    assert not running.facts("observations") and text not in repr(running.facts("submissions"))


@pytest.mark.parametrize("field", ["uln", "upn", "nhs_number", "nino"])
def test_an_identifier_of_the_person_is_no_message_id(contracts: Path, field: str) -> None:
    running, spoiled = Running(contracts), event(id="nvc-9990000018")
    spoiled["data"]["subject"][field] = "9990000018"
    running.take(DOOR.submission(ARRIVAL, event_message(spoiled)))
    (submission,), (refusal,) = running.facts("submissions"), running.facts("refusals")
    assert "9990000018" not in repr({**submission.fields, **refusal.fields})
    assert "id_identifies" in {f["code"] for f in refusal.fields["faults"]}


@pytest.mark.parametrize("depth", [13, 200, 2_000, 100_000])
def test_a_deep_message_is_refused(contracts: Path, depth: int) -> None:
    body = b'{"data":' * depth + b"1" + b"}" * depth
    assert read_json(body) is None
    running = Running(contracts)
    running.take(DOOR.submission(ARRIVAL, unreadable_message(body)))
    (refusal,) = running.facts("refusals")
    assert refusal.fields["reason"] == "unreadable"


def test_a_wide_message_is_refused() -> None:
    assert read_json(orjson.dumps(event(data={"subject": {str(n): n for n in range(6_000)}}))) is None


def test_a_huge_message_is_cut_before_it_is_kept() -> None:
    message = unreadable_message(b"x" * (PAYLOAD_BYTES_MAX + 1))
    assert len(message.body) == PAYLOAD_BYTES_MAX


def test_a_flood_of_garbage_stalls_nothing_and_sets_nothing_aside(contracts: Path) -> None:
    running = Running(contracts)
    garbage = [DOOR.submission(ARRIVAL, unreadable_message(bytes([n % 256]) * (n + 1))) for n in range(300)]
    running.take(*garbage, DOOR.submission(ARRIVAL, event_message(event())))
    assert len(running.facts("refusals")) == 300
    assert len(running.facts("observations")) == 1
    assert not running.facts("quarantine")


def test_a_body_moved_to_another_submission_does_not_open(contracts: Path) -> None:
    running = Running(contracts)
    one = DOOR.submission(ARRIVAL, event_message(event()))
    fields = CATALOGUE.decode("submission.v1", one.body)
    moved = CATALOGUE.encode("submission.v1", {**fields, "event_id": "another"})
    running.log.append([Outgoing(0, "another", "submissions", one.key, one.kind, moved)])
    (record,) = running.log.read({("submissions", 0): 0}, 10)
    step([record], running.processor, running.journal, CATALOGUE, running.aside, isolate=True)
    publish(running.journal, running.log)
    (aside,) = running.facts("quarantine")
    assert aside.fields["reason"] == "exception:SealBroken" and not running.facts("observations")


def partner_record(value: bytes, offset: int = 0, **headers: str) -> Record:
    held = tuple(
        (name.replace("_", "-") if name == "content_type" else name, v.encode()) for name, v in headers.items()
    )
    return Record("partner.northvale-college", 0, offset, "", value, held)


def kafka(contracts: Path, *records: Record) -> Running:
    """Records of a partner's topic through the Kafka door, then through ingest."""
    running, journal = Running(contracts), MemoryJournal()
    door = PartnerDoor(DOOR, lambda: RECEIVED, "test", "", ("partner.northvale-college",))
    step(list(records), door, journal, PartnerCatalogue(CATALOGUE), SetAside(Limits()))
    publish(journal, running.log)
    running.take()
    return running


def avro_event() -> bytes:
    body = {
        "effective_on": datetime(2025, 11, 21).date(),  # noqa: DTZ001
        "subject": {"source_ref": "P1", "family_name": "Khan-Reid"},
        "data": {"reason": "changed_mind", "destination": "unknown", "destination_confirmed": False},
    }
    kind = "education.enrolment.withdrawn.v1"
    return CATALOGUE.frame(kind, CATALOGUE.encode(kind, body))


HEADERS = {"ce_id": "k-1", "ce_source": "northvale-college", "ce_type": "education.enrolment.withdrawn"}


def test_avro_on_a_partner_s_own_topic_becomes_an_observation(contracts: Path) -> None:
    running = kafka(contracts, partner_record(avro_event(), **HEADERS))
    (observation,) = running.facts("observations")
    assert observation.fields["message_id"] == "k-1"
    assert CATALOGUE.open("subject.v1", observation.fields["subject"])["family_name"] == "Khan-Reid"


def test_the_same_message_through_both_doors_is_one_observation(contracts: Path) -> None:
    running = kafka(contracts, partner_record(avro_event(), **HEADERS))
    same = event(id="k-1")
    del same["data"]["subject"]["date_of_birth"]
    running.take(DOOR.submission(ARRIVAL, event_message(same)))
    assert len(running.facts("observations")) == 1 and not running.facts("refusals")


def test_a_record_read_twice_by_the_kafka_door_is_one_submission(contracts: Path) -> None:
    first, second = partner_record(avro_event(), 0, **HEADERS), partner_record(avro_event(), 1, **HEADERS)
    running = kafka(contracts, first, second)
    assert len(running.facts("submissions")) == 2 and len(running.facts("observations")) == 1


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (b"", {}, "unreadable"),
        (b"\x00\x00\x00\xff\xffgarbage", HEADERS, "unreadable"),
        (avro_event()[:9], HEADERS, "unreadable"),
        (avro_event(), {**HEADERS, "ce_source": "southmere-college"}, "wrong_principal"),
        (avro_event(), {**HEADERS, "ce_type": "uc.claim_started"}, "no_agreement"),
        (avro_event(), {**HEADERS, "ce_type": "education.attendance.summary"}, "not_in_agreement"),
        (avro_event(), {"ce_source": "northvale-college", "ce_type": "education.enrolment.withdrawn"}, "malformed"),
        (b"{", {"content_type": "application/cloudevents+json"}, "unreadable"),
        (b"[]", {"content_type": "application/json"}, "unreadable"),
        (CATALOGUE.frame("tick.v1", b"\x02a\x00"), HEADERS, "not_in_agreement"),
    ],
)
def test_what_is_wrong_on_a_partner_s_topic_is_refused_and_the_partition_moves_on(
    contracts: Path, value: bytes, headers: dict[str, str], reason: str
) -> None:
    good = partner_record(avro_event(), 1, **{**HEADERS, "ce_id": "k-2"})
    running = kafka(contracts, partner_record(value, 0, **headers), good)
    assert [r.fields["reason"] for r in running.facts("refusals")] == [reason]
    assert len(running.facts("observations")) == 1
    assert not running.facts("quarantine")


def test_cloudevents_json_on_a_partner_s_topic_is_read(contracts: Path) -> None:
    record = partner_record(orjson.dumps(event()), content_type="application/cloudevents+json; charset=UTF-8")
    assert len(kafka(contracts, record).facts("observations")) == 1


def test_an_avro_bomb_is_refused_in_bounded_time(contracts: Path) -> None:
    """A block count of billions in front of no data."""
    out = io.BytesIO()
    fastavro.schemaless_writer(
        out, {"type": "record", "name": "X", "fields": [{"name": "n", "type": "long"}]}, {"n": 2**61}
    )
    kind = "consent.given.v1"
    body = b"\x00\x00\x00" + out.getvalue() + b"\x00" * 20
    running = kafka(contracts, partner_record(CATALOGUE.frame(kind, body), **HEADERS))
    assert len(running.facts("refusals")) == 1
