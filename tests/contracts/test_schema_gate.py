"""The compatibility gate: what a new version of a schema may not do to old data and old readers."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

from hub.schema_lint import changes_of, faults_of

ROOT = Path(__file__).resolve().parents[2]
PARTNER = sorted((ROOT / "schemas" / "avro" / "partner").glob("*.avsc"))
FACTS = sorted((ROOT / "schemas" / "avro").glob("*.avsc"))


def compatible(old: Any, new: Any) -> bool:
    """Both ways, as FULL_TRANSITIVE asks, by the reference implementation and by our own lint."""
    checker = ReaderWriterCompatibilityChecker()
    old_schema, new_schema = parse(json.dumps(old)), parse(json.dumps(new))
    both = [(old_schema, new_schema), (new_schema, old_schema)]
    avro = all(
        checker.get_compatibility(reader, writer).compatibility is SchemaCompatibilityType.compatible
        for reader, writer in both
    )
    return avro and not faults_of(new) and not changes_of(old, new)


def versions_gate(stem: str, folder: Path) -> list[tuple[Path, Path]]:
    """(earlier, later) pairs of the versions of one schema."""
    held = sorted(folder.glob(f"{stem}.v*.avsc"), key=lambda p: int(p.stem.rpartition(".v")[2]))
    return [(a, b) for n, b in enumerate(held) for a in held[:n]]


@pytest.mark.parametrize("path", [*PARTNER, *FACTS], ids=lambda p: p.stem)
def test_every_schema_keeps_our_rules_and_fits_every_earlier_version(path: Path) -> None:
    assert not faults_of(json.loads(path.read_text()))
    for earlier, later in versions_gate(path.stem.rpartition(".v")[0], path.parent):
        assert compatible(json.loads(earlier.read_text()), json.loads(later.read_text()))


def contact() -> Any:
    return json.loads((ROOT / "schemas/avro/partner/contact.verified.v1.avsc").read_text())


def data(schema: Any) -> list[Any]:
    fields: list[Any] = schema["fields"][5]["type"]["fields"]
    return fields


def field(schema: Any, name: str) -> Any:
    return next(f for f in data(schema) if f["name"] == name)


Mutation = Callable[[Any], object]


def add_optional(schema: Any) -> None:
    data(schema).append(
        {"name": "note_code", "type": ["null", "string"], "doc": "x", "classification": "personal", "default": None}
    )


def add_symbol(schema: Any) -> None:
    field(schema, "method")["type"]["symbols"].append("letter")


def reword(schema: Any) -> None:
    field(schema, "method")["doc"] = "Another wording."


GOOD: list[Mutation] = [add_optional, add_symbol, reword]


def add_required(schema: Any) -> None:
    data(schema).append({"name": "x", "type": "string", "doc": "x", "classification": "personal"})


def drop_required(schema: Any) -> None:
    data(schema).remove(field(schema, "method"))


def drop_optional(schema: Any) -> None:
    data(schema).remove(field(schema, "since"))


def rename(schema: Any) -> None:
    field(schema, "since")["name"] = "since_on"


def retype(schema: Any) -> None:
    field(schema, "contact_declined")["type"] = ["null", "string"]


def other_logical_type(schema: Any) -> None:
    field(schema, "since")["type"][1]["logicalType"] = "time-millis"


def other_namespace(schema: Any) -> None:
    schema["namespace"] = "elsewhere"


def other_enum_name(schema: Any) -> None:
    field(schema, "method")["type"]["name"] = "Ways"


def enum_without_default(schema: Any) -> None:
    del field(schema, "method")["type"]["default"]


def remove_symbol(schema: Any) -> None:
    field(schema, "method")["type"]["symbols"].remove("phone")


def other_default_symbol(schema: Any) -> None:
    field(schema, "method")["type"]["default"] = "visit"


def no_doc(schema: Any) -> None:
    del field(schema, "method")["doc"]


def no_class(schema: Any) -> None:
    del field(schema, "method")["classification"]


def other_class(schema: Any) -> None:
    field(schema, "neet_reason")["classification"] = "personal"


def wide_union(schema: Any) -> None:
    field(schema, "contact_declined")["type"] = ["null", "boolean", "string"]


def text_for_a_date(schema: Any) -> None:
    add_optional(schema)
    data(schema)[-1]["name"] = "seen_on"


def double_for_money(schema: Any) -> None:
    add_optional(schema)
    data(schema)[-1] |= {"name": "weekly_amount", "type": ["null", "double"]}


BAD: list[Mutation] = [
    add_required,
    drop_required,
    drop_optional,
    rename,
    retype,
    other_logical_type,
    other_namespace,
    other_enum_name,
    enum_without_default,
    remove_symbol,
    other_default_symbol,
    no_doc,
    no_class,
    other_class,
    wide_union,
    text_for_a_date,
    double_for_money,
]


@pytest.mark.parametrize("mutate", GOOD, ids=lambda m: m.__name__)
def test_a_change_that_nobody_feels_passes(mutate: Mutation) -> None:
    new = copy.deepcopy(contact())
    mutate(new)
    assert compatible(contact(), new)


@pytest.mark.parametrize("mutate", BAD, ids=lambda m: m.__name__)
def test_a_change_that_somebody_feels_is_refused(mutate: Mutation) -> None:
    new = copy.deepcopy(contact())
    mutate(new)
    assert not compatible(contact(), new)
