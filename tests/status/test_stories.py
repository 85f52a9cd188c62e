"""What the shared life stories expect of status comes out right, without the rest of the hub."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from told import ROOT, linked, moment, run

from services.status import episodes, timeline, view
from services.status.state import State, decode, encode

FILES = sorted([*(ROOT / "tests" / "stories").glob("*.yaml"), *(Path(__file__).parent / "stories").glob("*.yaml")])


def person_events(story: Mapping[str, Any], label: str) -> list[dict[str, Any]]:
    """The events of the cluster that ``label`` is in; held ones are known from the linking on, and of two bodies under
    one message id the gate lets the first through."""
    events = _first_bodies([dict(e) for e in [*(story.get("given") or []), *(story.get("events") or [])]])
    clusters = story["expect"].get("clusters") or [[e["id"] for e in events]]
    mine = next(cluster for cluster in clusters if label in cluster)
    for event in events:
        if event["id"] in (story["expect"].get("review") or []):
            event["known_at"] = _linked_at(events, event)
    chosen = [event for event in events if event["id"] in mine]
    return sorted(chosen, key=lambda e: str(e.get("known_at") or e["received_at"]))


def _first_bodies(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    sent: dict[tuple[str, str], str] = {}
    return [e for e in events if sent.setdefault((e["source"], e.get("message_id") or e["id"]), e["id"]) == e["id"]]


def _linked_at(events: list[dict[str, Any]], held: Mapping[str, Any]) -> str:
    """By a steward, or by the same source's second sending."""
    for event in events:
        linked = event["type"] == "identity.linked" and event["data"].get("record_source") == held["source"]
        said = [event.get(name) == held[name] for name in ("source", "type", "effective_on", "data")]
        if linked or (all(said) and event["id"] != held["id"]):
            return str(event["received_at"])
    raise AssertionError("held and never linked")


def state_of(story: Mapping[str, Any], label: str) -> State:
    state, _ = run(linked(person_events(story, label)))
    assert decode(encode(state)) == state
    return state


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_status_of_the_story_holds(path: Path) -> None:
    story = YAML(typ="safe").load(path)
    expect, until = story["expect"], date.fromisoformat(story["until"])
    end = moment(f"{until}T23:59:59Z")
    wrong = []
    states: dict[str, State] = {}
    for kind in ("status_as_of", "timeline", "neet_episodes"):
        for row in expect.get(kind) or []:
            if row["person"] not in states:
                states[row["person"]] = state_of(story, row["person"])
    for row in expect.get("status_as_of") or []:
        seen = view(states[row["person"]], moment(row["known_at"]), date.fromisoformat(row["on"]))
        got = {"code": seen["code"], "group": seen["group"]}
        want = {"code": row["code"], "group": row["group"]}
        for flag, value in (row.get("flags") or {}).items():
            if flag != "at_risk":
                got[flag], want[flag] = seen["flags"][flag], value
        if "ssda903" in row:
            got["ssda903"], want["ssda903"] = seen["ssda903"], row["ssda903"]
        for word, value in (row.get("plan") or {}).items():
            have = (seen["plan"] or {}).get(word)
            got[word], want[word] = have.isoformat() if isinstance(have, date) else have, value
        if got != want:
            wrong.append((row["known_at"], row["on"], got, want))
    for label, state in states.items():
        want_line = [(r["from"], r["to"], r["code"]) for r in expect.get("timeline") or [] if r["person"] == label]
        got_line = [(a.isoformat(), b and b.isoformat(), code) for a, b, code in timeline(state, end, until)]
        if want_line and got_line != want_line:
            wrong.append(("timeline", label, got_line, want_line))
        want_spells = [
            (r["from"], r["to"], r["days"]) for r in expect.get("neet_episodes") or [] if r["person"] == label
        ]
        got_spells = [(a.isoformat(), b and b.isoformat(), n) for a, b, n in episodes(state, end, until)]
        if want_line and got_spells != want_spells:
            wrong.append(("episodes", label, got_spells, want_spells))
    assert not wrong, "\n".join(map(str, wrong))
