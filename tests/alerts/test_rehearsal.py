"""What comes with a test key goes through the whole hub and reaches no caseworker: no message, no row, no review."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.inprocess import InProcessHub
from hub.story import play, read_story
from services.console.project import Batch, take

ROOT = Path(__file__).resolve().parents[2]
STORIES = sorted((ROOT / "tests" / "stories").glob("S0*.yaml"))


def rehearse(path: Path, *, test: bool) -> InProcessHub:
    """A whole story, every event of it with a test key or with a live one."""
    return play(read_story(path), ROOT / "contracts", ROOT / "schemas" / "avro", test=test).hub


@pytest.fixture(scope="module", params=STORIES, ids=lambda path: path.stem)
def rehearsal(request: pytest.FixtureRequest) -> Iterator[InProcessHub]:
    yield rehearse(request.param, test=True)


def test_every_alert_of_a_rehearsal_is_marked_and_nobody_is_told(rehearsal: InProcessHub) -> None:
    alerts = list(rehearsal.facts("alerts"))
    acts = [fact for fact in alerts if fact.kind == "alert.v1"]
    assert acts, "the rehearsal goes through the whole hub"
    assert {fact.fields["rule"] for fact in acts if not fact.fields["test"]} == set()
    assert not [fact for fact in rehearsal.facts("deliveries") if fact.kind == "delivery.v1"]


def test_no_page_of_the_console_shows_anything_of_a_rehearsal(rehearsal: InProcessHub) -> None:
    batch = Batch()
    topics = ("alerts", "deliveries", "reviews", "refusals")
    facts = [fact for topic in topics for fact in rehearsal.facts(topic) if fact.kind != "tick.v1"]
    assert {take(batch, fact, lambda kind, part: {}) for fact in facts} == {"test"}
    assert not (batch.alerts or batch.told or batch.history or batch.deliveries or batch.reviews or batch.refusals)


def test_the_same_story_with_live_keys_does_reach_caseworkers() -> None:
    hub = rehearse(STORIES[0], test=False)
    assert [fact for fact in hub.facts("deliveries") if fact.kind == "delivery.v1"]


def test_an_alert_that_a_date_alone_raises_is_marked_too() -> None:
    hub = rehearse(STORIES[0], test=True)
    acts = [fact.fields for fact in hub.facts("alerts") if fact.kind == "alert.v1"]
    assert acts and all(act["test"] for act in acts)
