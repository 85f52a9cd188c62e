"""A row as every reader gives it, and the limits that all readers keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from services.ingest.channels.files.mapping import FileRule
from services.ingest.channels.files.said import FileFault

FILE_BYTES_MAX = 1_073_741_824
ROWS_MAX = 2_000_000
COLUMNS_MAX = 200
CELL_CHARACTERS_MAX = 4_000


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A cell that holds no value that may be used; ``code`` says why."""

    code: str


Cell = str | int | float | bool | date | Spoilt | None


@dataclass(frozen=True, slots=True)
class Row:
    """``number`` as the partner sees it: the line of the spreadsheet, or the record's place in the XML, from 1."""

    number: int
    cells: Mapping[str, Cell]


def checked_headings(given: list[str], rule: FileRule, row: int) -> list[str]:
    """The headings, if they are those of the mapping. An unknown one is named by its place: it may hold a person."""
    if len(given) > COLUMNS_MAX:
        raise FileFault("unknown_column", str(COLUMNS_MAX + 1), row)
    for place, heading in enumerate(given, start=1):
        if heading not in rule.columns and heading not in rule.ignored:
            missing = sorted(rule.columns - set(given))
            # With everything missing the headings themselves are: say that first.
            if len(missing) == len(rule.columns):
                raise FileFault("missing_column", ", ".join(missing), row)
            raise FileFault("unknown_column", str(place), row)
    if len(set(given)) < len(given):
        raise FileFault("double_column", next(h for h in given if given.count(h) > 1), row)
    missing = sorted(rule.columns - set(given))
    if missing:
        raise FileFault("missing_column", ", ".join(missing), row)
    return given
