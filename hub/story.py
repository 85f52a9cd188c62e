"""``hub story run``: life stories through the real ``decide`` functions, in one process, with logged ticks.

The format of a story file and what is compared stand in tests/stories/README.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from hub.inprocess import InProcessHub
from hub.story_agreements import covering
from spine.clock import local_date

app = typer.Typer(help="Life stories: events in, expected beliefs and alerts out.", no_args_is_help=True)
ROOT = Path(__file__).resolve().parent.parent

Story = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation compared. ``got`` is empty when it holds."""

    story: str
    part: str
    what: str
    holds: bool
    got: str = ""


@dataclass(slots=True)
class Told:
    """What a run ended with, in the words of the expectations."""

    hub: InProcessHub
    person_of: dict[str, str] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    moved: dict[str, str] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)


def read_story(path: Path) -> Story:
    """A story file; dates stay text."""
    read = YAML(typ="safe").load(path)
    if not isinstance(read, dict) or "expect" not in read:
        raise ValueError(f"{path.name} is not a story: it needs the keys given, events, until and expect")
    return read


def moment(text: str) -> datetime:
    """A UTC moment as stories write it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def all_events(story: Story) -> list[Mapping[str, Any]]:
    """Given and events, in order of receipt; equal times keep file order."""
    return sorted([*(story.get("given") or []), *(story.get("events") or [])], key=lambda e: str(e["received_at"]))


def cloud_event(story: Story, event: Mapping[str, Any]) -> dict[str, Any]:
    """A story's event in the shape that the HTTP door takes."""
    return {
        "specversion": "1.0",
        "id": str(event.get("message_id") or f"{story['id']}-{event['id']}"),
        "source": event["source"],
        "type": event["type"],
        "data": {
            "effective_on": str(event["effective_on"]),
            "subject": dict(event.get("subject") or {}),
            "data": dict(event.get("data") or {}),
        },
    }


def play(story: Story, contracts: Path, schemas: Path, *, test: bool = False, partitions: int | None = None) -> Told:
    """Run one story from an empty hub: each day the tick, then that day's events in order of receipt.

    With ``test`` every event comes with a test key; ``partitions`` is how many each topic has, if not the contract's.
    """
    hub = InProcessHub(contracts, schemas, partitions=partitions)
    events = all_events(story)
    by_day: dict[date, list[Mapping[str, Any]]] = {}
    for event in events:
        by_day.setdefault(local_date(moment(event["received_at"])), []).append(event)
    day, until = min(by_day), date.fromisoformat(str(story["until"]))
    while day <= until:
        hub.tick(day)
        hub.settle()
        for event in by_day.get(day, []):
            received = moment(event["received_at"])
            hub.submit(cloud_event(story, event), party=str(event["source"]), received_at=received, test=test)
            hub.settle()
        day += timedelta(days=1)
    return _told(hub, story, events)


def _told(hub: InProcessHub, story: Story, events: Sequence[Mapping[str, Any]]) -> Told:
    from services.alerts.story import alerts_of

    told = Told(hub)
    by_message: dict[tuple[str, str], list[str]] = {}
    for event in events:
        message = str(event.get("message_id") or f"{story['id']}-{event['id']}")
        by_message.setdefault((str(event["source"]), message), []).append(str(event["id"]))
    labels: dict[str, list[str]] = {}
    for fact in hub.facts("observations"):
        if fact.kind == "observation.v1":
            labels[fact.event_id] = by_message.get((fact.fields["source"], fact.fields["message_id"]), [])
    attributions = [f.fields for f in hub.facts("attributions") if f.is_a("attribution")]
    for fields in sorted(attributions, key=lambda a: a["known_at"]):
        observation = fields["observation_id"]
        if fields["act"] in ("linked", "held", "released"):
            for label in labels.get(observation, []):
                told.person_of[label] = fields["person_id"]
                if fields["act"] == "held":
                    told.held.add(label)
        if fields["act"] == "withdrawn" and fields["other_person"]:
            told.moved[fields["person_id"]] = fields["other_person"]
    people = set(told.person_of.values())
    for key, body in sorted(hub.states("alerts").items()):
        # Only a record that went over as a whole takes its alerts along; who gave up one of several keeps them.
        person = key if key in people else told.moved.get(key, key)
        told.alerts += [{**alert, "person_id": person} for alert in alerts_of(body)]
    return told


def compare(story: Story, told: Told) -> Iterator[Check]:
    """Every expectation of a story against what the run ended with."""
    expect = story["expect"]
    name = str(story["id"])
    yield from _clusters(name, expect, told, story)
    yield from _statuses(name, expect, told)
    yield from _timelines(name, expect, told, str(story["until"]))
    yield from _episodes(name, expect, told, str(story["until"]))
    yield from _alerts(name, story, told)
    yield from _never(name, story, told)
    yield from _never_disclosed(name, expect, told)


