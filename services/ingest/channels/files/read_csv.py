"""CSV: line by line, in the agreed encoding and no other. A wrong byte stops the file; nothing is guessed."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from services.ingest.channels.files.mapping import FileRule
from services.ingest.channels.files.rows import Row, checked_headings
from services.ingest.channels.files.said import FileFault

LINE_BYTES_MAX = 1_048_576
SAVE_AS = {"utf-8": "CSV UTF-8", "cp1252": "CSV (Windows-1252)"}


def read_csv(path: Path, rule: FileRule) -> Iterator[Row]:
    """The rows below the headings. Blank lines are passed over; row numbers count records, as a spreadsheet shows."""
    with path.open("rb") as stream:
        encoding = _encoding(stream, rule)
        lines = _lines(stream, encoding, rule)
        # strict: a cell that goes on after its closing quote is an error, not a cell.
        records = csv.reader(lines, delimiter=rule.delimiter, strict=True)
        number, headings = 0, list[str]()
        while True:
            try:
                cells = next(records, None)
            except csv.Error as error:
                raise FileFault("quotes", row=number + 1) from error
            if cells is None:
                break
            number += 1
            if number < rule.heading_row or not any(cell.strip() for cell in cells):
                continue
            if not headings:
                headings = checked_headings([cell.strip() for cell in cells], rule, number)
                continue
            if len(cells) != len(headings):
                raise FileFault("row_width", row=number)
            yield Row(number, dict(zip(headings, cells, strict=True)))
        if not headings:
            raise FileFault("empty")


def _encoding(stream: BinaryIO, rule: FileRule) -> str:
    """The agreed encoding, past a byte order mark."""
    mark = stream.read(4)
    if mark.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise FileFault("utf16", SAVE_AS[rule.encoding])
    if not mark.startswith(codecs.BOM_UTF8):
        stream.seek(0)
        return rule.encoding
    if rule.encoding != "utf-8":
        # The mark says UTF-8; read as cp1252 it would be three letters before the first heading.
        raise FileFault("encoding", SAVE_AS[rule.encoding], 1)
    stream.seek(len(codecs.BOM_UTF8))
    return "utf-8"


def _lines(stream: BinaryIO, encoding: str, rule: FileRule) -> Iterator[str]:
    number = 0
    while line := stream.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(line) > LINE_BYTES_MAX:
            raise FileFault("long_line", row=number)
        if b"\0" in line:
            raise FileFault("binary", row=number)
        try:
            yield line.decode(encoding)
        except UnicodeDecodeError as error:
            raise FileFault("encoding", SAVE_AS[rule.encoding], number) from error
