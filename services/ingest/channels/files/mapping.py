"""A partner's mapping: how its files read. One YAML file per party in ``contracts/mappings``, checked by
``contracts/mapping.schema.json`` and against the event types: a mapping that names a field nobody knows is refused.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from services.ingest.fields import Bad, FieldSpec, TypeSpec, read_date, read_moment

HEADER_MARK = "@"
_ENVELOPE_KINDS = {"effective_on": "date", "observed_at": "string"}


class MappingWrong(ValueError):
    """A mapping itself is wrong; ``faults`` lists all that was found, each with its file and its entry."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = list(faults)


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
    """Party -> mapping. Raises MappingWrong with all faults of all files."""
    schema = json.loads((contracts / "mapping.schema.json").read_bytes())
    found: dict[str, PartyMapping] = {}
    faults: list[str] = []
    for path in sorted((contracts / "mappings").glob("*.yaml")):
        try:
            mapping = parse_mapping(YAML(typ="safe").load(path), schema, types, path.name)
        except MappingWrong as wrong:
            faults += wrong.faults
            continue
        except (YAMLError, UnicodeDecodeError) as error:
            faults.append(f"{path.name}: this is no YAML: {type(error).__name__}")
            continue
        if mapping.party != path.stem:
            faults.append(f"{path.name}: party {mapping.party} is not the file's name")
        found[mapping.party] = mapping
    if faults:
        raise MappingWrong(faults)
    return found


def parse_mapping(
    read: Any, schema: Mapping[str, Any], types: Mapping[str, TypeSpec], file: str = "mapping"
) -> PartyMapping:
    """A mapping as data. Raises MappingWrong."""
    faults = [
        f"{'/'.join(str(p) for p in error.absolute_path) or 'file'}: {_said(error)}"
        for error in Draft202012Validator(schema).iter_errors(read)
    ]
    rules: tuple[FileRule, ...] = ()
    if not faults:
        rules = tuple(_file_rule(read["party"], entry, types, faults) for entry in read["files"])
        names = [rule.name for rule in rules]
        faults += [f"files: {name} is named twice" for name in sorted({n for n in names if names.count(n) > 1})]
    if faults:
        # What stands in the fields of every event is one fault, however many events there are.
        raise MappingWrong([f"{file}: {fault}" for fault in dict.fromkeys(faults)])
    return PartyMapping(read["party"], rules)


def _said(error: ValidationError) -> str:
    """The library's words, but for a setting that this format or shape forbids."""
    if error.validator == "not":
        return "this has no meaning in a file of this format or shape"
    return error.message[:200]


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
    specs = {f.path: f for f in (*spec.subject.values(), *spec.data.values())}
    given = {**file.get("fields", {}), **event.get("fields", {})}
    rules = []
    for path, entry in given.items():
        if path not in specs and path not in _ENVELOPE_KINDS:
            faults.append(f"{file['name']}: {path} is not a field of {spec.name}")
            continue
        rule = _field_rule(path, specs.get(path), entry, faults, f"{file['name']}: {path}")
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


def _field_rule(path: str, spec: FieldSpec | None, entry: Mapping[str, Any], faults: list[str], at: str) -> FieldRule:
    kind = spec.kind if spec else _ENVELOPE_KINDS[path]
    if "constant" in entry:
        faults += [f"{at}: the constant {fault}" for fault in _unfit(path, spec, entry["constant"])]
        return FieldRule(path, kind, constant=entry["constant"])
    values = entry.get("values")
    for word, said in (values or {}).items():
        faults += [f"{at}: the value of {word!r}: {fault}" for fault in _unfit(path, spec, said)]
    if kind == "date" and not entry.get("date"):
        faults.append(f"{at} needs its form of date")
    if kind != "date" and "date" in entry:
        faults.append(f"{at}: date is given, but this is no date")
    if not kind.startswith("list_of_") and "split" in entry:
        faults.append(f"{at}: split is given, but this is no list")
    matches = None
    try:
        matches = re.compile(entry["matches"] + r"\Z", re.ASCII) if "matches" in entry else None
    except re.error as error:
        faults.append(f"{at}: matches is no regular expression: {error.msg}")
    return FieldRule(
        path=path,
        kind=kind,
        column=entry["column"],
        required=entry.get("required", False),
        date=entry.get("date", ""),
        values=None if values is None else {word.casefold(): said for word, said in values.items()},
        digits=entry.get("digits", 0),
        matches=matches,
        blank=frozenset(word.casefold() for word in entry.get("blank", ())),
        split=entry.get("split", ""),
    )


def _unfit(path: str, spec: FieldSpec | None, value: object) -> list[str]:
    """Why the gate would refuse a value that the mapping itself gives, in every row; empty if it would not."""
    if spec is not None:
        read, expected = spec.read(spec, value), spec.expected
    else:
        read = read_date(value) if path == "effective_on" else read_moment(value)
        expected = "a date as YYYY-MM-DD, or a moment with its offset"
    return [f"{value!r} does not fit ({read.code}); it takes {expected}"] if isinstance(read, Bad) else []
