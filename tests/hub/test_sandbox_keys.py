"""A sandbox key through the real HTTP door and the whole hub: marked all the way, and no caseworker sees any of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hub.inprocess import InProcessHub
from hub.story import play, read_story
from services.console.project import Batch, take
from services.ingest.agent import Gates
from services.ingest.channels.appender import Appender
from services.ingest.channels.desk import Desk
from services.ingest.channels.http import Api, create_app
from services.ingest.channels.receipts import JournalReceipts, Recent
from services.ingest.door import Door
from spine.who.hearing import Hearing
from spine.who.keys import ApiKey, KeyRing
from spine.who.principal import Mode
from spine.who.rate import PartyLimits, Rate
from spine.who.webhooks import Heard

ROOT = Path(__file__).resolve().parents[2]
STORY = ROOT / "tests" / "stories" / "S01.yaml"


class ThroughTheDoor:
    """Takes the place of ``InProcessHub.submit``: every event goes over HTTP, with a key of the mode."""

    def __init__(self, mode: Mode, closing: ExitStack) -> None:
        self.mode, self.closing = mode, closing
        self.client: TestClient | None = None
        self.moment = datetime.min.replace(tzinfo=UTC)
        self.marks: set[str] = set()

    def open(self, hub: InProcessHub) -> TestClient:
        gate = Gates(hub.catalogue, hub.contracts).under(None)
        assert gate.policy is not None
        keys = KeyRing(
            ApiKey(party, party, hashlib.sha256(party.encode()).digest(), self.mode) for party in gate.policy.kinds
        )
        appender = Appender(hub.log)
        self.closing.callback(appender.close)
        receipts = JournalReceipts(hub.journal("ingest"))
        desk = Desk(Door(hub.sealer, hub.catalogue), gate, appender, receipts, Recent())
        hearing = Hearing(lambda: keys, Heard(lambda: 0.0))
        api = Api(desk, hearing, Rate(PartyLimits(1_000, 1_000), lambda: 0.0), lambda: self.moment)
        return self.closing.enter_context(TestClient(create_app(api)))

    def submit(
        self, hub: InProcessHub, event: Mapping[str, Any], *, party: str, received_at: datetime, test: bool
    ) -> str:
        self.client, self.moment = self.client or self.open(hub), received_at
        answer = self.client.post("/v1/events", json=event, headers={"Authorization": f"Bearer {party}"})
        assert answer.status_code == 202, answer.text
        self.marks.add(answer.headers["hub-mode"])
        return str(answer.json()["receipt"])


@contextmanager
def told_with(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[InProcessHub, set[str]]]:
    with ExitStack() as closing:
        door = ThroughTheDoor(mode, closing)
        monkeypatch.setattr(
            InProcessHub, "submit", lambda hub, event, **more: door.submit(hub, event, **more), raising=True
        )
        yield play(read_story(STORY), ROOT / "contracts", ROOT / "schemas" / "avro").hub, door.marks


@pytest.mark.parametrize("mode", ["test", "sandbox"])
def test_what_a_sandbox_key_sends_is_marked_and_reaches_nobody(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    with told_with(mode, monkeypatch) as (hub, marks):
        assert marks == {mode}, "every answer says so"
        observations = [fact for fact in hub.facts("observations") if fact.kind == "observation.v1"]
        alerts = [fact for fact in hub.facts("alerts") if fact.kind == "alert.v1"]
        assert observations and all(fact.fields["test"] for fact in observations)
        assert alerts and all(fact.fields["test"] for fact in alerts), "it goes through the whole hub"
        assert not [fact for fact in hub.facts("deliveries") if fact.kind == "delivery.v1"]
        batch = Batch()
        facts = [f for topic in ("alerts", "reviews", "refusals") for f in hub.facts(topic) if f.kind != "tick.v1"]
        assert {take(batch, fact, lambda kind, part: {}) for fact in facts} == {"test"}
        assert batch == Batch()


def test_the_same_with_a_live_key_reaches_a_caseworker(monkeypatch: pytest.MonkeyPatch) -> None:
    with told_with("live", monkeypatch) as (hub, marks):
        assert marks == {"live"}
        assert [fact for fact in hub.facts("deliveries") if fact.kind == "delivery.v1"]
