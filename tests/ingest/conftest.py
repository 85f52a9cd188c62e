"""A gate under the committed agreements, and the HTTP door on a memory log."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hub.sharing import compile_policy
from services.ingest.agent import Opener, processor
from services.ingest.channels.appender import Appender
from services.ingest.channels.desk import Desk
from services.ingest.channels.http import Api, create_app
from services.ingest.channels.quarantine import Quarantine
from services.ingest.channels.receipts import JournalReceipts, Recent
from services.ingest.channels.redriving import Redriving
from services.ingest.door import Door
from services.ingest.fields import type_specs
from services.ingest.gate import Gate
from services.ingest.policy import parse_policy
from spine.journal import MemoryJournal, Position
from spine.keystore import MemoryKeys
from spine.log import MemoryLog
from spine.publisher import publish
from spine.record import Fact
from spine.schema import Catalogue
from spine.seal import Sealer
from spine.step import Limits, SetAside, step
from spine.who.hearing import Hearing
from spine.who.keys import ApiKey, KeyRing
from spine.who.principal import READ, REDRIVE, SCOPES, Mode, Scope
from spine.who.rate import PartyLimits, Rate
from spine.who.webhooks import Heard

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
RECEIVED = datetime(2025, 11, 24, 8, 5, tzinfo=UTC)
#: Refusals that one person redrives at once, at this door.
ALONE_MAX = 2
TOPICS = {"submissions": 2, "observations": 1, "refusals": 1, "statuses": 1, "quarantine": 1}


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue([ROOT / "schemas" / "avro"], MemoryKeys())


@pytest.fixture(scope="session")
def compiled() -> Any:
    return compile_policy(CONTRACTS)


@pytest.fixture(scope="session")
def gate(catalogue: Catalogue, compiled: Any) -> Gate:
    return Gate(parse_policy(compiled.content, compiled.policy_hash), type_specs(catalogue.sources))


@pytest.fixture
def withdrawal() -> dict[str, Any]:
    """A college says that a student has left."""
    return copy.deepcopy(
        {
            "specversion": "1.0",
            "id": "nvc-000184",
            "source": "northvale-college",
            "type": "education.enrolment.withdrawn",
            "data": {
                "effective_on": "2025-11-21",
                "subject": {
                    "source_ref": "P100881",
                    "given_name": "Aaliyah",
                    "family_name": "Khan-Reid",
                    "date_of_birth": "2009-03-14",
                    "postcode": "NS3 4QT",
                    "uln": "7000000014",
                },
                "data": {"reason": "changed_mind", "destination": "unknown", "destination_confirmed": False},
            },
        }
    )


KEYS: dict[str, tuple[str, str, Mode, date | None, frozenset[Scope]]] = {
    "college": ("northvale-college", "college-key", "live", None, SCOPES),
    "minimising": ("southmere-college", "southmere-key", "live", None, SCOPES),
    "test": ("northvale-college", "college-test-key", "test", None, SCOPES),
    "sandbox": ("northvale-college", "college-sandbox-key", "sandbox", date(2025, 12, 1), SCOPES),
    "expired": ("northvale-college", "college-old-key", "live", date(2025, 11, 1), SCOPES),
    "reader": ("northvale-college", "college-read-key", "live", None, frozenset({READ})),
    "stranger": ("nobody-knows-them", "stranger-key", "live", None, SCOPES),
    "jobcentre": ("jobcentre-plus", "jcp-key", "live", None, SCOPES),
    "redriving": ("northvale-college", "college-redrive-key", "live", None, SCOPES | {REDRIVE}),
    "steward": ("northshire-data-steward", "steward-key", "live", None, SCOPES | {REDRIVE}),
}


def facts_of(log: MemoryLog, catalogue: Catalogue, topic: str) -> list[Fact]:
    """Every fact on a topic, partition by partition."""
    places = [(topic, n) for n in range(log.partitions(topic))]
    return [catalogue.fact(record) for place in places for record in log.read({place: 0}, log.end(place))]


@dataclass(slots=True)
class DoorOnMemory:
    """The HTTP door, the log behind it, and ingest that reads it."""

    client: TestClient
    log: MemoryLog
    journal: MemoryJournal
    catalogue: Catalogue
    run: Callable[[], None]
    appended: list[str] = field(default_factory=list)

    def post(self, event: Any, who: str = "college", path: str = "/v1/events", **headers: str) -> Any:
        return self.client.post(path, json=event, headers={**self.auth(who), **headers})

    def auth(self, who: str = "college") -> dict[str, str]:
        return {"Authorization": f"Bearer {KEYS[who][1]}"}

    def facts(self, topic: str) -> list[Fact]:
        return facts_of(self.log, self.catalogue, topic)


@pytest.fixture
def http(catalogue: Catalogue, gate: Gate, tmp_path: Path, compiled: Any) -> Iterator[DoorOnMemory]:
    keys = KeyRing(
        ApiKey(party, f"{name}-1", hashlib.sha256(key.encode()).digest(), mode, expires, scopes)
        for name, (party, key, mode, expires, scopes) in KEYS.items()
    )
    with door_on_memory(catalogue, gate, tmp_path, compiled, Hearing(lambda: keys, Heard(lambda: 0.0))) as door:
        yield door


@contextmanager
def door_on_memory(
    catalogue: Catalogue,
    gate: Gate,
    folder: Path,
    compiled: Any,
    hearing: Hearing,
    rate: Rate | None = None,
    client: tuple[str, int] = ("testclient", 50000),
    now: Callable[[], datetime] = lambda: RECEIVED,
) -> Iterator[DoorOnMemory]:
    """The door with these ways in, and ingest behind it."""
    sealer = Sealer(bytes(range(32)))
    contracts = folder / "contracts"
    _write_head(contracts, compiled)
    log, journal = MemoryLog(TOPICS, catalogue.frame), MemoryJournal()
    ingest, aside = processor(catalogue, contracts, sealer, TOPICS["submissions"]), SetAside(Limits())

    def run() -> None:
        held = journal.positions("submissions")
        positions = {("submissions", n): held.get(("submissions", n), Position(0)).next for n in range(2)}
        step(log.read(positions, 10_000), ingest, journal, catalogue, aside)
        publish(journal, log)

    appender = Appender(log)
    desk = Desk(Door(sealer, catalogue), gate, appender, JournalReceipts(journal), Recent())
    rate = rate or Rate(PartyLimits(1_000, 2_000), lambda: 0.0)
    quarantine = Quarantine(log, catalogue, desk.receipts)
    redriving = Redriving(quarantine, Opener(sealer, catalogue), catalogue, gate, appender, ALONE_MAX)
    api = Api(desk, hearing, rate, now, simulated=True, redriving=redriving)
    with TestClient(create_app(api), client=client) as visitor:
        yield DoorOnMemory(visitor, log, journal, catalogue, run)
    appender.close()


def _write_head(contracts: Path, compiled: Any) -> None:
    import json

    folder = contracts / "compiled"
    folder.mkdir(parents=True)
    (folder / "policy.json").write_bytes(compiled.body)
    (folder / "head.json").write_text(json.dumps({"policy": compiled.policy_hash, "file": "policy.json"}))
