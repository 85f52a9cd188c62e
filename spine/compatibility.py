"""Avro schema resolution, asked in advance: can a reader with one schema read what a writer with another wrote?

A subset of the specification that suffices for facts: records, enums, arrays, maps, fixed, unions, primitives with
promotion, aliases. Differences are named by path; none means yes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Schema = Any

PROMOTIONS = {
    "int": {"int", "long", "float", "double"},
    "long": {"long", "float", "double"},
    "float": {"float", "double"},
    "string": {"string", "bytes"},
    "bytes": {"bytes", "string"},
}
NAMED = ("record", "enum", "fixed")
#: Levels of a subject, and what they ask of a new schema against one older version.
LEVELS = ("NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE")


def can_read(reader: Schema, writer: Schema) -> list[str]:
    """Why ``reader`` can't read what ``writer`` wrote, by path; empty if it can."""
    return _Match(_names(reader), _names(writer)).match(reader, writer, "")


def faults(level: str, new: Schema, older: Sequence[Schema]) -> list[str]:
    """Faults of ``new`` behind the versions ``older`` (oldest first) at ``level``."""
    if level == "NONE":
        return []
    against = older if level.endswith("_TRANSITIVE") else older[-1:]
    found: list[str] = []
    for old in against:
        if level.startswith(("BACKWARD", "FULL")):
            found += [f"new can't read old: {fault}" for fault in can_read(new, old)]
        if level.startswith(("FORWARD", "FULL")):
            found += [f"old can't read new: {fault}" for fault in can_read(old, new)]
    return found


def _names(schema: Schema) -> dict[str, Schema]:
    """Named types in a schema, by full and by short name."""
    found: dict[str, Schema] = {}

    def walk(node: Schema, space: str) -> None:
        if isinstance(node, list):
            for branch in node:
                walk(branch, space)
        elif isinstance(node, dict):
            if node.get("type") in NAMED:
                space = node.get("namespace", space)
                found[node["name"]] = found[f"{space}.{node['name']}".lstrip(".")] = node
            for inner in (node.get("type"), node.get("items"), node.get("values")):
                if isinstance(inner, dict | list):
                    walk(inner, space)
            for item in node.get("fields", ()):
                walk(item["type"], space)

    walk(schema, "")
    return found


@dataclass(slots=True)
class _Match:
    reading: dict[str, Schema]
    writing: dict[str, Schema]
    begun: set[tuple[str, str]] = field(default_factory=set)

    def match(self, reader: Schema, writer: Schema, path: str) -> list[str]:
        reader, writer = _open(reader, self.reading), _open(writer, self.writing)
        if isinstance(writer, list):
            return [fault for branch in writer for fault in self.match(reader, branch, path)]
        if isinstance(reader, list):
            if any(not self.match(branch, writer, path) for branch in reader):
                return []
            return [f"{path or '/'}: no branch of the union takes {_type(writer)}"]
        kind = _type(reader)
        if kind != _type(writer):
            allowed = kind in PROMOTIONS.get(_type(writer), set())
            return [] if allowed else [f"{path or '/'}: {_type(writer)} became {kind}"]
        check = _CHECKS.get(kind)
        return check(self, reader, writer, path) if check else []

    def record(self, reader: Schema, writer: Schema, path: str) -> list[str]:
        pair = (reader["name"], writer["name"])
        if pair in self.begun:
            return []
        self.begun.add(pair)
        found = _renamed(reader, writer, path)
        written = {item["name"]: item for item in writer["fields"]}
        for item in reader["fields"]:
            names = [item["name"], *item.get("aliases", ())]
            old = next((written[name] for name in names if name in written), None)
            here = f"{path}/{item['name']}"
            if old is not None:
                found += self.match(item["type"], old["type"], here)
            elif "default" not in item:
                found.append(f"{here}: new field without default")
        self.begun.discard(pair)
        return found

    def enum(self, reader: Schema, writer: Schema, path: str) -> list[str]:
        gone = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
        if gone and "default" not in reader:
            return [*_renamed(reader, writer, path), f"{path or '/'}: symbols {gone} unknown and no default"]
        return _renamed(reader, writer, path)

    def array(self, reader: Schema, writer: Schema, path: str) -> list[str]:
        return self.match(reader["items"], writer["items"], f"{path}[]")

    def map(self, reader: Schema, writer: Schema, path: str) -> list[str]:
        return self.match(reader["values"], writer["values"], f"{path}{{}}")

    def fixed(self, reader: Schema, writer: Schema, path: str) -> list[str]:
        wrong = [] if reader["size"] == writer["size"] else [f"{path or '/'}: size of fixed changed"]
        return [*_renamed(reader, writer, path), *wrong]


_CHECKS: dict[str, Callable[[_Match, Schema, Schema, str], list[str]]] = {
    "record": _Match.record,
    "enum": _Match.enum,
    "array": _Match.array,
    "map": _Match.map,
    "fixed": _Match.fixed,
}


def _open(schema: Schema, names: dict[str, Schema]) -> Schema:
    """A reference by name becomes the type; ``{"type": {...}}`` becomes what is inside."""
    while True:
        if isinstance(schema, str) and schema in names:
            return names[schema]
        if isinstance(schema, dict) and isinstance(schema.get("type"), dict | list):
            schema = schema["type"]
            continue
        return schema


def _type(schema: Schema) -> str:
    return schema if isinstance(schema, str) else str(schema["type"])


def _renamed(reader: Schema, writer: Schema, path: str) -> list[str]:
    known = {reader["name"], *(alias.rpartition(".")[2] for alias in reader.get("aliases", ()))}
    return [] if writer["name"] in known else [f"{path or '/'}: {writer['name']} became {reader['name']}"]
