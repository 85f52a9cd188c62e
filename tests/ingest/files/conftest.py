"""Drop folders of four partners on a memory log, with the gate of the committed agreements behind them."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.utils.datetime import WINDOWS_EPOCH

from hub.sharing import compile_policy
from services.ingest.agent import Opener
from services.ingest.channels.files.batch import FilesDoor
from services.ingest.channels.files.folder import Folder
from services.ingest.channels.files.ledger import Ledger
from services.ingest.channels.files.mapping import PartyMapping, load_mappings
from services.ingest.channels.files.places import ledger_path
from services.ingest.door import Door
from services.ingest.fields import type_specs
from services.ingest.gate import Gate
from services.ingest.policy import parse_policy
from spine.errors import Retry
from spine.keystore import MemoryKeys
from spine.log import MemoryLog
from spine.record import Fact, Outgoing
from spine.schema import Catalogue
from spine.seal import Sealer

ROOT = Path(__file__).resolve().parents[3]
CONTRACTS = ROOT / "contracts"
COLLEGE, ACADEMY, INCLUSION, HOUSING = (
    "northvale-college",
    "northgate-academy",
    "northshire-inclusion",
    "northshire-housing",
)

COLLEGE_HEADINGS = [
    "Learner Ref",
    "Forename",
    "Surname",
    "Date of Birth",
    "Sex",
    "Postcode",
    "ULN",
    "Record Type",
    "Start Date",
    "Mode",
    "Hours",
    "Planned End",
    "Leaving Date",
    "Leaving Reason",
    "Destination",
    "Destination Confirmed",
]
ENROLLED = {
    "Learner Ref": "P100881",
    "Forename": "Zoë",
    "Surname": "O’Brien",
    "Date of Birth": "14/03/2009",
    "Sex": "F",
    "Postcode": "NS3 4QT",
    "ULN": "7000000014",
    "Record Type": "ENR",
    "Start Date": "08/09/2025",
    "Mode": "FT",
    "Hours": "17",
    "Planned End": "02/07/2027",
}
LEFT = {
    **{name: ENROLLED[name] for name in COLLEGE_HEADINGS[:7]},
    "Record Type": "WDR",
    "Leaving Date": "21/11/2025",
    "Leaving Reason": "CM",
    "Destination": "UNK",
    "Destination Confirmed": "N",
}


def csv_text(
    rows: Sequence[Mapping[str, str]], headings: Sequence[str] = COLLEGE_HEADINGS, delimiter: str = ","
) -> str:
    """A file as a college's system writes it."""
    lines = [delimiter.join(headings)]
    for row in rows:
        lines.append(delimiter.join('"' + row.get(name, "").replace('"', '""') + '"' for name in headings))
    return "\r\n".join(lines) + "\r\n"


ACADEMY_HEADINGS = [
    "Admission No",
    "First name",
    "Last name",
    "DOB",
    "Post code",
    "UPN",
    "Date recorded",
    "Record",
    "Destination",
    "Applied?",
    "Year",
    "Offer",
]
HOUSING_HEADINGS = [
    "Case No",
    "Given name",
    "Family name",
    "Born",
    "Last postcode",
    "NI number",
    "Stage",
    "Stage date",
    "Circumstance",
    "Stated age",
]


def nccis(people: Sequence[Mapping[str, str]], period: str = "2025-11-20", head: str = "") -> bytes:
    """An extract of the careers database."""
    records = []
    for one in people:
        flat = {k: v for k, v in one.items() if "/" not in k}
        inner = "".join(f"<{k}>{v}</{k}>" for k, v in flat.items())
        offer = {k.partition("/")[2]: v for k, v in one.items() if "/" in k}
        if offer:
            inner += (
                "<SeptemberGuarantee>" + "".join(f"<{k}>{v}</{k}>" for k, v in offer.items()) + "</SeptemberGuarantee>"
            )
        records.append(f"<YoungPerson>{inner}</YoungPerson>")
    header = f"<FileHeader><DatabaseID>1</DatabaseID><PeriodEnd>{period}</PeriodEnd></FileHeader>"
    text = f'<?xml version="1.0" encoding="UTF-8"?>{head}<NCCIS xmlns="urn:x">{header}{"".join(records)}</NCCIS>'
    return text.encode()


def registered(number: int, **more: str) -> dict[str, str]:
    """One record of the careers database."""
    return {
        "YoungPersonsID": f"YP{number:05}",
        "GivenName": "Amir",
        "FamilyName": f"Testcase{number}",
        "DOB": "2009-01-12",
        "Gender": "M",
        "Postcode": "NS1 1AA",
        "LeadLEA": "999",
        "GuaranteeStatusIndicator": "N",
        **more,
    }


