"""Events of the sample as a partner's file: written by the mapping with which the hub will read it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import date
from typing import Any

from hub.sample.mess import Line
from services.ingest.channels.files.mapping import EventRule, FieldRule, FileRule

_FORMS = {
    "yyyy-mm-dd": "%Y-%m-%d",
    "dd/mm/yyyy": "%d/%m/%Y",
    "dd-mm-yyyy": "%d-%m-%Y",
    "dd.mm.yyyy": "%d.%m.%Y",
    "dd-mon-yyyy": "%d-%b-%Y",
    "yyyymmdd": "%Y%m%d",
}


def carries(rule: FileRule, line: Line) -> bool:
    """Whether the file has rows for such an event. One with a misspelt type stands in the file, too."""
    types = {event.type for event in rule.events}
    return line.door_party == rule.party and str(line.event["type"]).replace("_", ".") in types


def as_csv(rule: FileRule, lines: Iterable[Line]) -> bytes:
    """One row for each line, in the mapping's columns. What has no column is left out, what is wrong stays wrong."""
    named = (column for e in rule.events for column in (e.when_column, *(f.column for f in e.fields)))
    columns = [column for column in dict.fromkeys(named) if column and not column.startswith("@")]
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, delimiter=rule.delimiter)
    writer.writeheader()
    for line in lines:
        writer.writerow(_row(rule, line.event))
    return out.getvalue().encode(rule.encoding)


def _row(rule: FileRule, event: dict[str, Any]) -> dict[str, str]:
    known = next((e for e in rule.events if e.type == event["type"]), None)
    cells = {}
    for field in (known or rule.events[0]).fields:
        part, _, name = field.path.partition(".")
        value = event["data"].get(part)
        if field.column:
            cells[field.column] = _cell(field, value.get(name) if name and isinstance(value, dict) else value)
    return cells | {(known or rule.events[0]).when_column: _word(known)}


def _word(event: EventRule | None) -> str:
    return min(event.when_is).upper() if event else "???"


def _cell(field: FieldRule, value: Any) -> str:
    if value is None:
        return ""
    if field.values is not None:
        # The mapping's words are folded to small letters; any writing of them is read.
        words = [word for word, said in field.values.items() if said == value]
        return words[0].upper() if words else str(value)
    if field.kind == "date":
        try:
            return date.fromisoformat(str(value)).strftime(_FORMS[field.date])
        except ValueError:
            return str(value)
    return str(value)
