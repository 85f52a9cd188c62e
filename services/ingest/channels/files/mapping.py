"""A partner's mapping: how its files read. One YAML file per party in ``contracts/mappings``, checked by
``contracts/mapping.schema.json`` and against the event types: a mapping that names a field nobody knows is refused.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from services.ingest.fields import TypeSpec

HEADER_MARK = "@"
_ENVELOPE_KINDS = {"effective_on": "date", "observed_at": "string"}


class MappingWrong(ValueError):
    """The mapping itself is wrong; ``faults`` lists all that was found."""

    def __init__(self, file: str, faults: list[str]) -> None:
        super().__init__(f"{file}: " + "; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class FieldRule:
    """Where one field of an event comes from. ``kind`` is the field's kind in the event type."""

    path: str
    kind: str
    column: str = ""
    constant: str | int | float | bool | None = None
    required: bool = False
    date: str = ""
    values: Mapping[str, str | bool] | None = None
    digits: int = 0
    matches: re.Pattern[str] | None = None
    blank: frozenset[str] = frozenset()
    split: str = ""


@dataclass(frozen=True, slots=True)
class EventRule:
    """One event that a row may be. ``when_column`` empty: every row is."""

    type: str
    when_column: str
    when_is: frozenset[str]
    leaver: bool
    fields: tuple[FieldRule, ...]

    def headings(self) -> Mapping[str, str]:
        """Field path -> the partner's own heading."""
        return {rule.path: rule.column for rule in self.fields if rule.column}


@dataclass(frozen=True, slots=True)
class FileRule:
    """One kind of file of a party."""

    party: str
    name: str
    pattern: str
    format: str
    encoding: str
    delimiter: str
    sheet: str
    heading_row: int
    record: str
    header: str
    wants_marker: bool
    snapshot_key: str
    ignored: frozenset[str]
    id_from: str
    id_columns: tuple[str, ...]
    events: tuple[EventRule, ...]
    columns: frozenset[str]

    @property
    def shape(self) -> str:
        return "snapshot" if self.snapshot_key else "delta"

    def fits(self, file_name: str) -> bool:
        return fnmatch.fnmatchcase(file_name.lower(), self.pattern.lower())


@dataclass(frozen=True, slots=True)
class PartyMapping:
    """All kinds of files of a party."""

    party: str
    files: tuple[FileRule, ...]

    def rule_for(self, file_name: str) -> FileRule | None:
        """The first rule whose pattern fits."""
        return next((rule for rule in self.files if rule.fits(file_name)), None)


def load_mappings(contracts: Path, types: Mapping[str, TypeSpec]) -> Mapping[str, PartyMapping]:
    """Party -> mapping. Raises MappingWrong for the first file that is wrong, with all its faults."""
    schema = json.loads((contracts / "mapping.schema.json").read_bytes())
    found = {}
    for path in sorted((contracts / "mappings").glob("*.yaml")):
        mapping = parse_mapping(YAML(typ="safe", pure=True).load(path), schema, types, path.name)
        if mapping.party != path.stem:
            raise MappingWrong(path.name, [f"party {mapping.party} is not the file's name"])
        found[mapping.party] = mapping
    return found


def parse_mapping(
    read: Any, schema: Mapping[str, Any], types: Mapping[str, TypeSpec], file: str = "mapping"
) -> PartyMapping:
    """A mapping as data. Raises MappingWrong."""
    faults = [
        f"{'/'.join(str(p) for p in error.absolute_path) or 'file'}: {error.message[:200]}"
        for error in Draft202012Validator(schema).iter_errors(read)
    ]
    if faults:
        raise MappingWrong(file, faults)
    rules = tuple(_file_rule(read["party"], entry, types, faults) for entry in read["files"])
    names = [rule.name for rule in rules]
    faults += [f"files: {name} is named twice" for name in sorted({n for n in names if names.count(n) > 1})]
    if faults:
        raise MappingWrong(file, faults)
    return PartyMapping(read["party"], rules)


