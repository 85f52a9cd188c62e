"""Large files: rows a second through the whole door, and memory that does not grow with the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.sharing import ensure_built

ROOT = Path(__file__).resolve().parents[2]
ROWS = int(os.environ.get("HUB_BENCH_FILE_ROWS", "30000"))
GROWTH_BYTES_MAX = 40_000_000
ROWS_A_SECOND_MIN = 500

WORK = """
import ctypes, gc, json, sys, time
from datetime import UTC, datetime
from pathlib import Path
import psutil
from services.ingest.channels.files.batch import FilesDoor
from services.ingest.channels.files.feedback import Feedback
from services.ingest.channels.files.ledger import Ledger
from services.ingest.channels.files.mapping import load_mappings
from services.ingest.door import Door
from services.ingest.fields import type_specs
from services.ingest.gate import Gate
from services.ingest.policy import load_policy
from spine.log import MemoryLog
from spine.schema import Catalogue
from spine.seal import Sealer

folder, party, name, log_too = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "log"
catalogue = Catalogue([Path("schemas/avro")])
types = type_specs(catalogue.sources)
gate = Gate(load_policy(Path("contracts")), types)
rule = load_mappings(Path("contracts"), types)[party].rule_for(name)
log = MemoryLog({"submissions": 2}, catalogue.frame)
door = FilesDoor(
    Door(Sealer(bytes(32)), catalogue), gate, log.append if log_too else lambda records: None,
    lambda: datetime(2025, 11, 24, 8, tzinfo=UTC),
)
# What the set-up has freed would hide the growth that is looked for.
gc.collect()
ctypes.CDLL(None).malloc_trim(0)
process, peaks = psutil.Process(), []
with Ledger(folder / "ledger.sqlite") as ledger, Feedback(folder, "f") as feedback:
    before, begun = process.memory_info().rss, time.monotonic()
    survey = door.survey(folder / name, rule, ledger)
    surveyed = time.monotonic()
    tell = lambda rows: peaks.append(process.memory_info().rss)
    counts = door.take(folder / name, rule, "0" * 64, ledger, feedback, tell)
    ended = time.monotonic()
print(json.dumps({
    "rows": counts.rows, "accepted": counts.events_accepted, "refused": counts.rows_refused,
    "survey_seconds": round(surveyed - begun, 2),
    "seconds": round(ended - begun, 2), "rows_a_second": int(counts.rows / (ended - begun)),
    "before": before, "first": peaks[0], "peak": max(peaks),
}))
"""


def measure(folder: Path, party: str, name: str, log: str = "discard") -> dict[str, int]:
    ensure_built(ROOT / "contracts")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", WORK, str(folder), party, name, log],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    read: dict[str, int] = json.loads(ran.stdout)
    return read


def college_file(path: Path, rows: int) -> None:
    """Every hundredth row is damaged, every hundredth stands twice."""
    from tests.ingest.files.conftest import COLLEGE_HEADINGS, ENROLLED, LEFT

    with path.open("w", encoding="utf-8") as stream:
        stream.write(",".join(COLLEGE_HEADINGS) + "\n")
        for n in range(rows):
            row = {**(LEFT if n % 20 == 0 else ENROLLED), "Learner Ref": f"P{n - (n % 100 == 7):06}", "ULN": ""}
            row |= {"ULN": "7.0E+09"} if n % 100 == 50 else {}
            stream.write(",".join(row.get(heading, "") for heading in COLLEGE_HEADINGS) + "\n")


def careers_file(path: Path, rows: int) -> None:
    from tests.ingest.files.conftest import nccis, registered

    head, _, tail = nccis([registered(0)]).partition(b"<YoungPerson>")
    with path.open("wb") as stream:
        stream.write(head)
        for n in range(rows):
            inner = "".join(f"<{k}>{v}</{k}>" for k, v in registered(n).items())
            stream.write(f"<YoungPerson>{inner}</YoungPerson>".encode())
        stream.write(tail[tail.index(b"</YoungPerson>") + len(b"</YoungPerson>") :])


def academy_file(path: Path, rows: int) -> None:
    import openpyxl

    from tests.ingest.files.conftest import ACADEMY_HEADINGS

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Post-16")
    sheet.append(ACADEMY_HEADINGS)
    for n in range(rows):
        sheet.append(
            [
                f"{n:06}",
                "Ada",
                f"Testcase{n}",
                "04/05/2009",
                None,
                None,
                "20/11/2025",
                "Guarantee",
                None,
                None,
                11,
                "No offer",
            ]
        )
    book.save(path)


@pytest.mark.long
@pytest.mark.parametrize(
    ("party", "name", "write"),
    [
        ("northvale-college", "NVC_ENROL_1.csv", college_file),
        ("northshire-inclusion", "NCCIS_1.xml", careers_file),
        ("northgate-academy", "Destinations.xlsx", academy_file),
    ],
    ids=["csv", "xml", "xlsx"],
)
def test_a_large_file_is_read_in_memory_that_does_not_grow(
    tmp_path: Path, party: str, name: str, write: object
) -> None:
    assert callable(write)
    write(tmp_path / name, ROWS)
    found = measure(tmp_path, party, name, os.environ.get("HUB_BENCH_FILE_LOG", "discard"))
    print(json.dumps({"file": name, **found}))
    assert found["rows"] == ROWS
    assert found["rows_a_second"] > ROWS_A_SECOND_MIN
    assert found["peak"] - found["first"] < GROWTH_BYTES_MAX or os.environ.get("HUB_BENCH_FILE_LOG")
