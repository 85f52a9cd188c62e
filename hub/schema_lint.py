"""What Avro's own compatibility check does not see, and what our facts owe their readers. Pure.

``faults_of`` judges one schema, ``changes_of`` a new version against an older one. Empty means good.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

CLASSES = ("operational", "personal", "special-category", "criminal-offence", "social-security")
MONEY = ("pence", "amount", "price", "pay", "cost")

Schema = Mapping[str, Any]


def faults_of(schema: Schema) -> list[str]:
    """Every rule that a schema breaks, with the path."""
    return [f"{path}: {fault}" for path, node in _nodes(schema) for fault in _own(node)]


def changes_of(old: Schema, new: Schema) -> list[str]:
    """Every change that an old reader or old data would feel, though Avro calls it compatible."""
    found = []
    if (old.get("name"), old.get("namespace")) != (new.get("name"), new.get("namespace")):
        found.append("/: name or namespace changed")
    before = dict(_nodes(old))
    after = dict(_nodes(new))
    aliases = {
        f"{path.rpartition('/')[0]}/{alias}" for path, node in after.items() for alias in node.get("aliases", ())
    }
    for path, node in before.items():
        if path in after:
            found += [f"{path}: {fault}" for fault in _pair(node, after[path])]
        elif path not in aliases and not any(path.startswith(f"{alias}/") for alias in aliases):
            found.append(f"{path}: field gone; renaming needs an alias, removal a new type")
    return found


def _nodes(schema: Schema) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(path, field) of every field; the outermost record comes first, as a field of the path /."""
    yield "/", {"type": schema, "doc": schema.get("doc"), "classification": "operational"}
    yield from _below(schema, "")


def _below(schema: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for inner in _records(schema):
        for field in inner["fields"]:
            here = f"{path}/{field['name']}"
            yield here, field
            yield from _below(_held(field), here)


def _held(field: Mapping[str, Any]) -> Any:
    """What a field holds: of one that is sealed on the log, what stands under the seal."""
    return field["sealed"]["type"] if "sealed" in field else field["type"]


def _records(schema: Any) -> Iterator[Mapping[str, Any]]:
    """The records directly inside a type."""
    for part in _parts(schema):
        if part.get("type") == "record":
            yield part


def _parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    """The complex types directly inside a type: through unions, arrays and maps, not through records."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _parts(branch)
    elif isinstance(schema, Mapping):
        yield schema
        for inner in ("items", "values"):
            if isinstance(schema.get(inner), list | Mapping) and schema.get("type") in ("array", "map"):
                yield from _parts(schema[inner])


def _own(field: Mapping[str, Any]) -> Iterator[str]:
    if "sealed" in field and field["type"] not in ("bytes", ["null", "bytes"]):
        yield "a sealed field that is not bytes"
    if not field.get("doc"):
        yield "no doc"
    if field.get("classification") not in CLASSES:
        yield "no classification"
    kind = field["type"] if isinstance(field["type"], list) else _held(field)
    if isinstance(kind, list) and not (len(kind) == 2 and kind[0] == "null"):
        yield "a union other than [null, T]"
    if isinstance(kind, list) and field.get("default", 0) is not None:
        yield "an optional field without default null"
    for part in _parts(kind):
        if part.get("type") == "enum" and part.get("default") not in part["symbols"]:
            yield "an enum without a default symbol"
    name, bare = str(field.get("name", "")), kind[-1] if isinstance(kind, list) else kind
    if name.endswith("_on") and bare == "string":
        yield "a bare string for a date"
    if bare in ("double", "float") and any(word in name.split("_") for word in MONEY):
        yield "a double for money"


def _pair(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if old.get("sealed") != new.get("sealed"):
        # Avro resolves nothing under the seal: what was sealed as one type can't be read as another.
        yield "what stands under the seal changed; that needs a new type of fact"
    if _logical(old["type"]) != _logical(new["type"]):
        yield "logical type changed"
    if old.get("classification") != new.get("classification"):
        yield "classification changed; agreements were made under the old one"
    for before, after in zip(_enums(old["type"]), _enums(new["type"]), strict=False):
        if before.get("default") != after.get("default"):
            yield "default symbol of an enum changed"
        if set(before["symbols"]) - set(after["symbols"]):
            yield "a symbol of an enum is gone"
    old_named = [(p.get("name"), p.get("namespace")) for p in _parts(old["type"]) if "name" in p]
    new_named = [(p.get("name"), p.get("namespace")) for p in _parts(new["type"]) if "name" in p]
    if old_named and new_named and old_named != new_named:
        yield "name or namespace of a named type changed"


def _logical(schema: Any) -> list[Any]:
    return [part["logicalType"] for part in _parts(schema) if "logicalType" in part]


def _enums(schema: Any) -> list[Mapping[str, Any]]:
    return [part for part in _parts(schema) if part.get("type") == "enum"]