def _file_rule(party: str, entry: Mapping[str, Any], types: Mapping[str, TypeSpec], faults: list[str]) -> FileRule:
    events = tuple(_event_rule(entry, event, types, faults) for event in entry["events"])
    message_id = entry["message_id"]
    id_columns = tuple(message_id.get("columns", [message_id["column"]] if "column" in message_id else []))
    columns = {rule.column for event in events for rule in event.fields if rule.column}
    columns |= {event.when_column for event in events if event.when_column} | set(id_columns)
    snapshot_key = entry.get("snapshot_key", "")
    columns |= {snapshot_key} if snapshot_key else set()
    ignored = frozenset(entry.get("ignored", ()))
    faults += [f"{entry['name']}: {name} is read and ignored" for name in sorted(columns & ignored)]
    return FileRule(
        party=party,
        name=entry["name"],
        pattern=entry["pattern"],
        format=entry["format"],
        encoding=entry.get("encoding", ""),
        delimiter=entry.get("delimiter", ""),
        sheet=entry.get("sheet", ""),
        heading_row=entry.get("heading_row", 1),
        record=entry.get("record", ""),
        header=entry.get("header", ""),
        wants_marker=entry.get("complete") == "done",
        snapshot_key=snapshot_key,
        ignored=ignored,
        id_from=message_id["from"],
        id_columns=id_columns,
        events=events,
        columns=frozenset(columns),
    )


def _event_rule(
    file: Mapping[str, Any], event: Mapping[str, Any], types: Mapping[str, TypeSpec], faults: list[str]
) -> EventRule:
    spec = types.get(event["type"])
    if spec is None:
        faults.append(f"{file['name']}: {event['type']} is not an event type of the catalogue")
        return EventRule(event["type"], "", frozenset(), False, ())
    kinds = dict(_ENVELOPE_KINDS) | {f.path: f.kind for f in (*spec.subject.values(), *spec.data.values())}
    allowed = {f.path: f.values for f in (*spec.subject.values(), *spec.data.values())}
    given = {**file.get("fields", {}), **event.get("fields", {})}
    rules = []
    for path, entry in given.items():
        if path not in kinds:
            faults.append(f"{file['name']}: {path} is not a field of {spec.name}")
            continue
        rule = _field_rule(path, kinds[path], entry)
        if rule.kind == "date" and rule.column and not rule.date:
            faults.append(f"{file['name']}: {path} needs its form of date")
        words = [w for w in (rule.values or {}).values() if isinstance(w, str)]
        strange = sorted(set(words) - allowed[path]) if allowed.get(path) else []
        faults += [f"{file['name']}: {path}: {word} is not in the closed list" for word in strange]
        rules.append(rule)
    for need in ("effective_on", *(f.path for f in spec.data.values() if f.required)):
        if need not in given:
            faults.append(f"{file['name']}: {spec.name} needs {need}")
    when = event.get("when", {})
    return EventRule(
        spec.name,
        when.get("column", ""),
        frozenset(word.casefold() for word in when.get("is", ())),
        event.get("leaver", False),
        tuple(rules),
    )


def _field_rule(path: str, kind: str, entry: Mapping[str, Any]) -> FieldRule:
    if "constant" in entry:
        return FieldRule(path, kind, constant=entry["constant"])
    values = entry.get("values")
    return FieldRule(
        path=path,
        kind=kind,
        column=entry["column"],
        required=entry.get("required", False),
        date=entry.get("date", ""),
        values=None if values is None else {word.casefold(): said for word, said in values.items()},
        digits=entry.get("digits", 0),
        matches=re.compile(entry["matches"] + r"\Z", re.ASCII) if "matches" in entry else None,
        blank=frozenset(word.casefold() for word in entry.get("blank", ())),
        split=entry.get("split", ""),
    )
