"""XLSX, streamed by openpyxl. The package is looked at as a zip first: sizes, encryption, entities.

Cells keep their types: a number in a column of text shows that a spreadsheet has been at work. Formulas are not values.
"""

from __future__ import annotations

import errno
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any, NoReturn
from xml.etree import ElementTree
from xml.parsers import expat

from openpyxl import load_workbook

from services.ingest.channels.files.mapping import FileRule
from services.ingest.channels.files.rows import Cell, Row, Spoilt, checked_headings
from services.ingest.channels.files.said import FileFault

MEMBERS_MAX = 500
UNPACKED_BYTES_MAX = 1_073_741_824
#: openpyxl streams sheets and holds every other part in memory, above all the shared strings.
HELD_BYTES_MAX = 33_554_432
#: Real sheets pack 5 to 20 times; a bomb hundreds of times.
RATIO_MAX, RATIO_FREE_BYTES = 100, 10_485_760
SHEET_ROWS_MAX, CELLS_MAX = 1_048_576, 50_000_000
SHEETS = "xl/worksheets/"
TYPES = "[Content_Types].xml"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: What may stand before the first element of a part; Office writes one declaration.
PROLOG_BYTES_MAX, _BLOCK_BYTES = 65_536, 16_384
#: Elements and attributes that openpyxl keeps until the end, and those of one row.
HELD_ELEMENTS_MAX, ROW_ELEMENTS_MAX, ROW_BYTES_MAX = 3_000_000, 200_000, 16_777_216
_ROW = "http://schemas.openxmlformats.org/spreadsheetml/2006/main row"
#: The others are no Office, and want as much memory as the package says.
_PACKED_AS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_xlsx(path: Path, rule: FileRule) -> Iterator[Row]:
    """The rows below the headings; blank rows are passed over."""
    _inspect(path)
    try:
        # Opened here: openpyxl would judge a path by its ending.
        with path.open("rb") as stream:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                book = load_workbook(stream, read_only=True, data_only=False, keep_links=False)
            yield from _rows(_sheet(book, rule), rule)
    except FileFault:
        raise
    except Exception as error:
        # openpyxl has no root exception: a package that is not what it says raises whatever its parts do.
        raise _judged(error) from error


def _rows(sheet: Any, rule: FileRule) -> Iterator[Row]:
    headings: list[str] = []
    held = 0
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        # A row's number and a cell's place are the sender's word: a small file can claim rows and columns without end.
        held += len(cells)
        if number > SHEET_ROWS_MAX or held > CELLS_MAX:
            raise FileFault("bomb")
        if number < rule.heading_row:
            continue
        values = [_cell(cell) for cell in cells]
        while values and values[-1] is None:
            values.pop()
        if not values:
            continue
        if not headings:
            headings = checked_headings([str(v).strip() if v is not None else "" for v in values], rule, number)
            continue
        if len(values) > len(headings):
            raise FileFault("row_width", row=number)
        yield Row(number, dict(zip(headings, [*values, *[None] * (len(headings) - len(values))], strict=True)))
    if not headings:
        raise FileFault("empty")


def _sheet(book: Any, rule: FileRule) -> Any:
    names = book.sheetnames
    if rule.sheet:
        if rule.sheet not in names:
            raise FileFault("no_sheet", rule.sheet)
        sheet = book[rule.sheet]
    else:
        if len(names) != 1:
            raise FileFault("no_sheet", "the only one")
        sheet = book[names[0]]
    # The stated size is the sender's word, and may be wrong in either direction.
    sheet.reset_dimensions()
    return sheet


def _cell(cell: Any) -> Cell:
    value, kind = cell.value, getattr(cell, "data_type", "n")
    if kind == "f" or (isinstance(value, str) and value.startswith("=")):
        return Spoilt("formula")
    if kind == "e":
        return Spoilt("cell_error")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, datetime):
        # A time of day in a column of dates means that it is no date.
        return value.date() if (value.hour, value.minute, value.second) == (0, 0, 0) else Spoilt("date_form")
    return value if isinstance(value, date) else Spoilt("form")


