"""What can be wrong with a file or a row, in words for the person who made it. Never with a value that was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Code -> (what is wrong, how to mend it), for what the files door itself finds. The gate's own codes come on top.
WORDS: Mapping[str, tuple[str, str]] = {
    "no_mapping": ("No mapping of yours fits this file name", "Name the file as agreed, or ask for a new mapping"),
    "too_big": ("The file is larger than the hub takes", "Split it into several files"),
    "too_many_rows": ("The file has more rows than the hub takes", "Split it into several files"),
    "empty": ("The file has no rows", "Send a file with headings and at least one row; nothing changed"),
    "not_a_file": ("This is no ordinary file", "Send the file itself, not a link to it"),
    "encoding": ("The bytes are not in the agreed encoding", "Save it as “{0}” and send it again"),
    "utf16": ("The file is UTF-16 (“Unicode text”)", "Save it as “{0}” and send it again"),
    "binary": ("The file holds null characters: it is not text", "Save it as CSV and send it again"),
    "quotes": (
        "A quoted cell does not end, or goes on after its quote",
        "Export again; the file may have been cut off",
    ),
    "row_width": ("The row has another number of cells than the headings", "Put cells with a delimiter in quotes"),
    "long_line": ("A line is longer than the hub reads", "Export again; a quote may be missing"),
    "missing_column": ("A column of the mapping is missing: {0}", "Put the heading back, spelt exactly so"),
    "unknown_column": ("Column {0} is not in the mapping", "Leave the column out, or have it agreed first"),
    "double_column": ("A heading stands twice: {0}", "Keep one of them"),
    "not_xlsx": ("This is no XLSX workbook", "Save it as “Excel workbook (.xlsx)”"),
    "encrypted": ("The file is protected by a password, or an old .xls", "Save it as .xlsx without a password"),
    "bomb": ("The workbook unpacks to more than the hub takes", "Delete unused sheets and formats, or split it"),
    "no_sheet": ("The agreed sheet is missing", "Name the sheet “{0}”"),
    "xml_dtd": ("A document type or entities are not allowed", "Export plain XML without DOCTYPE"),
    "xml_broken": ("The XML is not well formed, or the file was cut off", "Export it again"),
    "xml_deep": ("The XML is nested too deep or an element is too long", "Export it in the agreed schema"),
    "incomplete": ("The upload did not end", "Send the file again"),
    "no_marker": ("The file waits: no {0} lies beside it", "Put an empty file of that name when the upload has ended"),
    "old_marker": ("The file waits: {0} is older than the file", "Put it anew when the upload has ended"),
    "marker_alone": ("There is a .done marker, but no file of that name", "Send the file, then its marker"),
    "more_faults": ("{0} more faults are not listed", "Mend these and send the file again"),
    "held": ("The snapshot has far fewer rows than the last one; it waits for a person", "If that is right, say so"),
    "duplicate": ("The same statement stands in an earlier row; it counts once", "Nothing to do"),
    "contradiction": ("An earlier row has the same message id and says something else", "Keep the row that is right"),
    "no_event": ("The word says nothing that was agreed", "Use one of: {0}"),
    "empty_cell": ("A value is needed here", "Fill the cell"),
    "exponent": (
        "A spreadsheet turned the number into 1.2E+09: digits are lost",
        "Format the column as text, export again",
    ),
    "lost_zeros": (
        "Digits are missing; a spreadsheet may have cut zeros in front",
        "Exactly {0} digits; format as text",
    ),
    "decimals": ("A whole number came with decimals", "Format the column as text and export again"),
    "hashes": ("The column was too narrow: the cell holds only ####", "Widen the column and export again"),
    "cell_error": ("The cell holds an error of the spreadsheet", "Mend the formula, or enter the value"),
    "formula": ("The cell holds a formula", "Paste the value, not the formula"),
    "mojibake": ("Letters were spoilt by a wrong encoding", "Export again as “{0}”"),
    "serial_date": ("A spreadsheet turned the date into a number", "Format the column as a date: {0}"),
    "date_form": ("The date is not in the agreed form", "Write dates as {0}"),
    "not_a_number": ("A number is needed here", "Digits only, with a point for decimals"),
    "not_a_word": ("The word is not one of those agreed", "Use one of: {0}"),
    "form": ("The value has not the agreed form", "See the mapping of this column"),
    "long_cell": ("The cell is longer than the hub reads", "Shorten it"),
    "repeated": ("The element stands twice in one record", "Send it once"),
    "mapping": ("The mapping of this file gives a value that the hub refuses", "Tell the hub's data manager"),
}


@dataclass(frozen=True, slots=True)
class RowFault:
    """One fault of one row: row number as the partner counts, heading, code, words. ``note``: nothing was refused."""

    row: int
    column: str
    code: str
    wrong: str
    mend: str
    note: bool = False


class FileFault(Exception):
    """The file as a whole can't be taken; no row of it counts."""

    def __init__(self, code: str, what: str = "", row: int = 0) -> None:
        super().__init__(code)
        self.code, self.what, self.row = code, what, row

    def shown(self) -> RowFault:
        return row_fault(self.row, "", self.code, self.what)


def row_fault(row: int, column: str, code: str, what: str = "", *, note: bool = False) -> RowFault:
    """A fault in the words of the list above; ``what`` is a heading, a form or a closed list, never a cell."""
    wrong, mend = WORDS[code]
    return RowFault(row, column, code, wrong.replace("{0}", what), mend.replace("{0}", what), note)
