"""The same events of a story, all received on one day in any order, leave the same alerts standing."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.inprocess import InProcessHub
from hub.story import all_events, cloud_event, moment, read_story
from services.alerts.story import alerts_of
from spine.clock import local_date

ROOT = Path(__file__).resolve().parents[2]

#: Story, how many of its events: where something stands, and where nothing must.
CASES = (("S01", 12), ("S03", 12), ("S05", 9), ("S06", 8), ("S07", 14), ("S11", 4))


def standing(story: Mapping[str, Any], events: Sequence[Mapping[str, Any]], day: date) -> set[str]:
    hub = InProcessHub(ROOT / "contracts", ROOT / "schemas" / "avro")
    hub.tick(day)
    hub.settle()
    for n, event in enumerate(events):
        at = datetime(day.year, day.month, day.day, 9, tzinfo=UTC) + timedelta(seconds=n)
        hub.submit(cloud_event(story, event), party=str(event["source"]), received_at=at)
        hub.settle()
    hub.tick(day + timedelta(days=1))
    hub.settle()
    bodies = hub.states("alerts").values()
    return {alert["rule"] for body in bodies for alert in alerts_of(body) if alert["outcome"] == "open"}


@pytest.mark.parametrize(("name", "count"), CASES)
def test_the_order_of_arrival_does_not_change_what_stands(name: str, count: int) -> None:
    story = read_story(ROOT / "tests" / "stories" / f"{name}.yaml")
    events = [e for e in all_events(story)[:count] if not str(e["type"]).startswith("identity.")]
    day = local_date(moment(events[-1]["received_at"])) + timedelta(days=1)
    while day.weekday() > 3:
        day += timedelta(days=1)
    expected = standing(story, events, day)
    draw = random.Random(name)
    for _ in range(2):
        draw.shuffle(events)
        # A match review depends on which record came first; the rules must not.
        assert standing(story, events, day) - {"MR"} == expected - {"MR"}, [e["id"] for e in events]
