"""A worklist says what was disclosed, and a spreadsheet runs nothing of it."""

import csv
import io
from datetime import date

from sqlalchemy.dialects import postgresql

from hub.worklist import as_csv, line, query

TOLD = {
    "due_on": date(2026, 11, 30), "raised_on": date(2026, 11, 27), "severity": "P2", "worker": "w-1", "ref": "r1",
    "rule": "A30", "person_id": "p-secret",
    "view": {
        "headline": "=HYPERLINK()",
        "lines": [{"label": "Name", "value": "Ann", "category": "identity"}], "todo": ["Call"],
    },
}  # fmt: skip


def test_neither_rule_nor_person_id_is_listed_and_a_formula_is_disarmed() -> None:
    text = as_csv([line(TOLD)])
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["headline"] == "'=HYPERLINK()" and row["details"] == "Name: Ann" and row["to_do"] == "Call"
    assert "A30" not in text and "p-secret" not in text


def test_a_team_reads_its_own_open_alerts_oldest_due_first() -> None:
    text = str(query("yjt", "yjt-manager").compile(dialect=postgresql.dialect()))
    assert "told.team = " in text and "told.role = " in text and "told.open" in text
    assert "ORDER BY told.due_on" in text
