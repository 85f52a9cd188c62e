"""A row to events, as the mapping says. Pure. A cell that a spreadsheet has damaged is refused, never mended."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.ingest.channels.files.mapping import EventRule, FieldRule, FileRule
from services.ingest.channels.files.rows import CELL_CHARACTERS_MAX, Cell, Row, Spoilt
from services.ingest.channels.files.said import RowFault, row_fault

_EXPONENT = re.compile(r"[+-]?\d+(\.\d+)?[eE][+-]?\d+\Z", re.ASCII)
_DECIMALS = re.compile(r"\d+\.\d+\Z", re.ASCII)
_DIGITS = re.compile(r"\d+\Z", re.ASCII)
_HASHES = re.compile(r"#+\Z")
_CELL_ERROR = re.compile(r"#(N/A|REF!|VALUE!|DIV/0!|NAME\?|NULL!|NUM!|SPILL!|CALC!)\Z")
#: What UTF-8 looks like when it was read as Windows-1252 (Ã©, â€™), and the mark of a lost letter.
_MOJIBAKE = re.compile("[ÂÃ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â€|\ufffd")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NUMBER = re.compile(r"\d{1,12}(\.\d{1,6})?\Z", re.ASCII)
_SERIAL = re.compile(r"\d{5}(\.\d+)?\Z", re.ASCII)
_FORMS: Mapping[str, re.Pattern[str]] = {
    "yyyy-mm-dd": re.compile(r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})\Z", re.ASCII),
    "dd/mm/yyyy": re.compile(r"(?P<d>\d{1,2})/(?P<m>\d{1,2})/(?P<y>\d{4})\Z", re.ASCII),
    "dd-mm-yyyy": re.compile(r"(?P<d>\d{1,2})-(?P<m>\d{1,2})-(?P<y>\d{4})\Z", re.ASCII),
    "dd.mm.yyyy": re.compile(r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})\Z", re.ASCII),
    "dd-mon-yyyy": re.compile(r"(?P<d>\d{1,2})[- ](?P<m>[A-Za-z]{3})[a-z]*[- ](?P<y>\d{4})\Z", re.ASCII),
    "yyyymmdd": re.compile(r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})\Z", re.ASCII),
}


@dataclass(frozen=True, slots=True)
class Made:
    """One event made of a row: its rule, the ``data`` of its envelope, and what was wrong with its cells."""

    rule: EventRule
    body: Mapping[str, Any]
    faults: tuple[RowFault, ...]


def events_of(row: Row, rule: FileRule) -> tuple[list[Made], list[RowFault]]:
    """The events of a row, each with its own faults, and the faults of the row itself."""
    matching = [event for event in rule.events if _applies(event, row)]
    columns = sorted({event.when_column for event in rule.events})
    if matching:
        # Whether a spoilt cell told another event nobody knows: it is a fault, and what is sound goes.
        spoilt = [(column, cell) for column in columns if isinstance(cell := text_of(row.cells.get(column)), Spoilt)]
        made = [_made(row, event, rule) for event in matching]
        return made, [row_fault(row.number, column, cell.code) for column, cell in spoilt]
    faults = []
    for column in columns:
        words = sorted({word for e in rule.events if e.when_column == column for word in e.when_is})
        cell = text_of(row.cells.get(column))
        code = cell.code if isinstance(cell, Spoilt) else "no_event"
        faults.append(row_fault(row.number, column, code, ", ".join(words)))
    return [], faults


def text_of(cell: Cell) -> str | Spoilt:
    """The trimmed text of a cell: numbers of a workbook as they would be typed, dates as YYYY-MM-DD."""
    if isinstance(cell, Spoilt):
        return cell
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        if not math.isfinite(cell):
            return Spoilt("cell_error")
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, int | date):
        return str(cell)
    text = cell.replace("\u00a0", " ").replace("\ufeff", "").strip()
    return text if len(text) <= CELL_CHARACTERS_MAX else Spoilt("long_cell")


def _applies(event: EventRule, row: Row) -> bool:
    if not event.when_column:
        return True
    text = text_of(row.cells.get(event.when_column))
    return isinstance(text, str) and text.casefold() in event.when_is


def _made(row: Row, event: EventRule, file: FileRule) -> Made:
    body: dict[str, Any] = {"subject": {}, "data": {}}
    faults: list[RowFault] = []
    for rule in event.fields:
        value = rule.constant if not rule.column else _value(row.cells.get(rule.column), rule)
        if isinstance(value, Spoilt):
            faults.append(row_fault(row.number, rule.column, value.code, _expected(rule, value.code, file)))
        elif value is not None:
            part, dot, name = rule.path.partition(".")
            if dot:
                body[part][name] = value
            else:
                body[part] = value
        elif rule.required:
            faults.append(row_fault(row.number, rule.column, "empty_cell"))
    return Made(event, body, tuple(faults))


def _expected(rule: FieldRule, code: str, file: FileRule) -> str:
    """What would be right, for the words of a fault."""
    if code in ("date_form", "serial_date"):
        return rule.date
    if code == "not_a_word":
        return ", ".join(sorted(word for word in rule.values or () if word))
    if code == "lost_zeros":
        return str(rule.digits)
    return {"utf-8": "CSV UTF-8", "cp1252": "CSV (Windows-1252)"}.get(file.encoding, "UTF-8")


def _value(cell: Cell, rule: FieldRule) -> Any:
    """The field's value; None for nothing there; Spoilt with a code."""
    if rule.kind == "date" and isinstance(cell, date):
        return None if cell.isoformat() in rule.blank or _typed(cell) in rule.blank else cell.isoformat()
    text = text_of(cell)
    if isinstance(text, Spoilt):
        return text
    if text.casefold() in rule.blank:
        text = ""
    if rule.values is not None:
        found = rule.values.get(text.casefold())
        return found if found is not None else (Spoilt("not_a_word") if text else None)
    if not text:
        return None
    if rule.kind == "date":
        return _date(text, rule.date)
    if rule.kind in ("integer", "number"):
        return _number(text, rule.kind)
    spoilt = _damage(text, rule)
    if spoilt:
        return Spoilt(spoilt)
    if rule.kind == "boolean":
        return {"true": True, "false": False}.get(text.casefold(), Spoilt("not_a_word"))
    if rule.kind.startswith("list_of_"):
        return [entry.strip() for entry in text.split(rule.split or ";") if entry.strip()]
    return text