def _clusters(name: str, expect: Story, told: Told, story: Story) -> Iterator[Check]:
    want = {frozenset(map(str, cluster)) for cluster in expect.get("clusters") or []}
    groups: dict[str, set[str]] = {}
    for event in all_events(story):
        label = str(event["id"])
        if not str(event["type"]).startswith("identity."):
            groups.setdefault(told.person_of.get(label, f"nobody-{label}"), set()).add(label)
    got = {frozenset(group) for group in groups.values()}
    yield _check(name, "clusters", "events of one person", got == want, str(sorted(sorted(g) for g in got)))
    held = {str(label) for label in expect.get("review") or []}
    yield _check(name, "review", "held for a clerical review", told.held == held, str(sorted(told.held)))


def _state(told: Told, label: str) -> bytes:
    return told.hub.states("status").get(told.person_of.get(label, ""), b"")


def _statuses(name: str, expect: Story, told: Told) -> Iterator[Check]:
    from services.alerts.story import at_risk
    from services.status.story import view

    for row in expect.get("status_as_of") or []:
        label, known_at, on = str(row["person"]), moment(row["known_at"]), date.fromisoformat(str(row["on"]))
        seen = dict(view(_state(told, label), known_at, on))
        flags = {**seen.get("flags", {})}
        if "at_risk" in (row.get("flags") or {}):
            person = told.person_of.get(label, "")
            held = [k for k, to in told.moved.items() if to == person] + [person]
            states = told.hub.states("alerts")
            risk = any(at_risk(states[k], known_at) for k in held if k in states)
            flags["at_risk"] = risk and seen.get("group") in ("EET", "EET_SOFT")
        got = {"code": str(seen.get("code")), "group": seen.get("group")}
        want = {"code": str(row["code"]), "group": row["group"]}
        for flag, value in (row.get("flags") or {}).items():
            got[flag], want[flag] = flags.get(flag), value
        if "ssda903" in row:
            got["ssda903"], want["ssda903"] = seen.get("ssda903"), row["ssda903"]
        if "plan" in row:
            plan = {k: _text(v) for k, v in (seen.get("plan") or {}).items() if k in row["plan"]}
            got["plan"], want["plan"] = plan, {k: _text(v) for k, v in row["plan"].items()}
        yield _check(name, "status", f"{label} on {on} known {row['known_at']}", got == want, f"{got} not {want}")


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _timelines(name: str, expect: Story, told: Told, until: str) -> Iterator[Check]:
    from services.status.story import timeline

    by_person: dict[str, list[tuple[str, str | None, str]]] = {}
    for row in expect.get("timeline") or []:
        by_person.setdefault(str(row["person"]), []).append((str(row["from"]), _none(row["to"]), str(row["code"])))
    for label, want in by_person.items():
        spans = timeline(_state(told, label), _end_of(until), date.fromisoformat(until))
        got = [(_text(a), _text(b), str(code)) for a, b, code in spans]
        yield _check(name, "timeline", label, got == want, f"{got} not {want}")


def _episodes(name: str, expect: Story, told: Told, until: str) -> Iterator[Check]:
    from services.status.story import episodes

    by_person: dict[str, list[tuple[str, str | None, int | None]]] = {}
    for row in expect.get("timeline") or []:
        by_person.setdefault(str(row["person"]), [])
    for row in expect.get("neet_episodes") or []:
        by_person.setdefault(str(row["person"]), []).append((str(row["from"]), _none(row["to"]), row["days"]))
    for label, want in by_person.items():
        spans = episodes(_state(told, label), _end_of(until), date.fromisoformat(until))
        got = [(_text(a), _text(b), days) for a, b, days in spans]
        yield _check(name, "episodes", label, got == want, f"{got} not {want}")


def _end_of(day: str) -> datetime:
    return moment(f"{day}T23:59:59Z")


def _none(value: Any) -> str | None:
    return None if value is None else str(value)


def _alerts(name: str, story: Story, told: Told) -> Iterator[Check]:
    begins = _begins(story)
    got = {_alert_row(a, str(a["person_id"])) for a in told.alerts if str(_text(a["raised_on"])) >= begins}
    want = {_alert_row(a, told.person_of.get(str(a["person"]), "?")) for a in story["expect"].get("alerts") or []}
    for row in sorted(want, key=str):
        near = [r for r in got if r[0] == row[0]]
        yield _check(
            name, "alerts", f"{row[0]} raised {row[2]}", row in got, f"want {row[2:]}; got {[r[2:] for r in near]}"
        )
    for row in sorted(got - want, key=str):
        if not any(w[0] == row[0] and w[2] == row[2] for w in want):
            yield Check(name, "alerts", f"{row[0]} raised {row[2]} is not expected", False, str(row[2:]))


