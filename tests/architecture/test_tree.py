"""The tree polices itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("spine", "services", "hub")
BANNED_FOLDERS = {"utils", "common", "helpers", "base", "manager"}
FIELD_WORDS = ("person", "neet", "school", "pupil", "learner", "young", "safeguard", "college")
LINES_MAX = 400


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def test_no_folder_or_module_has_a_name_that_says_nothing() -> None:
    found = [p for p in modules() if BANNED_FOLDERS & {*p.parts, p.stem}]
    assert not found


def test_the_spine_has_no_word_of_the_field() -> None:
    found = []
    for path in (ROOT / "spine").rglob("*.py"):
        words = re.findall(r"[a-z]+", re.sub(r"([A-Z])", r" \1", path.read_text()).lower())
        hits = sorted({w for w in words if w in FIELD_WORDS})
        # "people, schools or alerts" in the package docstring names what the spine does not know.
        if hits and path.name != "__init__.py":
            found.append((path.name, hits))
    assert not found


def test_no_module_is_longer_than_the_limit() -> None:
    long = {str(p.relative_to(ROOT)): n for p in modules() if (n := len(p.read_text().splitlines())) > LINES_MAX}
    assert not long


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(p.relative_to(ROOT)) for p in modules() if not ast.get_docstring(ast.parse(p.read_text()))]
    assert not silent


def test_each_promise_names_a_test_that_exists() -> None:
    text = (ROOT / "contracts" / "promises.md").read_text()
    named = re.findall(r"`(tests/[^`]+)`", text)
    assert named
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing


def test_every_topic_in_code_stands_in_the_contract() -> None:
    topics = set(YAML(typ="safe").load(ROOT / "contracts" / "topics.yaml")["topics"])
    used: set[str] = set()
    for path in modules():
        used |= set(re.findall(r"(?:topic=|Effect\(\s*)\"([a-z]+)\"", path.read_text()))
    assert used <= topics, used - topics


def test_every_kafka_client_is_made_where_security_is_set() -> None:
    made = re.compile(r"\b(?:AdminClient|Consumer|Producer)\(\{?|\"bootstrap\.servers\"")
    found = {str(p.relative_to(ROOT)) for p in modules() if made.search(p.read_text())}
    assert found == {"spine/kafka.py"}


CORE_BANNED = {
    "random",
    "time",
    "socket",
    "os",
    "uuid",
    "secrets",
    "threading",
    "asyncio",
    "sqlalchemy",
    "psycopg",
    "confluent_kafka",
    "fastapi",
    "structlog",
    "httpx2",
}
SHELL = {"agent", "__main__", "tables", "door", "story", "settings"}


def core_modules() -> Iterator[Path]:
    for service in ("ingest", "matching", "status", "alerts"):
        for path in sorted((ROOT / "services" / service).rglob("*.py")):
            inner = path.relative_to(ROOT / "services" / service).parts
            if path.stem in SHELL or {"channels", "migrations", "delivery", "answers"} & set(inner):
                continue
            yield path


@pytest.mark.parametrize("path", list(core_modules()), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_core_module_reads_no_clock_no_random_and_no_network(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.split(".")[0])
        elif isinstance(node, ast.Attribute) and node.attr in ("now", "today", "utcnow"):
            owner = node.value
            assert not (isinstance(owner, ast.Name) and owner.id in ("datetime", "date")), (
                f"reads the clock: {path.name}"
            )
    assert not imported & CORE_BANNED


def test_imports_keep_to_the_contracts_of_the_tree() -> None:
    ran = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout
