"""The people of the life stories, through matching alone: who is one person, and what waits for a clerical review."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hub_of_matching import CATALOGUE, ROOT, Matching
from ruamel.yaml import YAML

STORIES = sorted((ROOT / "tests" / "stories").glob("*.yaml"))


def _typed(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    source = next(f for f in CATALOGUE.sources[f"{kind}.v1"]["fields"] if f["name"] == "data")
    out: dict[str, Any] = {}
    for field in source["type"]["fields"]:
        value = data.get(field["name"])
        text = str(field["type"])
        if isinstance(value, str) and "'logicalType': 'date'" in text:
            value = date.fromisoformat(value)
        if value is None and "default" in field:
            continue
        out[field["name"]] = value
    return out


@pytest.mark.parametrize("path", STORIES, ids=lambda p: p.stem)
def test_the_events_of_a_life_story_belong_to_whom_the_story_says(path: Path) -> None:
    story = YAML(typ="safe").load(path)
    hub = Matching()
    labels: dict[tuple[str, str], list[str]] = {}
    events = sorted([*(story["given"] or []), *story["events"]], key=lambda e: e["received_at"])
    for event in events:
        message = str(event.get("message_id") or f"{story['id']}-{event['id']}")
        repeated = (event["source"], message) in labels
        labels.setdefault((event["source"], message), []).append(str(event["id"]))
        if repeated:
            continue
        hub.observe(
            message,
            event["source"],
            event["subject"],
            event["type"],
            _typed(event["type"], event["data"]),
            effective_on=date.fromisoformat(event["effective_on"]),
            received_at=datetime.fromisoformat(event["received_at"].replace("Z", "+00:00")),
        )
    by_message = {message: names for (_, message), names in labels.items()}
    got = {frozenset(label for message in group for label in by_message[message]) for group in hub.clusters()}
    assert got == {frozenset(map(str, cluster)) for cluster in story["expect"]["clusters"]}
    held = {label for message in hub.held() for label in by_message[message]}
    assert held == set(map(str, story["expect"]["review"]))
