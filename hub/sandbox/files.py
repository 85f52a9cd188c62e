"""A kit as files: one JSON document for the check, and what a person wants to look at beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from hub.sandbox.kit import Case, Expected, Kit

KIT, PEOPLE, EVENTS = "kit.json", "people.json", "events.jsonl"


class KitWrong(Exception):
    """The folder holds no kit that can be read."""


def write_kit(kit: Kit, folder: Path) -> None:
    """``events.jsonl`` holds those that are to be taken, ready for ``hub publish``."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "party": kit.party,
        "day": kit.day.isoformat(),
        "agreements": list(kit.agreements),
        "cases": [asdict(case) for case in kit.cases],
    }
    (folder / KIT).write_text(_text(document))
    (folder / PEOPLE).write_text(_text(list(kit.people)))
    taken = [case.event for case in kit.cases if case.expected == Expected(202, state="accepted")]
    lines = [json.dumps(event, ensure_ascii=False, sort_keys=True) for event in taken]
    (folder / EVENTS).write_text("\n".join(lines) + "\n")


def read_kit(folder: Path) -> Kit:
    """Raises KitWrong."""
    try:
        read = json.loads((folder / KIT).read_text())
        people = json.loads((folder / PEOPLE).read_text())
        cases = tuple(_case(entry) for entry in read["cases"])
        return Kit(str(read["party"]), date.fromisoformat(read["day"]), tuple(read["agreements"]), tuple(people), cases)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KitWrong(f"{folder.name} holds no kit: {type(error).__name__}") from None


def _case(entry: Mapping[str, Any]) -> Case:
    said = dict(entry["expected"])
    said["faults"] = tuple((str(pointer), str(code)) for pointer, code in said["faults"])
    said["dropped"] = tuple(said["dropped"])
    return Case(str(entry["name"]), str(entry["about"]), entry["event"], Expected(**said))


def _text(document: Any) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
