"""XML, streamed by expat: no document type, no entities of its own, bounded depth and length.

A record is one element (NCCIS: YoungPerson); its parts are columns, named by their path below it with ``/``. The
parts of the header element, which comes first, are columns of every row, named with ``@``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from services.ingest.channels.files.mapping import HEADER_MARK, FileRule
from services.ingest.channels.files.rows import CELL_CHARACTERS_MAX, Cell, Row, Spoilt
from services.ingest.channels.files.said import FileFault

CHUNK_BYTES = 65_536
DEPTH_MAX = 16
PARTS_MAX = 1_000
#: expat holds one tag or comment whole; a file that feeds it so much without an event is no extract.
SILENT_BYTES_MAX = 1_048_576


def read_xml(path: Path, rule: FileRule) -> Iterator[Row]:
    """The records in order."""
    reader = _Reader(rule)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            reader.feed(chunk)
            yield from reader.taken()
        reader.feed(b"", last=True)
        yield from reader.taken()
    if not reader.number:
        raise FileFault("empty")


class _Reader:
    """Gathers rows from expat's calls."""

    def __init__(self, rule: FileRule) -> None:
        self.number = 0
        self._rule = rule
        self._rows: list[Row] = []
        self._header: dict[str, Cell] = {}
        self._cells: dict[str, Cell] | None = None
        self._prefix = ""
        self._path: list[str] = []
        self._base = 0
        self._text: list[str] = []
        self._length = 0
        self._silent = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse
        self._parser.ExternalEntityRefHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def feed(self, chunk: bytes, *, last: bool = False) -> None:
        self._silent += len(chunk)
        try:
            self._parser.Parse(chunk, last)
        except (expat.ExpatError, ValueError, LookupError) as error:
            # The last two: an encoding in the declaration that Python does not know, or that has more than one byte.
            raise FileFault("xml_broken", row=self.number + 1) from error
        if self._silent > SILENT_BYTES_MAX:
            raise FileFault("xml_deep", row=self.number + 1)

    def taken(self) -> list[Row]:
        rows, self._rows = self._rows, []
        return rows

    def _refuse(self, *_: object) -> NoReturn:
        raise FileFault("xml_dtd")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        del attributes
        self._silent = 0
        name = tag.rpartition(" ")[2]
        self._path.append(name)
        if len(self._path) > DEPTH_MAX:
            raise FileFault("xml_deep", row=self.number + 1)
        self._text, self._length = [], 0
        if self._cells is not None:
            return
        if name == self._rule.record:
            self.number += 1
            self._cells, self._prefix, self._base = dict(self._header), "", len(self._path)
        elif name == self._rule.header and self._rule.header:
            self._cells, self._prefix, self._base = {}, HEADER_MARK, len(self._path)

    def _characters(self, text: str) -> None:
        # One character over the limit is kept: that is how a cell shows that it is too long.
        room = CELL_CHARACTERS_MAX + 1 - self._length
        if room > 0:
            self._text.append(text[:room])
        self._length += len(text)

    def _end(self, tag: str) -> None:
        del tag
        self._silent = 0
        if self._cells is not None and len(self._path) == self._base:
            if self._prefix:
                self._header = self._cells
            else:
                self._rows.append(Row(self.number, self._cells))
            self._cells = None
        elif self._cells is not None:
            self._part("".join(self._text).strip())
        self._path.pop()
        self._text, self._length = [], 0

    def _part(self, text: str) -> None:
        assert self._cells is not None
        parts = self._path[self._base :]
        column = self._prefix + "/".join(parts)
        if column not in self._rule.columns:
            above = {"/".join(parts[:n]) for n in range(1, len(parts) + 1)}
            # The header speaks of the file, and an element that only holds others has no text of its own.
            if self._prefix or not text or above & self._rule.ignored:
                return
            raise FileFault("unknown_column", "/".join(parts)[:100], self.number)
        if len(self._cells) > PARTS_MAX:
            raise FileFault("xml_deep", row=self.number)
        self._cells[column] = Spoilt("repeated") if column in self._cells else text