def _judged(error: Exception) -> Exception:
    """The file's fault, unless the machine's: a disk that does not read says nothing of the file."""
    machine = isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)
    return error if machine or isinstance(error, MemoryError) else FileFault("not_xlsx")


def _inspect(path: Path) -> None:
    """Raises FileFault for what should not be unpacked at all."""
    with path.open("rb") as stream:
        if stream.read(8) == _OLE:
            raise FileFault("encrypted")
    try:
        with zipfile.ZipFile(path) as package:
            members = package.infolist()
            if len(members) > MEMBERS_MAX:
                raise FileFault("bomb")
            _sizes(members)
            held = _Held()
            for member in members:
                if member.flag_bits & 0x1:
                    raise FileFault("encrypted")
                if member.compress_type not in _PACKED_AS:
                    raise FileFault("not_xlsx")
                with package.open(member) as part:
                    held.walk(part, member.filename)
            _strings_are_no_sheet(package.read(TYPES))
    except FileFault:
        raise
    except Exception as error:
        # zipfile lets through what its decompressors raise: zlib.error, LZMAError, struct.error and more.
        raise _judged(error) from error


def _sizes(members: list[zipfile.ZipInfo]) -> None:
    total = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    held = sum(member.file_size for member in members if not member.filename.startswith(SHEETS))
    if total > UNPACKED_BYTES_MAX or held > HELD_BYTES_MAX:
        raise FileFault("bomb")
    if total > RATIO_FREE_BYTES and total > RATIO_MAX * max(1, packed):
        raise FileFault("bomb")


def _strings_are_no_sheet(types: bytes) -> None:
    """Shared strings under a sheet's name would pass the limit of what is held. What this reads has been bounded."""
    for part in ElementTree.fromstring(types):
        name, kind = part.get("PartName", ""), part.get("ContentType", "")
        if "worksheet" not in kind and name.lstrip("/").startswith(SHEETS):
            raise FileFault("bomb")


class _Held:
    """What openpyxl would hold in memory of all parts: it frees what is within a row, and keeps every other element.

    Every part is walked by expat, which openpyxl reads with, in whatever encoding: a package may call any of them a
    sheet. A part that is no XML openpyxl can't read either. A document type can only stand before the first element;
    Office never writes one.
    """

    def __init__(self) -> None:
        self._elements = 0

    def walk(self, part: IO[bytes], name: str) -> None:
        """Raises FileFault, and ExpatError for what should be XML and is not."""
        parser = self._parser = expat.ParserCreate(namespace_separator=" ")
        parser.ordered_attributes = True
        parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _document_type
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        self._depth = self._row_elements = self._row_bytes = self._boundary = 0
        before, total = self._elements, 0
        while block := part.read(_BLOCK_BYTES):
            total += len(block)
            try:
                parser.Parse(block, False)
            except (expat.ExpatError, ValueError, LookupError):
                if self._elements == before and name.lower().endswith((".xml", ".rels")):
                    raise
                return
            since = total - self._boundary
            outside = total - self._row_bytes - (since if self._depth else 0)
            begun = self._elements > before
            if since > ROW_BYTES_MAX if self._depth else outside > (HELD_BYTES_MAX if begun else PROLOG_BYTES_MAX):
                raise FileFault("bomb")

    def _start(self, tag: str, attributes: list[str]) -> None:
        if self._depth:
            self._depth += 1
            self._row_elements += 1 + len(attributes)
            if self._row_elements > ROW_ELEMENTS_MAX:
                raise FileFault("bomb")
            return
        self._elements += 1
        if tag == _ROW:
            self._depth, self._row_elements = 1, 0
            self._boundary = self._parser.CurrentByteIndex
        else:
            self._elements += len(attributes)
        if self._elements > HELD_ELEMENTS_MAX:
            raise FileFault("bomb")

    def _end(self, tag: str) -> None:
        if self._depth:
            self._depth -= 1
            if not self._depth:
                self._row_bytes += self._parser.CurrentByteIndex - self._boundary


def _document_type(*_: object) -> NoReturn:
    raise FileFault("xml_dtd")