@dataclass(slots=True)
class Drop:
    """The folders of the four partners, and the log behind them."""

    root: Path
    folders: Mapping[str, Folder]
    log: MemoryLog
    catalogue: Catalogue
    sealer: Sealer
    ticking: list[float]
    broken: list[bool] = field(default_factory=lambda: [False])

    def put(self, party: str, name: str, content: bytes | str, *, done: bool = False) -> Path:
        path = self.root / party / "in" / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if done:
            path.with_name(name + ".done").touch()
        return path

    def look(self, party: str, seconds: float = 61) -> int:
        """Two rounds with time between them: a file is seen, lies still, and is read."""
        first = self.folders[party].round()
        self.ticking[0] += seconds
        return first + self.folders[party].round()

    def events(self) -> list[dict[str, Any]]:
        """Everything on the log, opened."""
        opener = Opener(self.sealer, self.catalogue)
        found = []
        for fact in self.facts():
            envelope = opener.submission(fact).envelope
            assert envelope is not None
            found.append(
                {
                    "id": fact.event_id,
                    "party": fact.fields["party"],
                    "door": fact.fields["door"],
                    "type": envelope.type,
                    "data": envelope.data,
                    "message_id": envelope.message_id,
                }
            )
        return found

    def said(self, kind: str = "") -> list[dict[str, Any]]:
        return [e for e in self.events() if e["type"] != "feed.extract_received" and e["type"].startswith(kind)]

    def facts(self) -> list[Fact]:
        return [self.catalogue.fact(r) for n in range(2) for r in self.log.read({("submissions", n): 0}, 1_000_000)]

    def out(self, party: str) -> Path:
        return self.root / party / "out"

    def summary(self, party: str) -> dict[str, Any]:
        (path,) = sorted(self.out(party).glob("*.summary.json"), key=lambda p: p.stat().st_mtime_ns)[-1:]
        read: dict[str, Any] = json.loads(path.read_text())
        return read

    def feedback(self, party: str) -> list[dict[str, str]]:
        (path,) = sorted(self.out(party).glob("*.feedback.csv"), key=lambda p: p.stat().st_mtime_ns)[-1:]
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return list(csv.DictReader(stream))

    def codes(self, party: str) -> list[tuple[str, str, str]]:
        """(row, column, code) of the newest feedback."""
        return [(line["Row"], line["Column"], line["Code"]) for line in self.feedback(party)]

    def ledger(self, party: str) -> Ledger:
        return Ledger(ledger_path(self.root, party))


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue([ROOT / "schemas" / "avro"], MemoryKeys())


@pytest.fixture(scope="session")
def mappings(catalogue: Catalogue) -> Mapping[str, PartyMapping]:
    return load_mappings(CONTRACTS, type_specs(catalogue.sources))


@pytest.fixture(scope="session")
def gate(catalogue: Catalogue) -> Gate:
    compiled = compile_policy(CONTRACTS)
    return Gate(parse_policy(compiled.content, compiled.policy_hash), type_specs(catalogue.sources))


@pytest.fixture
def drop(catalogue: Catalogue, mappings: Mapping[str, PartyMapping], gate: Gate, tmp_path: Path) -> Drop:
    log, sealer = MemoryLog({"submissions": 2}, catalogue.frame), Sealer(bytes(range(32)))
    ticking, broken = [1_000.0], [False]

    def append(records: Sequence[Outgoing]) -> None:
        if broken[0]:
            raise Retry("broker away")
        log.append(records)

    clock = lambda: datetime(2025, 11, 24, 8, 5, tzinfo=UTC)  # noqa: E731
    door = FilesDoor(Door(sealer, catalogue), gate, append, clock)
    folders = {party: Folder(tmp_path, mapping, door, lambda: ticking[0]) for party, mapping in mappings.items()}
    return Drop(tmp_path, folders, log, catalogue, sealer, ticking, broken)


def workbook(
    path: Path,
    rows: Sequence[Sequence[Any]],
    headings: Sequence[str] = ACADEMY_HEADINGS,
    epoch: datetime = WINDOWS_EPOCH,
) -> bytes:
    """An XLSX workbook with the sheet that was agreed, and one that was not."""
    book = openpyxl.Workbook()
    book.epoch = epoch
    sheet = book.active
    sheet.title = "Post-16"
    sheet.append(list(headings))
    for row in rows:
        sheet.append(list(row))
    book.create_sheet("Private").append(["not", "for", "the", "hub"])
    book.save(path)
    return path.read_bytes()


def as_excel_writes(path: Path) -> bytes:
    """The same workbook with shared strings, which Excel uses and openpyxl does not write."""
    strings: list[str] = []

    def shared(found: re.Match[str]) -> str:
        strings.append(found[2])
        return f'<c {found[1]} t="s"><v>{len(strings) - 1}</v></c>'

    with zipfile.ZipFile(path) as package:
        parts = {name: package.read(name).decode() for name in package.namelist()}
    for name in [n for n in parts if n.startswith("xl/worksheets/")]:
        parts[name] = re.sub(r'<c ([^>]*?) ?t="inlineStr"><is><t[^>]*>(.*?)</t></is></c>', shared, parts[name])
    main = "http://schemas.openxmlformats.org"
    items = "".join(f"<si><t>{text}</t></si>" for text in strings)
    parts["xl/sharedStrings.xml"] = f'<sst xmlns="{main}/spreadsheetml/2006/main">{items}</sst>'
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
    parts["[Content_Types].xml"] = parts["[Content_Types].xml"].replace("</Types>", override)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in parts.items():
            package.writestr(name, text)
    assert strings
    return path.read_bytes()