def _typed(day: date) -> str:
    return f"{day:%d/%m/%Y}"


def _damage(text: str, rule: FieldRule) -> str:
    """The code of what a spreadsheet or a wrong encoding has done to a text; empty for nothing."""
    if _EXPONENT.match(text):
        return "exponent"
    if _HASHES.match(text):
        return "hashes"
    if _CELL_ERROR.match(text):
        return "cell_error"
    if _MOJIBAKE.search(text):
        return "mojibake"
    if rule.digits:
        if _DECIMALS.match(text):
            return "decimals"
        if not _DIGITS.match(text) or len(text) > rule.digits:
            return "form"
        if len(text) < rule.digits:
            return "lost_zeros"
    if rule.kind == "identifier" and _DECIMALS.match(text):
        return "decimals"
    return "form" if rule.matches and not rule.matches.match(text) else ""


def _date(text: str, form: str) -> str | Spoilt:
    """YYYY-MM-DD from the agreed form and from no other."""
    found = _FORMS[form].match(text)
    if not found:
        if _HASHES.match(text):
            return Spoilt("hashes")
        return Spoilt("serial_date") if _SERIAL.match(text) else Spoilt("date_form")
    month = found["m"]
    try:
        number = int(month) if month.isdigit() else _MONTHS.index(month.lower()) + 1
        return date(int(found["y"]), number, int(found["d"])).isoformat()
    except ValueError:
        return Spoilt("date_form")


def _number(text: str, kind: str) -> int | float | Spoilt:
    if _EXPONENT.match(text):
        return Spoilt("exponent")
    if not _NUMBER.match(text):
        return Spoilt("not_a_number")
    if kind == "number":
        return float(text) if "." in text else int(text)
    whole, _, decimals = text.partition(".")
    return int(whole) if not decimals.strip("0") else Spoilt("decimals")