def _alert_row(alert: Mapping[str, Any], person: str) -> tuple[str, str, str, tuple[str, ...], str, str | None, str]:
    closed = alert.get("closed_on")
    return (
        str(alert["rule"]),
        person,
        str(_text(alert["raised_on"])),
        tuple(sorted(map(str, alert["to"]))),
        str(_text(alert["due_on"])),
        None if closed is None else str(_text(closed)),
        str(alert["outcome"]),
    )


def _begins(story: Story) -> str:
    """First day of the story itself: alerts raised before it are left out of the comparison."""
    return min(local_date(moment(event["received_at"])) for event in story["events"]).isoformat()


def _never(name: str, story: Story, told: Told) -> Iterator[Check]:
    begins = _begins(story)
    compared = [alert for alert in told.alerts if str(_text(alert["raised_on"])) >= begins]
    for row in story["expect"].get("never") or []:
        person = told.person_of.get(str(row["person"])) if row.get("person") else None
        wrong = [alert for alert in compared if _matches(row, alert, person)]
        raised = [f"{a['rule']} {_text(a['raised_on'])}" for a in wrong]
        yield _check(name, "never", f"{row['rule']} {row.get('note', '')}".strip(), not wrong, str(raised))


def _matches(row: Mapping[str, Any], alert: Mapping[str, Any], person: str | None) -> bool:
    raised = str(_text(alert["raised_on"]))
    return (
        (row["rule"] == "*" or row["rule"] == alert["rule"])
        and (person is None or alert["person_id"] == person)
        and (row.get("to") is None or row["to"] in alert["to"])
        and (row.get("from") is None or raised >= str(row["from"]))
        and (row.get("until") is None or raised <= str(row["until"]))
    )


def _never_disclosed(name: str, expect: Story, told: Told) -> Iterator[Check]:
    shown: dict[str, list[str]] = {}
    for fact in told.hub.facts("alerts"):
        for recipient in fact.fields.get("recipients") or []:
            shown.setdefault(recipient["role"], []).append(json.dumps(recipient["view"], default=str).lower())
    for row in expect.get("never_disclosed") or []:
        texts = shown.get(str(row["recipient"]), [])
        leaked = [term for term in row["terms"] if any(str(term).lower() in text for text in texts)]
        yield _check(name, "disclosure", f"{row['recipient']} never reads {row['terms']}", not leaked, str(leaked))


def _check(story: str, part: str, what: str, holds: bool, got: str) -> Check:
    return Check(story, part, what, holds, "" if holds else got)


def run_stories(paths: Iterable[Path], contracts: Path, schemas: Path) -> list[Check]:
    """All checks of all stories below ``paths`` (files or folders)."""
    files = [f for path in paths for f in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]
    checks: list[Check] = []
    with covering(contracts) as agreed:
        for file in files:
            story = read_story(file)
            checks += compare(story, play(story, agreed, schemas))
    return checks


@app.callback()
def _story() -> None:
    """Keep ``run`` a subcommand."""


@app.command("run")
def run(
    paths: Annotated[list[Path], typer.Argument(help="Story files or folders of them.", exists=True)],
    as_json: Annotated[bool, typer.Option("--json", help="Print every check as JSON.")] = False,
    contracts: Annotated[Path, typer.Option(help="Folder of contracts.")] = ROOT / "contracts",
    schemas: Annotated[Path, typer.Option(help="Folder of Avro schemas.")] = ROOT / "schemas" / "avro",
) -> None:
    """Run stories and compare every expectation. Exit 0 only if all hold, 1 if one does not, 2 for unusable input."""
    try:
        checks = run_stories(paths, contracts, schemas)
    except (ValueError, OSError) as error:
        typer.echo(f"hub story: {error}", err=True)
        raise typer.Exit(2) from error
    failed = [check for check in checks if not check.holds]
    if as_json:
        rows = [{"story": c.story, "part": c.part, "what": c.what, "holds": c.holds, "got": c.got} for c in checks]
        typer.echo(json.dumps({"checks": rows, "held": len(checks) - len(failed), "failed": len(failed)}, indent=1))
    else:
        _print(checks)
    raise typer.Exit(1 if failed else 0)


def _print(checks: Sequence[Check]) -> None:
    console = Console()
    table = Table(title="Life stories")
    for column in ("story", "expectation", "held", "of"):
        table.add_column(column)
    parts = sorted({(c.story, c.part) for c in checks})
    for story, part in parts:
        mine = [c for c in checks if (c.story, c.part) == (story, part)]
        held = sum(c.holds for c in mine)
        table.add_row(story, part, str(held), str(len(mine)), style=None if held == len(mine) else "bold red")
    console.print(table)
    for check in checks:
        if not check.holds:
            console.print(f"[red]{check.story} {check.part}[/red] {check.what}\n    {check.got}", markup=True)
    held = sum(c.holds for c in checks)
    console.print(f"{held} of {len(checks)} expectations hold.")
