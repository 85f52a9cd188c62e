"""docs/faults.md names a test for each of the 42 faults, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CASES = 42
COLUMNS = 6
TIERS = {"S", "P", "K", "U", "A", "Au"}


def rows() -> list[list[str]]:
    lines = (ROOT / "docs" / "faults.md").read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| \d", line)]


@cache
def names_in(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    found = (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef))
    return frozenset(node.name for node in found if node.name.startswith("test_"))


def test_every_fault_has_its_row_in_order() -> None:
    assert [int(row[0]) for row in rows()] == list(range(1, CASES + 1))
    assert {len(row) for row in rows()} == {COLUMNS}


def test_every_fault_names_a_test_that_exists() -> None:
    missing = []
    for row in rows():
        named = re.findall(r"`(tests/[^`]+?)::(test_[^`]+)`", row[-1])
        missing += [f"{row[0]}: {path}::{name}" for path, name in named if name not in names_in(path)]
        missing += [] if named else [f"{row[0]}: no test"]
    assert not missing


def test_every_fault_has_a_tier_and_a_promise_that_stands_in_the_contract() -> None:
    promises = set(re.findall(r"^\| (\d+) \|", (ROOT / "contracts" / "promises.md").read_text(), re.MULTILINE))
    for row in rows():
        assert set(row[2].replace(" ", "").split(",")) <= promises, row[0]
        assert set(row[3].split()) <= TIERS and row[3], row[0]


def test_every_crash_point_stands_in_the_loop_once() -> None:
    """The points that tests kill at are those that the code reaches; no more, no fewer."""
    reached = [
        point
        for path in sorted((ROOT / "spine").glob("*.py"))
        if path.name != "faults.py"
        for point in re.findall(r'faults\.reach\("(\w+)"\)', path.read_text())
    ]
    from spine.faults import POINTS

    # Both hosts acknowledge.
    assert sorted(reached) == sorted([*POINTS, "acknowledged"])
